"""Administrators find users among many."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

import pytest

from bunbase.contracts.tenant_auth.users import NewUser, UserFilter, UserOrder
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.cursors import InvalidCursor
from bunbase.tenant_auth.service import TenantAuthService
from bunbase.tenant_auth.store.user_search import search
from bunbase.tenant_auth.store.users import USERS
from tests.rooms import secret_caller
from tests.tenant_auth.people import BAKERY, LIBRARY

SERVER: Final = secret_caller(BAKERY)
MANY: Final = 20_000
FILL: Final = """
INSERT INTO users (project, id, email, name, phone, anonymous, password_hash, banned_at, data, created_at)
SELECT CASE WHEN n % 10 = 0 THEN 'prj_library' ELSE 'prj_bakery' END, 'usr_' || lpad(n::text, 9, '0'),
    CASE WHEN n % 20 > 0 THEN md5(n::text) || '@example.com' END, initcap(md5((-n)::text)),
    CASE WHEN n % 20 > 0 THEN '+49' || n END, n % 20 = 0, CASE WHEN n % 20 > 0 THEN 'hash' END,
    CASE WHEN n % 100 = 1 THEN now() END, '{}', timestamptz '2026-01-01' + n * interval '1 minute'
FROM generate_series(1, $1::int) AS n"""
IDENTITIES: Final = """
INSERT INTO identities (project, id, user_id, provider, subject, created_at, last_used_at)
SELECT project, replace(id, 'usr_', 'idn_'), id, CASE WHEN id LIKE '%7' THEN 'google' ELSE 'corp' END, id, now(), now()
FROM users"""


async def found(room: TenantAuthService, **only: Any) -> list[str]:
    page = await room.users(SERVER, UserFilter(**only), 10, None)
    return [(user.email or user.id).partition("@")[0] for user in page.items]


async def test_users_are_found_by_name_phone_provider_kind_and_age_in_three_orders(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    ids = {}
    for name in ("eve", "bob", "ada"):
        ids[name] = (await tenant_auth.create_user(SERVER, NewUser(f"{name}@example.com"))).id
        clock.advance(60)
    await tenant_auth.create_user(secret_caller(LIBRARY), NewUser("other@example.com"))
    db = tenant_auth.stores.db
    await db.execute("UPDATE users SET name = 'Ébert, Robert', phone = '+4915112345678' WHERE id = $1", ids["bob"])
    await db.execute("UPDATE users SET anonymous = true, email = NULL WHERE id = $1", ids["ada"])
    await db.execute("UPDATE users SET password_hash = 'x' WHERE id = $1", ids["eve"])
    await db.execute(
        "INSERT INTO identities (project, id, user_id, provider, subject, created_at, last_used_at)"
        " VALUES ($1, 'idn_1', $2, 'google', 's', $3, $3)",
        BAKERY,
        ids["bob"],
        clock.now(),
    )

    assert await found(tenant_auth, q="ébert") == ["bob"]
    assert await found(tenant_auth, q="robert") == []
    assert await found(tenant_auth, phone="+4915112345678") == ["bob"]
    assert await found(tenant_auth, provider="google") == ["bob"]
    assert await found(tenant_auth, provider="google", banned=True) == []
    assert await found(tenant_auth, provider="password") == ["eve"]
    assert await found(tenant_auth, anonymous=True) == [ids["ada"]]
    assert await found(tenant_auth, anonymous=False) == ["bob", "eve"]
    assert await found(tenant_auth, created_since=clock.now() - timedelta(seconds=120)) == [ids["ada"], "bob"]
    assert await found(tenant_auth, order=UserOrder.OLDEST) == ["eve", "bob", ids["ada"]]
    assert await found(tenant_auth, order=UserOrder.EMAIL) == ["bob", "eve"]
    for order in UserOrder:
        first = await tenant_auth.users(SERVER, UserFilter(order=order), 1, None)
        second = await tenant_auth.users(SERVER, UserFilter(order=order), 1, first.next)
        assert [(one.email or one.id).partition("@")[0] for one in (*first.items, *second.items)] == (
            await found(tenant_auth, order=order)
        )[:2]
    with pytest.raises(InvalidCursor):
        await tenant_auth.users(SERVER, UserFilter(order=UserOrder.OLDEST), 1, first.next)


@pytest.fixture
async def crowd(tenant_auth: TenantAuthService) -> TenantAuthService:
    db = tenant_auth.stores.db
    await db.execute(FILL, MANY)
    await db.execute(IDENTITIES)
    await db.execute("ANALYZE users")
    await db.execute("ANALYZE identities")
    return tenant_auth


async def test_no_search_among_many_users_reads_the_whole_table(crowd: TenantAuthService, clock: ManualClock) -> None:
    late = clock.now() + timedelta(minutes=MANY - 50)
    filters: list[dict[str, Any]] = [
        *({}, {"q": "abc"}, {"q": "a"}, {"email": "nobody@example.com"}, {"phone": "+4917"}, {"role": "editor"}),
        *({"provider": "google"}, {"provider": "corp"}, {"provider": "password"}, {"provider": "none"}),
        *({"banned": True}, {"banned": False}, {"anonymous": True}, {"anonymous": False}, {"created_since": late}),
        {"q": "abc", "banned": False, "anonymous": False, "provider": "google"},
    ]
    for only in filters:
        for order in UserOrder:
            for after in ("", "usr_000010000"):
                rest, args = search(UserFilter(**only, order=order), after, 21, clock.now())
                plan = await _plan(crowd, USERS + rest, *args)
                assert "Seq Scan" not in plan, (only, order, plan)
    for only, index in (
        ({"q": "abc"}, "users_email_prefix"),
        ({"created_since": late}, "users_created"),
        ({"anonymous": True}, "users_of_anonymous"),
        ({"banned": True}, "users_banned"),
        ({"provider": "none"}, "identities_provider"),
    ):
        rest, args = search(UserFilter(**only), "", 21, clock.now())
        assert index in await _plan(crowd, USERS + rest, *args), only


async def _plan(room: TenantAuthService, sql: str, *args: Any) -> str:
    """Return the query plan of PostgreSQL as one text."""
    return str(await room.stores.db.value(f"EXPLAIN (FORMAT JSON) {sql}", BAKERY, *args))
