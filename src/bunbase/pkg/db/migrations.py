"""Migrations of a room's schema. A migration is a numbered SQL file. Each file is applied once, in order, and is never
edited afterwards. There is no way back to an older schema.
"""

from __future__ import annotations

import hashlib
import re
from importlib import resources

import asyncpg
import msgspec

from bunbase.pkg.db.connecting import connect, hopeless_is_final
from bunbase.pkg.errors import CannotStart

FILE_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
MIGRATE_SECONDS = 300.0

LEDGER = """
CREATE TABLE IF NOT EXISTS migrations (
    number int PRIMARY KEY,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)"""


class MigrationEdited(CannotStart):
    """The file of a migration was edited after the migration was applied."""


class SchemaTooNew(CannotStart):
    """A newer version of BunBase has migrated this schema, and this version does not know those migrations."""


class Migration(msgspec.Struct, frozen=True):
    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def migrations_in(package: str) -> list[Migration]:
    """Return the migrations of a package, in order. Raises: ValueError for a wrong file name or a missing number."""
    found = []
    for file in sorted(resources.files(package).iterdir(), key=lambda file: file.name):
        if not file.name.endswith(".sql"):
            continue
        match = FILE_NAME.fullmatch(file.name)
        if match is None:
            raise ValueError(f"{package}/{file.name}: the name of a migration must look like 0001_what_it_does.sql")
        found.append(Migration(int(match[1]), file.name, file.read_text("utf-8")))
    if [one.number for one in found] != list(range(1, len(found) + 1)):
        raise ValueError(f"{package}: migrations must have the numbers 0001, 0002, … without a gap")
    return found


async def migrate(url: str, schema: str, package: str) -> None:
    """Apply all new migrations to a schema. An advisory lock lets only one process at a time migrate the schema.

    If a statement fails, the whole file is rolled back, and the exception of asyncpg is raised.
    Raises: MigrationEdited, SchemaTooNew, DatabaseRefused, Unreachable.
    """
    await apply_migrations(url, schema, migrations_in(package))


async def apply_migrations(url: str, schema: str, migrations: list[Migration]) -> None:
    with hopeless_is_final():
        connection = await connect(url, server_settings={"search_path": schema}, command_timeout=MIGRATE_SECONDS)
    lock = int.from_bytes(hashlib.sha256(schema.encode()).digest()[:8], "big", signed=True)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", lock)
        with hopeless_is_final():
            await connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
        await connection.execute(LEDGER)
        applied = dict(await connection.fetch("SELECT number, checksum FROM migrations"))
        _check_known(schema, max(applied, default=0), len(migrations))
        for migration in migrations:
            await _apply(connection, schema, migration, applied.get(migration.number))
    finally:
        await connection.close()  # This also releases the lock.


def _check_known(schema: str, applied: int, known: int) -> None:
    """Refuse a newer schema, because it may contain bans or limits that this version would ignore."""
    if applied > known:
        raise SchemaTooNew(
            f"a newer BunBase has run on this database ({schema} has migration {applied:04}, this version knows "
            f"{known:04}): install the newer version again, or restore a dump of PostgreSQL from before the update."
        )


async def _apply(connection: asyncpg.Connection, schema: str, migration: Migration, applied: str | None) -> None:
    if applied == migration.checksum:
        return
    if applied is not None:
        raise MigrationEdited(
            f"{schema}/{migration.name} was edited after it was applied: restore it and add a new migration."
        )
    async with connection.transaction():
        await connection.execute(migration.sql)
        await connection.execute(
            "INSERT INTO migrations (number, name, checksum) VALUES ($1, $2, $3)",
            migration.number,
            migration.name,
            migration.checksum,
        )
