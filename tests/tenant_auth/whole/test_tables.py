from __future__ import annotations

import re
from functools import partial
from typing import Final

import msgspec
import pytest

from bunbase.gateway.login_guard import GUARDED
from bunbase.pkg import identity
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.identity import external_login, factor_checks, mail_links, sign_in_challenges
from bunbase.pkg.identity.store.passkeys import PasskeyAct
from bunbase.pkg.mail import outbox
from bunbase.tenant_auth.service import TenantAuthService
from tests.pkg.identity.pools import assert_finds_links_by_index
from tests.tenant_auth.factors import EVE, SITE, choose
from tests.tenant_auth.people import BAKERY, without_password
from tests.tenant_auth.tables import tables

COLUMNS = """
SELECT table_name AS table, array_agg(column_name::text) AS columns FROM information_schema.columns
WHERE table_schema = 'tenant_auth' GROUP BY table_name"""


class Table(msgspec.Struct, frozen=True):
    table: str
    columns: list[str]


# A request may add rows to these tables that are not the only row of their user or address. Each table has the reason
# why nobody can fill it. Tests below and the tests of the limits in these places prove the reason.
BOUNDED: Final = {
    "activity": "rows of a user in an hour (pkg/identity/activity_slots.py)",
    "external_codes": ["/v1/auth/oauth/{provider}/callback", "/v1/auth/ui/return"],
    "external_logins": ["/v1/auth/oauth/{provider}/start", "/v1/auth/ui/with/{provider}"],
    "identities": "MAX_IDENTITIES (pkg/identity/external_people.py)",
    "link_tickets": "test_the_oldest_open_challenges_tickets_and_links_of_a_user_give_way",
    "mail_tokens": "test_the_oldest_open_challenges_tickets_and_links_of_a_user_give_way",
    "mails": "mails of an address and of a project in an hour (pkg/mail/outbox.py)",
    "page_codes": ["/v1/auth/ui", "/v1/auth/ui/new-account", "/v1/auth/ui/second-factor", "/v1/auth/ui/passkey"],
    "passkey_challenges": "test_the_oldest_open_challenges_tickets_and_links_of_a_user_give_way",
    "passkeys": "MAX_PASSKEYS (pkg/identity/account_passkeys.py)",
    "password_history": "the setting password.history",
    "recovery_codes": "new codes take the place of the old ones (pkg/recovery_codes.py)",
    "refresh_tokens": ["/v1/auth/refresh"],
    "sessions": ["/v1/auth/login", "/v1/auth/login/code", "/v1/auth/login/custom-token", "/v1/auth/login/link"],
    "sign_in_challenges": "test_the_oldest_open_challenges_tickets_and_links_of_a_user_give_way",
    "sign_in_codes": ["/v1/auth/code", "/v1/auth/phone", "/v1/auth/phone/change"],
    "text_messages": "messages of a number and of a project in an hour (service/text_messages.py)",
    "used_custom_tokens": ["/v1/auth/login/custom-token"],
    "users": ["/v1/auth/signup", "/v1/auth/signup/confirm", "/v1/auth/anonymous"],
}
# If a table has such a key, a user has only one row in it.
OF_ONE: Final = {"project", "user_id", "kind", "email", "month"}
KEYS: Final = """
SELECT relname AS table, array_agg(attname::text) AS columns FROM pg_index
JOIN pg_class ON pg_class.oid = indrelid JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY (indkey)
WHERE indisprimary AND relnamespace = 'tenant_auth'::regnamespace GROUP BY relname"""


async def test_every_table_to_which_requests_add_rows_has_a_limit(tenant_auth: TenantAuthService) -> None:
    keys = {one.table: set(one.columns) for one in await tenant_auth.stores.db.all(Table, KEYS)}

    growing = {table for table in await tables(tenant_auth) if not keys[table] <= OF_ONE}

    assert growing == set(BOUNDED), "say why nobody can fill this table"
    for routes in (routes for routes in BOUNDED.values() if isinstance(routes, list)):
        assert set(routes) <= set(GUARDED)


async def test_the_oldest_open_challenges_tickets_and_links_of_a_user_give_way(
    tenant_auth: TenantAuthService, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (external_login, factor_checks, mail_links, sign_in_challenges):
        monkeypatch.setattr(module, "MAX_OPEN", 3)
    await choose(tenant_auth, **SITE, providers={"google": {"client_id": "bakery", "client_secret": "x"}})
    eve = await without_password(tenant_auth, EVE, clock)
    pool, uid = await tenant_auth.pools.of(BAKERY), eve.end_user().uid
    holder = await tenant_auth.stores.users.by_id(BAKERY, uid)
    assert holder is not None
    letter = partial(pool.letters.password_reset, EVE, "https://app.bakery.example/reset")
    for _ in range(5):
        for kind in ("a", "b"):
            await pool.links.make(kind, EVE, uid, 600, lambda _token: letter())
        await pool.challenges.add(holder)
        await pool.external.ticket("google", eve.end_user().session)
        for act in (PasskeyAct.REGISTER, PasskeyAct.PROOF):
            await pool.checks.new_challenge(uid, act)
        clock.advance(1)

    counted = {
        table: await tenant_auth.stores.db.value(f"SELECT count(*) FROM {table} WHERE expires_at > $1", clock.now())
        for table in ("link_tickets", "mail_tokens", "passkey_challenges", "sign_in_challenges")
    }

    assert counted == {"link_tickets": 3, "mail_tokens": 6, "passkey_challenges": 6, "sign_in_challenges": 3}


async def test_the_room_has_the_tables_that_the_shared_pieces_need(tenant_auth: TenantAuthService) -> None:
    stored = {one.table: set(one.columns) for one in await tenant_auth.stores.db.all(Table, COLUMNS)}
    documented = re.findall(r"CREATE TABLE (\w+) \((.*?)\n    \);", f"{identity.__doc__}{outbox.__doc__}", re.DOTALL)

    assert len(documented) > 10
    for table, body in documented:
        columns = set(re.findall(r"^        ([a-z_]+) [a-z]", body, re.MULTILINE))
        assert (table, columns ^ stored[table]) == (table, set())


async def test_the_links_of_an_address_are_found_by_an_index_among_many_others(tenant_auth: TenantAuthService) -> None:
    await assert_finds_links_by_index(tenant_auth.stores.db, BAKERY)
