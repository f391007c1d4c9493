"""A database that an earlier release has written opens, with its users and with the requests that wait in it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from bunbase.contracts.bunkms import Kms
from bunbase.contracts.functions.service import Functions
from bunbase.contracts.tenant_auth.users import UserFilter
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.db.connecting import connect
from bunbase.pkg.db.migrations import apply_migrations, migrations_in
from bunbase.pkg.modules import Rooms
from bunbase.tenant_auth.module import MODULE
from tests.fakes import FakeKms
from tests.rooms import opened, secret_caller, site
from tests.tenant_auth.hooking import FakeFunctions
from tests.tenant_auth.mailbox import link, mails
from tests.tenant_auth.people import AT_BAKERY, BAKERY, PASSWORD

BEFORE: Final = "0013_phones.sql"
ODD: Final = "=?utf-8?q?x?=é@corp.example"  # Today's versions refuse this address.
# Each user has an address, a number and a name. True means that the user is still anonymous after the update.
USERS: Final = (
    (None, None, "", True),
    (None, None, "\U0001d54f" * 200, True),
    ("eve@example.com", None, "Eve", False),
    (None, "+491701234567", "", False),
    (ODD, None, "", False),
)
ADD_USER: Final = """
INSERT INTO users (project, id, email, phone, name, email_verified, data, created_at, anonymous)
VALUES ($1, $2, $3, $4, $5, false, '{}', $6, true)"""
ADD_REQUEST: Final = """
INSERT INTO mail_requests (project, kind, email, name, requested_at) VALUES ($1, $2, $3, $4, $5)"""


@pytest.fixture
def database_url(empty_database_url: str) -> str:
    return empty_database_url


async def test_users_and_waiting_requests_of_an_earlier_release_are_kept(
    tmp_path: Path, database_url: str, clock: ManualClock, kms: FakeKms, functions: FakeFunctions
) -> None:
    older = [one for one in migrations_in("bunbase.tenant_auth.migrations") if one.name <= BEFORE]
    await apply_migrations(database_url, "tenant_auth", older)
    await _fill(database_url, clock)

    async with opened(MODULE, Rooms({Kms: kms, Functions: functions}), site(tmp_path, database_url, clock)) as room:
        found = (await room.users(secret_caller(BAKERY), UserFilter(), 50, None)).items
        assert [(one.email, one.phone, one.name, one.anonymous) for one in reversed(found)] == list(USERS)
        token = await link(room, "new@example.com", "sign-up")
        assert (await room.confirm_user_signup(AT_BAKERY, token, PASSWORD)).user.data == {"plan": "free"}
        assert len(await mails(room, ODD)) == 1  # This mail fails when it is sent, and stops no other mail.


async def _fill(database_url: str, clock: ManualClock) -> None:
    connection = await connect(database_url, server_settings={"search_path": "tenant_auth"})
    try:
        for number, (email, phone, name, _) in enumerate(USERS):
            await connection.execute(ADD_USER, BAKERY, f"usr_{number}", email, phone, name, clock.now())
        for kind, email, kept in (("sign_up", "new@example.com", '{"plan": "free"}'), ("password_reset", ODD, "")):
            await connection.execute(ADD_REQUEST, BAKERY, kind, email, kept, clock.now())
    finally:
        await connection.close()
