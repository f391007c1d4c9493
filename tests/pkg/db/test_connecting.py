"""Failures to connect that a later attempt can solve, and failures that only a person can solve."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from bunbase.pkg.db.connecting import DatabaseRefused, connect, hopeless_is_final, place_of
from bunbase.pkg.db.migrations import apply_migrations
from bunbase.pkg.errors import Unreachable
from bunbase.pkg.ids import new_id

WRONG_PASSWORD, STARTING_UP = "28P01", "57P03"


@asynccontextmanager
async def refusing_with(sqlstate: str) -> AsyncIterator[str]:
    """Yield the URL of a server that speaks PostgreSQL's protocol and refuses every session."""
    refusal = f"SFATAL\0C{sqlstate}\0Mrefused by the test\0\0".encode()

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (size,) = struct.unpack("!I", await reader.readexactly(4))
        await reader.readexactly(size - 4)
        writer.write(b"E" + struct.pack("!I", len(refusal) + 4) + refusal)
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield f"postgresql://ada:hidden@127.0.0.1:{port}/main?sslmode=disable"


async def test_a_wrong_password_is_final_during_a_start_and_passing_later() -> None:
    async with refusing_with(WRONG_PASSWORD) as url:
        with pytest.raises(DatabaseRefused, match="refused by the test"):
            await apply_migrations(url, "room", [])
        with pytest.raises(Unreachable):
            await connect(url)


async def test_a_server_that_is_starting_up_is_not_final() -> None:
    async with refusing_with(STARTING_UP) as url:
        with pytest.raises(Unreachable):
            await apply_migrations(url, "room", [])


async def test_a_missing_database_and_missing_rights_are_final_during_a_start(database_url: str) -> None:
    elsewhere = urlunsplit(urlsplit(database_url)._replace(path="/there_is_no_such_database"))
    with pytest.raises(DatabaseRefused, match="does not exist"):
        await apply_migrations(elsewhere, "room", [])

    role = new_id("role")
    admin = await asyncpg.connect(database_url)
    await admin.execute(f'CREATE ROLE "{role}"')
    try:
        await admin.execute(f'SET ROLE "{role}"')
        with pytest.raises(DatabaseRefused, match="permission denied"), hopeless_is_final():
            await admin.execute("CREATE SCHEMA room")
    finally:
        await admin.execute("RESET ROLE")
        await admin.execute(f'DROP ROLE "{role}"')
        await admin.close()


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "http://127.0.0.1/main",
        "postgresql://ada:hidden@127.0.0.1:99999/main",
        "postgresql://ada:hid/den@127.0.0.1/main",
        "postgresql://ada:hid[den@127.0.0.1/main",
        "postgresql://ada:hidden@127.0.0.1/main?sslmode=often",
        "postgresql://ada:p@hid/den@127.0.0.1/main",
        "postgresql://ada:p@hid#den@127.0.0.1/main",
        "postgresql://ada:p@hid?den@127.0.0.1/main",
    ],
)
async def test_a_url_that_cannot_be_read_is_final_and_its_password_is_not_shown(url: str) -> None:
    with pytest.raises(DatabaseRefused, match="DATABASE_URL") as refused:
        await apply_migrations(url, "room", [])

    assert "hid" not in str(refused.value)


async def test_an_unknown_host_is_named_with_the_way_to_write_the_url() -> None:
    with pytest.raises(Unreachable) as unreachable:
        await connect("postgresql://ada:hidden@there-is-none.invalid/main")

    assert "PostgreSQL at there-is-none.invalid:5432/main cannot be reached: its host" in unreachable.value.detail
    assert "percent-encode" in unreachable.value.detail
    assert "hidden" not in unreachable.value.detail


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("postgresql://ada:hid%40den@db.internal/main", "db.internal:5432/main"),
        ("postgresql://ada:hid@den@db.internal:6000/main", "db.internal:6000/main"),
        ("postgresql://[::1]/main", "[::1]:5432/main"),
        ("postgresql://[::1]:6000", "[::1]:6000"),
        ("postgresql:///main?host=/run/postgresql&user=a@b", "/run/postgresql/main"),
        ("postgresql:///main?host=db&port=6000", "db:6000/main"),
        ("postgresql:///main", "the default host:5432/main"),
    ],
)
def test_the_place_of_a_url_has_host_port_and_name_but_no_user(url: str, place: str) -> None:
    """Error messages name the host, port and database of a database URL, but not its user and password."""
    assert place_of(url) == place
