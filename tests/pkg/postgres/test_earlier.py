"""PostgreSQL starts after an earlier server on the same data crashed, but never beside a live one."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from bunbase.pkg.file_lock import try_lock
from bunbase.pkg.postgres import earlier
from bunbase.pkg.postgres.account import account_for
from bunbase.pkg.postgres.cluster import Cluster, start_cluster
from bunbase.pkg.postgres.earlier import postmaster_of, working_on
from bunbase.pkg.postgres.errors import PostgresUnavailable
from bunbase.pkg.postgres.place import TEMPORARY, place_for
from bunbase.pkg.processes import process
from tests.conftest import PREFIX, roomy
from tests.e2e.instance import poll

BUSY = "SELECT count(*) FROM (SELECT generate_series(1, 3000000000)) many"
LOOK = """
import sys
from pathlib import Path
from bunbase.pkg.postgres.account import account_for
from bunbase.pkg.postgres.earlier import postmaster_of
print(postmaster_of(Path(sys.argv[1]), account_for(Path(sys.argv[1]))))
"""


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """Yield one directory for the servers of all tests in this file, because initdb is slow."""
    directory = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=roomy()))
    directory.chmod(0o755)
    yield directory / "pg"
    shutil.rmtree(directory)


@pytest.fixture
def cluster(home: Path) -> Iterator[Cluster]:
    running = start_cluster(home, durable=False)
    yield running
    running.stop()


def killed(cluster: Cluster) -> Path:
    """Kill the postmaster, leave it as a zombie, and wait for the end of its children.

    Return the path of its pid file.
    """
    place = place_for(cluster.data_dir)
    os.kill(cluster.process.pid, signal.SIGKILL)
    poll(lambda: (one := process(cluster.process.pid)) and one.ended and not working_on(place))
    return place.data / "postmaster.pid"


def test_a_start_succeeds_while_the_old_postmaster_is_a_zombie(cluster: Cluster, home: Path) -> None:
    """PostgreSQL itself counts a zombie as a running server."""
    pid_file = killed(cluster)
    assert pid_file.read_text().startswith(f"{cluster.process.pid}\n")
    assert postmaster_of(pid_file.parent) is None

    again = start_cluster(home, durable=False)

    assert process(cluster.process.pid) is not None  # The zombie is still in the process table.
    assert again.running
    again.stop()


@pytest.mark.parametrize("whose", ["a stranger's", "nobody's: the file is empty"])
def test_a_start_succeeds_if_another_program_has_the_pid_of_the_old_postmaster(
    cluster: Cluster, home: Path, whose: str
) -> None:
    """In a container process ids begin at 1 with each start, so they are used again."""
    pid_file = killed(cluster)
    lines = pid_file.read_text().splitlines()
    socket_lock = cluster.socket / ".s.PGSQL.5432.lock"
    with subprocess.Popen(["sleep", "60"], **account_for(pid_file.parent).become) as stranger:
        for file in (pid_file, socket_lock):
            file.write_text("" if "empty" in whose else "\n".join([str(stranger.pid), *lines[1:]]))

        again = start_cluster(home, durable=False)

        assert stranger.poll() is None
        assert again.running
        again.stop()
        stranger.kill()


def test_a_start_first_ends_the_children_of_a_killed_postmaster(
    cluster: Cluster, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A child that runs a statement may notice only after minutes that the postmaster has ended."""
    monkeypatch.setattr(earlier, "CHILDREN_SECONDS", 0.1)
    place = place_for(home)
    client = threading.Thread(target=lambda: asyncio.run(lost(cluster.url)))
    client.start()
    [busy] = poll(lambda: [pid for pid in working_on(place) if b"SELECT" in command(pid)])
    os.kill(cluster.process.pid, signal.SIGKILL)
    poll(lambda: working_on(place) == [busy])

    with open(home / "postgres.lock") as lock:
        assert not try_lock(lock.fileno())  # The child still holds the lock.
    again = start_cluster(home, durable=False)

    client.join(10)
    assert busy not in working_on(place)
    assert again.running
    again.stop()


async def lost(url: str) -> None:
    connection = await asyncpg.connect(url)
    with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.InterfaceError, OSError)):
        await connection.execute(BUSY)


def command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def test_a_start_waits_for_the_lock_of_an_invisible_process_and_then_fails(
    short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two servers never use the same data, even if they run in two containers."""
    monkeypatch.setattr(earlier, "CHILDREN_SECONDS", 0.02)
    monkeypatch.setattr(earlier, "IMMEDIATE_SECONDS", 0.02)
    place = place_for(short / "pg")
    lock = earlier.take_over(place)

    with pytest.raises(PostgresUnavailable, match=r"another process holds .*postgres\.lock"):
        earlier.take_over(place)

    os.close(lock)
    os.close(earlier.take_over(place))


def test_a_start_removes_the_socket_directory_of_the_earlier_server(short: Path) -> None:
    place = place_for(short / "pg")
    place.data.mkdir()
    left = TEMPORARY[0] / f"{TEMPORARY[1]}{os.getpid()}-left"
    for directory, owner in ((left, place.account.uid), (short / "bunbase-mine", place.account.uid)):
        directory.mkdir(exist_ok=True)
        os.chown(directory, owner, -1)
        (place.data / "postmaster.pid").write_text(f"1\n{place.data}\n0\n5432\n{directory}\n\n")
        os.close(earlier.take_over(place))

    assert not left.exists()
    assert (short / "bunbase-mine").exists()
    assert not (place.data / "postmaster.pid").exists()


@pytest.mark.parametrize(
    "left", ["²\n", "9" * 5000, "-5", "\0" * 40, f"{1 << 40}\n"], ids=["no digit", "long", "less", "zeros", "no id"]
)
def test_a_start_ignores_garbage_in_the_pid_file(short: Path, left: str) -> None:
    """`isdigit` accepts some of these texts, but `int` fails on them."""
    place = place_for(short / "pg")
    place.data.mkdir()
    (place.data / "postmaster.pid").write_text(left)

    os.close(earlier.take_over(place))

    assert not (place.data / "postmaster.pid").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_lock_file_made_by_root_belongs_to_the_owner_of_the_data(short: Path) -> None:
    """After one start by root, the usual user must still be able to start BunBase."""
    place = place_for(short / "pg")
    os.chown(place.home, 1, 1)
    os.close(earlier.take_over(place))

    assert (place.home / "postgres.lock").stat().st_uid == 1
    secret = short / "secret"
    secret.touch()
    (place.home / "postgres.lock").unlink()
    os.link(secret, place.home / "postgres.lock")  # An attacker would thus get the ownership of the secret.
    os.close(earlier.take_over(place))
    assert secret.stat().st_uid == 0


def test_a_lock_file_that_cannot_be_opened_is_named(short: Path) -> None:
    place = place_for(short / "pg")
    (place.home / "postgres.lock").symlink_to(short / "elsewhere")

    with pytest.raises(PostgresUnavailable, match=r"postgres\.lock cannot be opened"):
        earlier.take_over(place)


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root and setpriv")
def test_root_without_sys_ptrace_finds_the_running_postmaster(cluster: Cluster, home: Path) -> None:
    """In a container root lacks CAP_SYS_PTRACE, the right to inspect processes of other users."""
    bounded = ["setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace"]

    ran = subprocess.run(
        [*bounded, sys.executable, "-c", LOOK, home / "data"], capture_output=True, text=True, check=False
    )

    assert (ran.stdout, ran.stderr) == (f"{cluster.process.pid}\n", "")
