"""Users that are active in a month are counted once, for bills."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bunbase.contracts.bunauth.problems import InvalidCredentials
from bunbase.contracts.tenant_auth.active_users import ActiveMonth
from bunbase.contracts.tenant_auth.impersonation import NewImpersonation
from bunbase.contracts.tenant_auth.sessions import UserSignedIn
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.errors import Unreachable
from bunbase.tenant_auth import active_users
from bunbase.tenant_auth.service import TenantAuthService
from tests.rooms import secret_caller
from tests.tenant_auth.people import AT_BAKERY, AT_LIBRARY, BAKERY, LIBRARY, PASSWORD, change_settings, without_password


async def signed_in(room: TenantAuthService, uid: str) -> UserSignedIn:
    token = (await room.custom_token(secret_caller(BAKERY), uid, {})).token
    return await room.login_with_custom_token(AT_BAKERY, token)


async def test_each_user_counts_once_a_month_with_the_first_sign_in_or_refresh(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    await change_settings(tenant_auth, anonymous={"enabled": True})
    eve = (await without_password(tenant_auth, "eve@example.com", clock)).end_user().uid
    await without_password(tenant_auth, "bob@example.com", clock)
    await without_password(tenant_auth, "other@example.com", clock, AT_LIBRARY)
    for _ in range(2):
        await tenant_auth.sign_in_anonymously(AT_BAKERY, {})
    session = await signed_in(tenant_auth, eve)
    january = ActiveMonth("2026-01", 2, 2)
    assert await tenant_auth.monthly_active_users(BAKERY) == (january,)
    assert await tenant_auth.monthly_active_users(LIBRARY) == (ActiveMonth("2026-01", 1, 0),)
    assert await tenant_auth.active_users_of_installation() == 3

    clock.advance(20 * 24 * 3600)
    session = await tenant_auth.refresh(AT_BAKERY, session.refresh_token)
    clock.advance((datetime(2026, 2, 1, tzinfo=UTC) - clock.now()).total_seconds())
    for _ in range(2):
        session = await tenant_auth.refresh(AT_BAKERY, session.refresh_token)
    await tenant_auth.active_months.flush()
    await tenant_auth.active_months.close_months()
    assert await tenant_auth.stores.db.value("SELECT count(*) FROM user_months") == 6, "January may still change"
    clock.advance(3 * 24 * 3600)
    for _ in range(2):
        await tenant_auth.active_months.close_months()

    assert await tenant_auth.stores.db.value("SELECT count(*) FROM user_months") == 1
    assert await tenant_auth.monthly_active_users(BAKERY) == (ActiveMonth("2026-02", 1, 0), january)
    clock.advance((datetime(2027, 1, 1, tzinfo=UTC) - clock.now()).total_seconds())
    assert [one.month for one in await tenant_auth.monthly_active_users(BAKERY)] == ["2026-02"]


async def test_a_visitor_who_signs_up_is_no_longer_an_anonymous_user_of_the_month(
    tenant_auth: TenantAuthService,
) -> None:
    for changed in (True, False, True):
        active = active_users.Active(BAKERY, "2026-01", "usr_eve", changed)
        await tenant_auth.stores.active_users.add([active])
    assert await tenant_auth.monthly_active_users(BAKERY) == (ActiveMonth("2026-01", 1, 0),)


async def test_an_impersonation_and_a_refused_sign_in_count_nobody_and_a_failed_write_loses_nobody(
    tenant_auth: TenantAuthService, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    eve = (await without_password(tenant_auth, "eve@example.com", clock)).end_user().uid
    months = tenant_auth.active_months

    async def away(*_: object) -> None:
        raise Unreachable("the database is away")

    with monkeypatch.context() as broken:
        broken.setattr(months.store, "add", away)
        with pytest.raises(Unreachable):
            await months.flush()
    assert await months.of_all() == 1
    months.active.known.clear()
    await tenant_auth.impersonate_user(secret_caller(BAKERY), eve, NewImpersonation())
    with pytest.raises(InvalidCredentials):
        await tenant_auth.login(AT_BAKERY, "eve@example.com", PASSWORD)
    assert months.active.take() == []


async def test_a_process_remembers_a_bounded_number_of_users(
    tenant_auth: TenantAuthService, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(active_users, "MAX_KNOWN", 2)
    monkeypatch.setattr(active_users, "MAX_WAITING", 3)
    for n in range(5):
        await without_password(tenant_auth, f"{n}@example.com", clock)
    assert len(tenant_auth.active_months.active.known) <= 2
    assert len(tenant_auth.active_months.active.waiting) <= 3
