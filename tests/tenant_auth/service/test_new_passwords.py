from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from argon2 import PasswordHasher

from bunbase.contracts.bunauth.problems import InvalidCredentials
from bunbase.contracts.caller import Role
from bunbase.contracts.tenant_auth.users import NewUser, UserChanges
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.password_rules import WeakPassword
from bunbase.pkg.passwords import needs_upgrade
from bunbase.tenant_auth.service import TenantAuthService
from tests.rooms import member_caller, secret_caller
from tests.tenant_auth.mailbox import link
from tests.tenant_auth.people import AT_BAKERY, BAKERY, PASSWORD, as_user, signed_up

ADA, SERVER = member_caller(BAKERY, Role.ADMIN), secret_caller(BAKERY)
LEAKED = "a password of a breach"


class FakeBreached:
    """A list of breached passwords that has one password."""

    async def contains(self, hash: str) -> bool:
        return hash == hashlib.sha1(LEAKED.encode(), usedforsecurity=False).hexdigest().upper()

    async def close(self) -> None: ...


async def set_policy(room: TenantAuthService, **policy: Any) -> None:
    await room.change_project_auth(ADA, {"password": policy}, None)


async def change_password(room: TenantAuthService, user: str, password: str) -> None:
    await room.update_user(SERVER, user, UserChanges(password=password))


async def test_the_policy_binds_every_way_to_a_new_password(tenant_auth: TenantAuthService, clock: ManualClock) -> None:
    signed_in = await signed_up(tenant_auth)
    user = signed_in.user.id
    caller = await as_user(tenant_auth, AT_BAKERY, signed_in.access_token, clock.now().timestamp)
    await tenant_auth.request_user_password_reset(AT_BAKERY, "eve@example.com", "")
    token = await link(tenant_auth, "eve@example.com", "reset-password")
    tenant_auth.pools.breached = FakeBreached()
    await set_policy(tenant_auth, min_length=12, breached=True)
    ways: tuple[Callable[[str], Awaitable[Any]], ...] = (
        lambda password: tenant_auth.signup(AT_BAKERY, "mallory@example.com", password, {}),
        lambda password: tenant_auth.create_user(SERVER, NewUser("mallory@example.com", password)),
        lambda password: change_password(tenant_auth, user, password),
        lambda password: tenant_auth.change_user_password(caller, password, PASSWORD),
        lambda password: tenant_auth.reset_user_password(AT_BAKERY, token, password),
    )

    for way in ways:
        for password, refusal, words in (
            ("eleven char", InvalidInput, "at least 12"),
            (LEAKED, WeakPassword, "data breach"),
            ("a" * 12, WeakPassword, "sequence"),
        ):
            with pytest.raises(refusal) as refused:
                await way(password)
            [error] = refused.value.extra["errors"]
            assert error["path"] == "/password"
            assert words in error["message"]
    assert await tenant_auth.login(AT_BAKERY, "eve@example.com", PASSWORD)
    assert await tenant_auth.stores.db.value("SELECT count(*) FROM users") == 1


async def test_a_list_of_breaches_cannot_be_demanded_from_a_server_without_one(tenant_auth: TenantAuthService) -> None:
    with pytest.raises(InvalidInput, match="no list of breached passwords"):
        await set_policy(tenant_auth, breached=True)


async def test_the_last_passwords_of_a_user_are_refused_and_older_ones_are_forgotten(
    tenant_auth: TenantAuthService,
) -> None:
    await set_policy(tenant_auth, history=3)
    user = (await signed_up(tenant_auth)).user.id
    words = [PASSWORD, "the second password", "the third password", "the fourth password"]
    for word in words[1:3]:
        await change_password(tenant_auth, user, word)
    for word in words[:3]:
        with pytest.raises(WeakPassword, match="one of the last 3"):
            await change_password(tenant_auth, user, word)

    await change_password(tenant_auth, user, words[3])
    await change_password(tenant_auth, user, PASSWORD)  # By now, this password is the fourth last one.
    assert await tenant_auth.stores.db.value("SELECT count(*) FROM password_history") == 2

    await set_policy(tenant_auth, history=0)
    await change_password(tenant_auth, user, PASSWORD)
    assert await tenant_auth.stores.db.value("SELECT count(*) FROM password_history") == 0
    assert await tenant_auth.login(AT_BAKERY, "eve@example.com", PASSWORD)


async def test_a_project_without_a_history_keeps_no_old_hash(tenant_auth: TenantAuthService) -> None:
    user = (await signed_up(tenant_auth)).user.id

    await change_password(tenant_auth, user, "the second password")

    assert await tenant_auth.stores.db.value("SELECT count(*) FROM password_history") == 0
    with pytest.raises(InvalidCredentials):
        await tenant_auth.login(AT_BAKERY, "eve@example.com", PASSWORD)


async def test_a_sign_in_replaces_a_hash_with_older_parameters(tenant_auth: TenantAuthService) -> None:
    await set_policy(tenant_auth, history=2)
    user = (await signed_up(tenant_auth)).user
    db = tenant_auth.stores.db
    old = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD)
    await db.execute("UPDATE users SET password_hash = $1", old)

    with pytest.raises(InvalidCredentials):
        await tenant_auth.login(AT_BAKERY, "eve@example.com", "wrong horse battery")
    assert await db.value("SELECT password_hash FROM users") == old
    assert (await tenant_auth.login(AT_BAKERY, "eve@example.com", PASSWORD)).user == user

    assert not needs_upgrade(await db.value("SELECT password_hash FROM users"))
    assert await db.value("SELECT count(*) FROM password_history") == 0
    assert (await tenant_auth.login(AT_BAKERY, "eve@example.com", PASSWORD)).user == user
    await tenant_auth.stores.users.upgrade_hash(BAKERY, user.id, old, "$argon2id$too-late")
    assert not needs_upgrade(await db.value("SELECT password_hash FROM users"))
