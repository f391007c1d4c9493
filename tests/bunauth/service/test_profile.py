from __future__ import annotations

import pytest

from bunbase.bunauth.service import BunAuthService
from bunbase.contracts.bunauth.accounts import ProfileChanges
from bunbase.pkg.errors import Forbidden, InvalidInput
from tests.bunauth.people import caller_with, registered


async def test_a_name_and_a_picture_are_changed_one_by_one(bunauth: BunAuthService) -> None:
    caller = await caller_with(bunauth, (await registered(bunauth)).access_token)

    await bunauth.update_me(caller, ProfileChanges(avatar_url="https://example.com/ada.png"))
    renamed = await bunauth.update_me(caller, ProfileChanges(name=" Ada L. "))

    assert (renamed.name, renamed.avatar_url) == ("Ada L.", "https://example.com/ada.png")
    assert await bunauth.me(caller) == renamed
    assert (await bunauth.update_me(caller, ProfileChanges(avatar_url=""))).avatar_url == ""


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/a.png",
        "javascript:alert(1)",
        "https://",
        "https://[",
        "https://a:b@example.com/",
        "https://example.com/a b",
        "https://example.com/" + "a" * 500,
        "https://exämple.com/",
        "https://example.com/\0",
    ],
)
async def test_an_address_that_is_no_plain_https_url_is_refused(bunauth: BunAuthService, url: str) -> None:
    caller = await caller_with(bunauth, (await registered(bunauth)).access_token)

    with pytest.raises(InvalidInput):
        await bunauth.update_me(caller, ProfileChanges(avatar_url=url))


async def test_a_personal_token_cannot_change_the_account(bunauth: BunAuthService) -> None:
    caller = await caller_with(bunauth, (await registered(bunauth)).access_token)
    token = (await bunauth.create_token(caller, "ci", ("read", "write"), None)).token

    with pytest.raises(Forbidden):
        await bunauth.update_me(await caller_with(bunauth, token or ""), ProfileChanges(name="Eve"))
