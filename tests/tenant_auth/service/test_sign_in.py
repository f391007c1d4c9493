from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from bunbase.contracts.bunauth.problems import EmailTaken, InvalidCredentials
from bunbase.contracts.bunkms import KeyDestroyed, KeyNotFound
from bunbase.contracts.tenant_auth.sessions import UserSignedIn
from bunbase.pkg import passwords as passwords_module
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.errors import InvalidInput, Unauthenticated
from bunbase.tenant_auth.service import TenantAuthService
from tests.fakes import FakeKms
from tests.rooms import ANYONE, publishable_caller, secret_caller
from tests.tenant_auth.people import AT_BAKERY, AT_LIBRARY, BAKERY, PASSWORD, as_user, signed_up


async def test_a_user_signs_in_with_a_publishable_or_a_secret_key(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    new = await signed_up(tenant_auth, AT_BAKERY, plan="free")

    for caller in (AT_BAKERY, secret_caller(BAKERY)):
        signed_in = await tenant_auth.login(caller, "EVE@example.com", PASSWORD)
        assert signed_in.user == new.user
    assert (new.user.email, new.user.email_verified, new.user.role) == ("eve@example.com", False, "user")
    assert (new.user.claims, new.user.data) == ({}, {"plan": "free"})
    caller = await as_user(tenant_auth, AT_BAKERY, new.access_token, lambda: clock.now().timestamp())
    assert await tenant_auth.me(caller) == new.user


async def test_simultaneous_sign_ups_with_one_email_make_one_user(tenant_auth: TenantAuthService) -> None:
    answers = await asyncio.gather(*(signed_up(tenant_auth) for _ in range(8)), return_exceptions=True)

    assert Counter(type(answer) for answer in answers) == {UserSignedIn: 1, EmailTaken: 7}
    assert await tenant_auth.stores.db.value("SELECT count(*) FROM sessions") == 1


async def test_every_failed_sign_in_gets_the_same_answer_after_one_hash(
    tenant_auth: TenantAuthService, monkeypatch: pytest.MonkeyPatch
) -> None:
    await signed_up(tenant_auth)
    hashed: list[str] = []
    really = passwords_module._matches

    def counting(password: str, hash: str) -> bool:
        hashed.append(hash)
        return really(password, hash)

    monkeypatch.setattr(passwords_module, "_matches", counting)

    for caller, email, password in (
        (AT_BAKERY, "eve@example.com", "wrong horse battery"),
        (AT_BAKERY, "nobody@example.com", PASSWORD),
        (AT_BAKERY, "not an address", PASSWORD),
        (AT_LIBRARY, "eve@example.com", PASSWORD),
    ):
        hashed.clear()
        with pytest.raises(InvalidCredentials) as refused:
            await tenant_auth.login(caller, email, password)
        assert refused.value.body() == InvalidCredentials().body()
        assert len(hashed) == 1


async def test_the_data_of_a_user_has_at_most_16_kib_and_32_levels(tenant_auth: TenantAuthService) -> None:
    deep: dict[str, Any] = {}
    for _ in range(31):
        deep = {"a": deep}
    just = {"text": "x" * (16 * 1024 - len('{"text":""}'))}

    await signed_up(tenant_auth, AT_BAKERY, "deep@example.com", **deep)
    await signed_up(tenant_auth, AT_BAKERY, "long@example.com", **just)

    for data in ({"a": deep}, {"text": just["text"] + "x"}):
        with pytest.raises(InvalidInput) as refused:
            await tenant_auth.signup(AT_BAKERY, "more@example.com", PASSWORD, data)
        assert refused.value.extra["errors"][0]["path"] == "/data"


async def test_an_invalid_sign_up_is_refused_with_the_name_of_the_field(tenant_auth: TenantAuthService) -> None:
    for email, password, path in (("no address", PASSWORD, "/email"), ("eve@example.com", "short", "/password")):
        with pytest.raises(InvalidInput) as refused:
            await tenant_auth.signup(AT_BAKERY, email, password, {})
        assert refused.value.extra["errors"][0]["path"] == path


async def test_every_call_needs_a_project_key_or_a_signed_in_user(tenant_auth: TenantAuthService) -> None:
    for call in (
        tenant_auth.signup(ANYONE, "eve@example.com", PASSWORD, {}),
        tenant_auth.login(ANYONE, "eve@example.com", PASSWORD),
        tenant_auth.refresh(ANYONE, "urt_x"),
        tenant_auth.me(AT_BAKERY),
        tenant_auth.update_me(AT_BAKERY, {}),
        tenant_auth.logout(AT_BAKERY),
    ):
        with pytest.raises(Unauthenticated):
            await call


async def test_a_project_without_an_encryption_key_gets_no_users(tenant_auth: TenantAuthService, kms: FakeKms) -> None:
    await signed_up(tenant_auth)
    await kms.destroy(BAKERY)

    with pytest.raises(KeyDestroyed):
        await signed_up(tenant_auth, AT_BAKERY, "late@example.com")
    with pytest.raises(KeyNotFound):
        await signed_up(tenant_auth, publishable_caller("prj_unknown"))

    assert await tenant_auth.stores.db.value("SELECT count(*) FROM users") == 1
