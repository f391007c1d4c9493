"""Import and export of users, called within one process and over RPC."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bunbase.contracts.bunkms import Kms
from bunbase.contracts.caller import Role
from bunbase.contracts.tenant_auth.service import TenantAuth
from bunbase.contracts.tenant_auth.transfers import ImportChoices, ImportedUsers, OnConflict
from bunbase.pkg.errors import Forbidden
from bunbase.pkg.modules import Rooms
from bunbase.pkg.ndjson import ImportLine, RefusedLine
from bunbase.tenant_auth.module import MODULE
from tests.fakes import FakeKms
from tests.rooms import member_caller, opened, secret_caller, site
from tests.tenant_auth.people import BAKERY

SERVER = secret_caller(BAKERY)


@pytest_asyncio.fixture(params=[False, True], ids=["local", "remote"])
async def tenant_auth(request: pytest.FixtureRequest, tmp_path: Path, database_url: str) -> AsyncIterator[TenantAuth]:
    kms = FakeKms(lazy=False)
    await kms.create_keys(BAKERY)
    async with opened(MODULE, Rooms({Kms: kms}), site(tmp_path, database_url), request.param) as service:
        yield service


async def test_users_are_copied_with_hashes_and_put_back_by_admins(tenant_auth: TenantAuth) -> None:
    line = ImportLine(1, b'{"id":"eve","email":"eve@example.com"}')
    await tenant_auth.import_users(SERVER, ImportChoices(), (line,))

    copied = b"".join([part.lines async for part in tenant_auth.copied_users(BAKERY, "")])
    await tenant_auth.delete_user(SERVER, "eve")
    done = await tenant_auth.restore_users(member_caller(BAKERY), (ImportLine(1, copied),))

    assert b'"password_hash":null' in copied
    assert done == ImportedUsers(imported=1, last_line=1)
    for refused in (SERVER, member_caller(BAKERY, Role.DEVELOPER)):
        with pytest.raises(Forbidden):
            await tenant_auth.restore_users(refused, (line,))


async def test_lines_are_imported_and_exported(tenant_auth: TenantAuth) -> None:
    lines = (ImportLine(7, b'{"id":"eve","email":"eve@example.com"}'), ImportLine(9, b"[]"))

    done = await tenant_auth.import_users(SERVER, ImportChoices(OnConflict.ERROR), lines)
    parts = [part.lines async for part in tenant_auth.export_users(SERVER, True, "")]

    assert isinstance(done.errors[0], RefusedLine)
    assert (done.imported, done.failed, done.last_line, done.errors[0].line) == (1, 1, 9, 9)
    assert b"".join(parts).startswith(b'{"id":"eve","email":"eve@example.com"')
    again = await tenant_auth.import_users(SERVER, ImportChoices(), lines[:1])
    assert again == ImportedUsers(skipped=1, last_line=7)
    with pytest.raises(Forbidden):
        await anext(tenant_auth.export_users(member_caller(BAKERY, Role.DEVELOPER), True, ""))
