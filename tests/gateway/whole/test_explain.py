"""The header X-Bunbase-Explain asks why a rule denied a request. Only some callers may ask."""

from __future__ import annotations

import pytest

from tests.gateway.door import door_of
from tests.gateway.others import LIBRARYS, PUBLISHABLE

DATA = "/v1/data/posts"


@pytest.mark.parametrize(
    ("mode", "key", "token", "status", "explained"),
    [
        ("dev", PUBLISHABLE, "", 200, False),
        ("dev", PUBLISHABLE, "true", 200, True),
        ("dev", PUBLISHABLE, "yes", 401, False),
        ("production", PUBLISHABLE, "true", 401, False),
        ("production", PUBLISHABLE, "{member}", 200, True),
        ("production", PUBLISHABLE, "{stranger}", 404, False),
        ("production", LIBRARYS, "{member}", 404, False),
        ("production", PUBLISHABLE, "{user}", 401, False),
        ("production", PUBLISHABLE, "x" * 9000, 401, False),
    ],
)
async def test_members_may_ask_for_explanations_and_in_dev_mode_everybody_may(
    mode: str, key: str, token: str, status: int, explained: bool
) -> None:
    async with door_of(mode=mode) as door:
        tokens = {
            "{member}": door.bunauth.token(),
            "{stranger}": door.bunauth.token(sub="usr_bob"),
            "{user}": door.tenant_auth.token(),
        }
        headers = {"x-bunbase-key": key, "x-bunbase-explain": tokens.get(token, token)}

        answer = await door.http.get(DATA, headers=headers)

    assert answer.status_code == status, answer.text
    assert [caller.explain for caller in door.bundoc.seen] == ([explained] if status == 200 else [])


async def test_the_explain_header_keeps_the_signed_in_user() -> None:
    async with door_of() as door:
        bearer = f"Bearer {door.tenant_auth.token()}"
        headers = {"x-bunbase-key": PUBLISHABLE, "x-bunbase-explain": "true", "authorization": bearer}

        await door.http.get(DATA, headers=headers)

    (caller,) = door.bundoc.seen
    assert caller.explain
    assert caller.user is not None
    assert caller.user.uid == "usr_eve"
