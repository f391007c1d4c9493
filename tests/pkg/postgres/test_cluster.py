"""Start, stop and kill a real embedded PostgreSQL."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from bunbase.pkg.postgres import cluster as cluster_module
from bunbase.pkg.postgres import earlier
from bunbase.pkg.postgres.account import account_for
from bunbase.pkg.postgres.cluster import start_cluster
from bunbase.pkg.postgres.earlier import postmaster_of
from bunbase.pkg.postgres.errors import PostgresUnavailable
from bunbase.pkg.postgres.process import until
from tests.pkg.postgres.servers import sql, start

SECONDS = 20.0


OWNER = """
import sys, time
from pathlib import Path
from bunbase.pkg.postgres.cluster import start_cluster
cluster = start_cluster(Path(sys.argv[1]), durable=False)
print(cluster.process.pid, flush=True)
time.sleep(600)
"""


def test_a_restart_keeps_the_data(short: Path) -> None:
    cluster = start(short / "pg")
    sql(cluster, "CREATE TABLE kept AS SELECT 7 AS n")

    cluster.stop()
    cluster.stop()  # A second stop has no effect.
    again = start(short / "pg")

    try:
        assert sql(again, "SELECT n FROM kept") == 7
        assert not cluster.running
    finally:
        again.stop()


def test_a_killed_server_recovers_all_acknowledged_data(short: Path) -> None:
    cluster = start(short / "pg")
    sql(cluster, "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")

    cluster.process.kill()
    cluster.process.wait()
    again = start(short / "pg")

    try:
        assert sql(again, "SELECT count(*) FROM kept") == 1000
    finally:
        again.stop()


def test_a_new_cluster_has_the_intended_settings_and_permissions(short: Path) -> None:
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


def test_only_the_servers_user_and_the_caller_may_connect(short: Path) -> None:
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


def test_a_directory_with_a_long_path_has_its_socket_in_tmp(short: Path) -> None:
    cluster = start(short / ("a" * 100))

    assert sql(cluster, "SELECT 1") == 1
    assert cluster.socket.parent == Path("/tmp")
    assert cluster.socket.stat().st_mode & 0o777 == 0o700

    cluster.stop()
    assert not cluster.socket.exists()


def test_postgresql_stops_when_its_owner_is_killed(short: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", OWNER, short / "pg"], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        assert postmaster_of(short / "pg" / "data") == pid

        owner.kill()

    assert until(lambda: not Path(f"/proc/{pid}").exists(), SECONDS)
    assert "received fast shutdown request" in (short / "pg" / "postgres.log").read_text()


def test_a_start_ends_an_orphaned_server(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(earlier, "ORPHAN_SECONDS", 0.5)
    orphan = start(short / "pg")  # This server imitates a server whose owner ended unnoticed.

    again = start(short / "pg")

    try:
        assert not orphan.running
        assert sql(again, "SELECT 1") == 1
    finally:
        again.stop()


def test_an_orphaned_server_that_cannot_be_ended_is_named(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_a_start_ignores_a_stale_pid_file(short: Path) -> None:
    cluster = start(short / "pg")
    cluster.process.kill()
    cluster.process.wait()
    pid_file = short / "pg" / "data" / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]))  # Another program has this process id now.

    again = start(short / "pg")

    assert sql(again, "SELECT 1") == 1
    again.stop()


def test_data_of_another_major_version_is_refused_with_advice(short: Path) -> None:
    start(short / "pg").stop()
    (short / "pg" / "data" / "PG_VERSION").write_text("14\n")

    with pytest.raises(PostgresUnavailable, match=r"written by PostgreSQL 14.*install PostgreSQL 14"):
        start(short / "pg")


def test_an_interrupted_initdb_starts_over(short: Path) -> None:
    (short / "pg" / "data.new").mkdir(parents=True)
    (short / "pg" / "data.new" / "half").write_text("a half-written file")

    cluster = start(short / "pg")

    assert sql(cluster, "SELECT 1") == 1
    cluster.stop()


def test_a_log_file_that_is_too_large_is_replaced_at_the_start(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_module, "MAX_LOG_BYTES", 100)
    log = short / "pg" / "postgres.log"
    start(short / "pg").stop()
    old = log.read_text()

    start(short / "pg").stop()

    assert len(old) > 100
    assert old not in log.read_text()


def test_the_error_of_a_failed_start_has_the_message_of_postgresql(short: Path) -> None:
    start(short / "pg").stop()
    with open(short / "pg" / "data" / "postgresql.auto.conf", "a") as file:
        file.write("shared_buffers = 'plenty'\n")

    with pytest.raises(PostgresUnavailable, match="shared_buffers"):
        start(short / "pg")


def test_a_failed_statement_writes_no_data_into_the_log(short: Path) -> None:
    cluster = start(short / "pg")
    sql(cluster, "CREATE TABLE people AS SELECT 'ada@example.com' AS email")
    sql(cluster, "CREATE UNIQUE INDEX ON people (email)")

    with pytest.raises(asyncpg.UniqueViolationError):
        sql(cluster, "INSERT INTO people VALUES ('ada@example.com')")

    cluster.stop()
    assert "ada@example.com" not in (short / "pg" / "postgres.log").read_text()
