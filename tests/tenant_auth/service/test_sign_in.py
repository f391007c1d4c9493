from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from bunbase.contracts.bunauth import EmailTaken, InvalidCredentials
from bunbase.contracts.bunkms import KeyDestroyed, KeyNotFound
from bunbase.contracts.tenant_auth import UserSignedIn
from bunbase.pkg import passwords as passwords_module
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.errors import InvalidInput, Unauthenticated
from bunbase.tenant_auth.service import TenantAuthService
from tests.fakes import FakeKms
from tests.rooms import ANYONE, publishable_caller, secret_caller
from tests.tenant_auth.people import AT_BAKERY, AT_LIBRARY, BAKERY, PASSWORD, as_user, signed_up


async def test_a_user_signs_up_and_in_with_either_kind_of_key(
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


async def test_one_email_signed_up_many_times_at_once_is_one_user(tenant_auth: TenantAuthService) -> None:
    answers = await asyncio.gather(*(signed_up(tenant_auth) for _ in range(8)), return_exceptions=True)

    assert Counter(type(answer) for answer in answers) == {UserSignedIn: 1, EmailTaken: 7}
    assert await tenant_auth.stores.db.value("SELECT count(*) FROM sessions") == 1


async def test_whatever_is_wrong_sign_in_answers_alike_and_hashes_once(
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


async def test_data_is_at_most_sixteen_kibibytes_and_thirty_two_levels(tenant_auth: TenantAuthService) -> None:
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


async def test_what_cannot_be_a_user_is_refused_by_name(tenant_auth: TenantAuthService) -> None:
    for email, password, path in (("no address", PASSWORD, "/email"), ("eve@example.com", "short", "/password")):
        with pytest.raises(InvalidInput) as refused:
            await tenant_auth.signup(AT_BAKERY, email, password, {})
        assert refused.value.extra["errors"][0]["path"] == path


async def test_without_a_key_or_a_user_there_is_no_answer(tenant_auth: TenantAuthService) -> None:
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


async def test_a_project_without_a_key_gets_no_users(tenant_auth: TenantAuthService, kms: FakeKms) -> None:
    await signed_up(tenant_auth)
    await kms.destroy(BAKERY)

    with pytest.raises(KeyDestroyed):
        await signed_up(tenant_auth, AT_BAKERY, "late@example.com")
    with pytest.raises(KeyNotFound):
        await signed_up(tenant_auth, publishable_caller("prj_unknown"))

    assert await tenant_auth.stores.db.value("SELECT count(*) FROM users") == 1
