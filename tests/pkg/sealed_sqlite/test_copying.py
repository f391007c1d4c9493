"""An encrypted database is copied page by page and encrypted with another key."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from bunbase.pkg.sealed_sqlite.connection import DATABASE, connect
from bunbase.pkg.sealed_sqlite.copying import copy_closed, copy_snapshot, open_copy
from bunbase.pkg.sealed_sqlite.files import create_database

OLD, NEW = b"o" * 32, b"n" * 32
ROWS = 2000


def create_rows(connection: apsw.Connection) -> None:
    connection.execute("CREATE TABLE kept (value TEXT)")
    connection.executemany("INSERT INTO kept VALUES (?)", [(f"{number:0500}",) for number in range(ROWS)])


@pytest.fixture
def source(tmp_path: Path) -> Iterator[apsw.Connection]:
    (tmp_path / "prj_a").mkdir()
    create_database(tmp_path / "prj_a", OLD, create_rows)
    connection = connect(tmp_path / "prj_a" / DATABASE, OLD)
    yield connection
    connection.close()


def count(connection: apsw.Connection) -> int:
    found: int = connection.execute("SELECT count(*) FROM kept").get
    connection.close()
    return found


def test_a_copy_holds_the_rows_of_the_moment_at_which_it_began(tmp_path: Path, source: apsw.Connection) -> None:
    told: list[tuple[int, int]] = []

    def on_progress(done: int, total: int) -> None:
        told.append((done, total))
        source.execute("INSERT INTO kept VALUES ('later')")

    copy_snapshot(tmp_path / "prj_a" / DATABASE, OLD, tmp_path / "copy", NEW, on_progress)

    assert count(open_copy(tmp_path / "copy", NEW)) == ROWS
    assert told == sorted(told)
    assert told[-1][0] == told[-1][1]


def test_only_the_key_of_the_copy_opens_it(tmp_path: Path, source: apsw.Connection) -> None:
    copy_snapshot(tmp_path / "prj_a" / DATABASE, OLD, tmp_path / "copy", NEW, lambda _done, _total: None)

    with pytest.raises(apsw.NotADBError):
        count(open_copy(tmp_path / "copy", OLD))


def test_an_error_in_the_progress_callback_stops_the_copy(tmp_path: Path, source: apsw.Connection) -> None:
    def refuse(_done: int, _total: int) -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        copy_snapshot(tmp_path / "prj_a" / DATABASE, OLD, tmp_path / "copy", NEW, refuse)

    assert count(source) == ROWS


def test_a_closed_database_is_copied_byte_for_byte(tmp_path: Path, source: apsw.Connection) -> None:
    source.close()
    path = tmp_path / "prj_a" / DATABASE

    copy_closed(path, tmp_path / "copy", lambda _done, _total: None)

    assert (tmp_path / "copy").read_bytes() == path.read_bytes()
    shutil.rmtree(tmp_path / "prj_a")
    assert count(open_copy(tmp_path / "copy", OLD)) == ROWS
