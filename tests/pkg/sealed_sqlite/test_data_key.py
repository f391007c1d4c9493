"""The data key of a project is found, even after a crash in the middle of a rotation."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest

from bunbase.pkg.sealed_sqlite.connection import DATABASE, connect
from bunbase.pkg.sealed_sqlite.data_key import find_key
from bunbase.pkg.sealed_sqlite.faults import FileUnreadable
from bunbase.pkg.sealed_sqlite.files import create_database
from bunbase.pkg.sealed_sqlite.key_file import change_key_file, complete_key_file, read_key_file
from bunbase.pkg.sealed_sqlite.rekeying import DRAFT

OLD, NEW, OTHER = b"o" * 32, b"n" * 32, b"x" * 32


class Key(msgspec.Struct, frozen=True):
    plaintext: bytes
    wrapped: str


class PlainKeys:
    """A fake of BunKMS that "wraps" a key as its hexadecimal digits."""

    async def generate(self) -> Key:
        return Key(NEW, NEW.hex())

    async def unwrap(self, wrapped: str) -> bytes:
        return bytes.fromhex(wrapped)


async def in_thread(work: Callable[..., Any], *args: Any) -> Any:
    return await asyncio.to_thread(work, *args)


def create_table(connection: apsw.Connection) -> None:
    connection.execute("CREATE TABLE kept (value TEXT)")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return the directory of a project whose rotation from the old to the new key was interrupted."""
    directory = tmp_path / "prj_a"
    directory.mkdir()
    create_database(directory, OLD, create_table)
    complete_key_file(directory, OLD.hex())
    change_key_file(directory, next=NEW.hex())
    return directory


async def test_a_new_project_gets_a_key_that_is_stored(tmp_path: Path) -> None:
    key_file, key = await find_key(tmp_path / "prj_a", PlainKeys(), in_thread)

    assert (key, key_file.complete) == (NEW, False)
    assert read_key_file(tmp_path / "prj_a") == key_file


async def test_after_a_crash_before_the_rename_the_old_key_is_kept_and_the_draft_deleted(project: Path) -> None:
    (project / DRAFT).write_bytes(b"half a copy")

    key_file, key = await find_key(project, PlainKeys(), in_thread)

    assert (key, key_file.wrapped, key_file.next) == (OLD, OLD.hex(), "")
    assert not (project / DRAFT).exists()


async def test_after_a_crash_that_followed_the_rename_the_new_key_is_kept(project: Path) -> None:
    create_database(project, NEW, create_table)

    key_file, key = await find_key(project, PlainKeys(), in_thread)

    assert (key, key_file.wrapped, key_file.next) == (NEW, NEW.hex(), "")
    connect(project / DATABASE, key).close()


async def test_a_database_under_a_third_key_is_unreadable(project: Path) -> None:
    create_database(project, OTHER, create_table)

    with pytest.raises(FileUnreadable, match="Neither of the two keys"):
        await find_key(project, PlainKeys(), in_thread)

    kept = read_key_file(project)
    assert kept is not None
    assert (kept.wrapped, kept.next) == (OLD.hex(), NEW.hex())


async def test_a_database_without_its_key_file_is_unreadable(project: Path) -> None:
    (project / "key.json").unlink()

    with pytest.raises(FileUnreadable, match="key file is missing"):
        await find_key(project, PlainKeys(), in_thread)
