from __future__ import annotations

import re

import msgspec

from bunbase.pkg import identity
from bunbase.pkg.mail import outbox
from bunbase.tenant_auth.service import TenantAuthService

COLUMNS = """
SELECT table_name AS table, array_agg(column_name::text) AS columns FROM information_schema.columns
WHERE table_schema = 'tenant_auth' GROUP BY table_name"""


class Table(msgspec.Struct, frozen=True):
    table: str
    columns: list[str]


async def test_the_room_has_the_tables_that_the_shared_pieces_need(tenant_auth: TenantAuthService) -> None:
    stored = {one.table: set(one.columns) for one in await tenant_auth.stores.db.all(Table, COLUMNS)}
    documented = re.findall(r"CREATE TABLE (\w+) \((.*?)\n    \);", f"{identity.__doc__}{outbox.__doc__}", re.DOTALL)

    assert len(documented) > 10
    for table, body in documented:
        columns = set(re.findall(r"^        ([a-z_]+) [a-z]", body, re.MULTILINE))
        assert (table, columns ^ stored[table]) == (table, set())
