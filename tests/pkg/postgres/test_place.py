"""If root's directories are closed to the server's user, the data lies in a shared directory."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bunbase.pkg.postgres.errors import PostgresUnavailable
from bunbase.pkg.postgres.place import NOTE, place_for
from tests.pkg.postgres.servers import as_root, sql, start


@as_root
def test_data_below_a_closed_directory_of_root_is_stored_in_the_shared_directory(short: Path) -> None:
    closed = short / "closed"
    closed.mkdir(mode=0o700)
    shared = short / "shared"

    cluster = start(closed / "pg", shared=shared)
    sql(cluster, "CREATE TABLE kept AS SELECT 7 AS n")
    cluster.stop()
    again = start(closed / "pg", shared=shared)

    try:
        assert sql(again, "SELECT n FROM kept") == 7
        assert cluster.data_dir.parent == shared
        assert str(cluster.data_dir) in (closed / "pg" / NOTE).read_text()
        assert closed.stat().st_mode & 0o777 == 0o700
    finally:
        again.stop()


@as_root
def test_a_new_data_directory_at_an_old_path_does_not_find_the_old_data(short: Path) -> None:
    closed = short / "closed"
    closed.mkdir(mode=0o700)
    first = place_for(closed / "pg", short / "shared")

    shutil.rmtree(closed / "pg")
    second = place_for(closed / "pg", short / "shared")

    assert first.home != second.home


@as_root
def test_a_moved_data_directory_finds_its_data_and_a_copied_one_is_refused(short: Path) -> None:
    closed = short / "closed"
    closed.mkdir(mode=0o700)
    home = place_for(closed / "pg", short / "shared").home

    (closed / "pg").rename(closed / "moved")
    moved = place_for(closed / "moved", short / "shared").home
    shutil.copytree(closed / "moved", closed / "copied")

    assert moved == home
    with pytest.raises(PostgresUnavailable, match="is a copy of"):
        place_for(closed / "copied", short / "shared")


@as_root
def test_a_start_on_a_copied_directory_does_not_end_the_running_server(short: Path) -> None:
    """The copy has a separate lock, but its note contains the path of the original's data."""
    closed, shared = short / "closed", short / "shared"
    closed.mkdir(mode=0o700)
    cluster = start(closed / "pg", shared=shared)
    try:
        shutil.copytree(closed / "pg", closed / "copied")
        (closed / "pg").rename(closed / "renamed")

        with pytest.raises(PostgresUnavailable, match="another BunBase"):
            start(closed / "copied", shared=shared)

        assert cluster.running
    finally:
        cluster.stop()
    start(closed / "renamed", shared=shared).stop()
