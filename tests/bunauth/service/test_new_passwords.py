from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from argon2 import PasswordHasher

from bunbase.bunauth.module import MODULE
from bunbase.bunauth.service import BunAuthService
from bunbase.bunauth.settings import BunAuthSettings, VerifySignups
from bunbase.contracts.bunauth.accounts import NewAccount
from bunbase.pkg.modules import Rooms, Site
from bunbase.pkg.password_rules import WeakPassword
from bunbase.pkg.passwords import needs_upgrade
from tests.bunauth.mailbox import link
from tests.bunauth.people import PASSWORD, caller_with, registered
from tests.rooms import ANYONE, opened

BREACHED = "a breached password"
EVE = "eve@example.com"


@pytest_asyncio.fixture
async def bunauth(rooms: Rooms, here: Site, tmp_path: Path) -> AsyncIterator[BunAuthService]:
    hash = hashlib.sha1(BREACHED.encode(), usedforsecurity=False).hexdigest().upper()
    (tmp_path / "breached").write_text(f"{hash}:3\n")
    settings = BunAuthSettings(breached_passwords_file=str(tmp_path / "breached"), verify_signups=VerifySignups.ON)
    async with opened(MODULE, rooms, here, settings=settings) as service:
        yield service


@pytest.mark.parametrize("password", [BREACHED, "ada@example.com", "aaaaaaaaaa"])
async def test_a_weak_password_is_refused_wherever_a_password_is_chosen(bunauth: BunAuthService, password: str) -> None:
    with pytest.raises(WeakPassword):
        await bunauth.register(ANYONE, NewAccount("ada@example.com", password))
    ada = await registered(bunauth)
    caller = await caller_with(bunauth, ada.access_token)
    await bunauth.register(ANYONE, NewAccount(EVE, PASSWORD))
    sign_up = await link(bunauth, EVE, "sign-up")
    await bunauth.request_password_reset("ada@example.com")
    reset = await link(bunauth, "ada@example.com", "reset-password")

    if password != "ada@example.com":  # This password is not the address of Eve.
        with pytest.raises(WeakPassword):
            await bunauth.confirm_signup(ANYONE, sign_up, password)
        with pytest.raises(WeakPassword):
            await bunauth.open_account(ANYONE, sign_up, password)
    invite = (await bunauth.create_invite(caller, None, "user")).url or ""
    with pytest.raises(WeakPassword):
        await bunauth.accept_invite(
            ANYONE, NewAccount("ada@example.com", password, invite=invite.rpartition("token=")[2])
        )
    with pytest.raises(WeakPassword):
        await bunauth.change_password(caller, password, PASSWORD)
    with pytest.raises(WeakPassword):
        await bunauth.reset_password(ANYONE, reset, password)

    assert (await bunauth.login(ANYONE, "ada@example.com", PASSWORD)).user == ada.user
    await bunauth.reset_password(ANYONE, reset, "another horse battery")
    await bunauth.confirm_signup(ANYONE, sign_up, "another horse battery")


async def test_a_sign_in_stores_a_hash_with_the_parameters_of_today(bunauth: BunAuthService) -> None:
    ada = await registered(bunauth)
    old = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)
    await bunauth.stores.db.execute("UPDATE users SET password_hash = $1", old)

    signed_in = await bunauth.login(ANYONE, "ada@example.com", PASSWORD)

    stored = await bunauth.stores.accounts.password_hash(ada.user.id)
    assert stored is not None
    assert (needs_upgrade(old), needs_upgrade(stored)) == (True, False)
    assert (await bunauth.verify(signed_in.access_token)).valid
    assert (await bunauth.verify(ada.access_token)).valid, "an upgrade is no change of the password"
    assert (await bunauth.login(ANYONE, "ada@example.com", PASSWORD)).user == ada.user
