from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from bunbase.bunauth.module import MODULE
from bunbase.bunauth.service import BunAuthService
from bunbase.bunauth.settings import BunAuthSettings, Signups
from bunbase.contracts.bunauth.accounts import NewAccount, SignedIn, SignupState
from bunbase.contracts.bunauth.problems import EmailTaken, InvalidCredentials, SignupsClosed
from bunbase.pkg import passwords as passwords_module
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.modules import Rooms, Site
from tests.bunauth.people import PASSWORD, caller_with, registered
from tests.rooms import ANYONE, opened


async def test_the_first_account_is_the_administrator_and_the_second_is_not(bunauth: BunAuthService) -> None:
    assert await bunauth.signup_state() == SignupState("open", setup_complete=False)

    first = await registered(bunauth, "ada@example.com")
    second = await registered(bunauth, "bob@example.com")

    assert (first.user.role, second.user.role) == ("admin", "user")
    assert await bunauth.signup_state() == SignupState("open", setup_complete=True)


async def test_ten_simultaneous_registrations_make_one_administrator(bunauth: BunAuthService) -> None:
    everyone = await asyncio.gather(*(registered(bunauth, f"dev{n}@example.com") for n in range(10)))

    assert Counter(one.user.role for one in everyone) == {"admin": 1, "user": 9}


async def test_ten_simultaneous_registrations_of_one_email_make_one_account(bunauth: BunAuthService) -> None:
    answers = await asyncio.gather(*(registered(bunauth) for _ in range(10)), return_exceptions=True)

    assert Counter(type(answer) for answer in answers) == {SignedIn: 1, EmailTaken: 9}


@pytest.mark.parametrize("signups", [Signups.INVITE, Signups.CLOSED])
async def test_without_open_signups_only_the_first_account_can_register(
    rooms: Rooms, here: Site, signups: Signups
) -> None:
    async with opened(MODULE, rooms, here, settings=BunAuthSettings(signups=signups)) as bunauth:
        everyone = await asyncio.gather(
            *(registered(bunauth, f"dev{n}@example.com") for n in range(5)), return_exceptions=True
        )

        admins = [one for one in everyone if isinstance(one, SignedIn)]
        assert [admin.user.role for admin in admins] == ["admin"]
        assert Counter(type(one) for one in everyone)[SignupsClosed] == 4
        assert await bunauth.signup_state() == SignupState(signups.value, setup_complete=True)


@pytest.mark.parametrize(("dev", "expected"), [(True, Signups.OPEN), (False, Signups.INVITE)])
def test_signups_are_open_in_dev_and_by_invitation_in_production(dev: bool, expected: Signups) -> None:
    assert Signups.AUTO.on(dev) is expected
    assert Signups.CLOSED.on(dev) is Signups.CLOSED


async def test_a_taken_email_is_refused_in_every_spelling(bunauth: BunAuthService) -> None:
    await registered(bunauth, "ada@example.com")

    with pytest.raises(EmailTaken):
        await registered(bunauth, "  ADA@Example.COM ")


async def test_an_invalid_registration_is_refused_with_the_name_of_the_field(bunauth: BunAuthService) -> None:
    for email, password, name, path in (
        ("not an address", PASSWORD, "", "/email"),
        ("nul\0@example.com", PASSWORD, "", "/email"),
        ("ada@example.com", "short", "", "/password"),
        ("ada@example.com", "x" * 257, "", "/password"),
        ("ada@example.com", PASSWORD, "x" * 101, "/name"),
        ("ada@example.com", PASSWORD, "nul\0", "/name"),
    ):
        with pytest.raises(InvalidInput) as refused:
            await bunauth.register(ANYONE, NewAccount(email, password, name))
        assert refused.value.extra["errors"][0]["path"] == path

    assert (await bunauth.signup_state()).setup_complete is False


async def test_a_registered_developer_signs_in_and_reads_the_account(bunauth: BunAuthService) -> None:
    account = (await registered(bunauth)).user

    signed_in = await bunauth.login(ANYONE, "Ada@example.com", PASSWORD)

    assert signed_in.user == account
    assert signed_in.token_type == "Bearer"
    assert signed_in.expires_in == 900
    assert await bunauth.me(await caller_with(bunauth, signed_in.access_token)) == account


@pytest.mark.usefixtures("true_hasher")
async def test_every_failed_sign_in_gets_the_same_answer_after_one_hash(
    bunauth: BunAuthService, monkeypatch: pytest.MonkeyPatch
) -> None:
    await registered(bunauth)
    hashed: list[str] = []
    really = passwords_module._matches

    def counting(password: str, hash: str) -> bool:
        hashed.append(hash)
        return really(password, hash)

    monkeypatch.setattr(passwords_module, "_matches", counting)

    for email, password in (
        ("ada@example.com", "wrong horse battery"),
        ("nobody@example.com", PASSWORD),
        ("not an address", PASSWORD),
        ("nul\0@example.com", PASSWORD),
        ("ada@example.com", ""),
    ):
        hashed.clear()
        with pytest.raises(InvalidCredentials) as refused:
            await bunauth.login(ANYONE, email, password)
        assert refused.value.body() == InvalidCredentials().body()
        assert len(hashed) == 1, email
        assert hashed[0].startswith(
            "$argon2id$v=19$m=19456,t=2,p=1$"
        )  # the decoy has the same cost as the hash of an account


async def test_the_database_contains_no_plaintext_password(bunauth: BunAuthService) -> None:
    await registered(bunauth)

    stored = await bunauth.stores.db.value("SELECT string_agg(users::text, '') FROM users")

    assert "$argon2id$" in stored
    assert PASSWORD not in stored
