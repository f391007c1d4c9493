"""Create, start and stop the embedded PostgreSQL server.

The life of one start:

    1. Choose the directory of the files (place.py) and the programs (binaries.py).
    2. Wait for an earlier PostgreSQL on the same files, and end it if it does not end without help (earlier.py).
    3. If there is no data yet, run initdb in a draft directory and rename this directory (initialise.py).
    4. Write the configuration and start the server (configuration.py, process.py).
    5. Wait until `postmaster.pid` reports that the server is ready. During a recovery, PostgreSQL writes a log line
       every ten seconds. Do not interrupt it during a recovery: the next start would begin the recovery again, and on a
       slow disk the recovery would never finish.
    6. Connect, and create the database if it does not exist.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Final
from urllib.parse import quote

import asyncpg

from bunbase.pkg.postgres.binaries import Binaries, find_binaries, within_reach
from bunbase.pkg.postgres.configuration import ROLE, configure
from bunbase.pkg.postgres.earlier import take_over
from bunbase.pkg.postgres.errors import PostgresUnavailable
from bunbase.pkg.postgres.initialise import initialise
from bunbase.pkg.postgres.place import SHARED, Place, hold_home, place_for, socket_directory
from bunbase.pkg.postgres.process import FAST, IMMEDIATE, POLL_SECONDS, spawn, until

DATABASE: Final = "bunbase"
READY_SECONDS: Final = 30.0  # A start waits at most this long without a new log line.
# A start waits at most this long in total. At most 256 MB of write-ahead log must be recovered.
RECOVERY_SECONDS: Final = 600.0
CONNECT_SECONDS: Final = 5.0
LOGIN_SECONDS: Final = 30.0
STOP_SECONDS: Final = 30.0
KILL_SECONDS: Final = 5.0
LEFTOVER_SECONDS: Final = 10.0
# PostgreSQL reports this if sessions of a killed server have not ended yet and still use its shared memory.
LEFTOVER: Final = "is still in use"
MAX_LOG_BYTES: Final = 10 << 20
STATUS_LINE: Final = 7  # The status is in this line of postmaster.pid, counted from 0.


class Cluster:
    """A running server. `data_dir`: the directory that contains its files, which may be below /var/lib/bunbase."""

    def __init__(self, place: Place, version: str, socket: Path, process: subprocess.Popen[bytes]) -> None:
        self.held = -1
        self.data_dir = place.home
        self.log = place.log
        self.version = version
        self.socket = socket
        self.process = process

    @property
    def url(self) -> str:
        return self.url_of(DATABASE)

    def url_of(self, database: str) -> str:
        return f"postgresql://{ROLE}@/{database}?host={quote(str(self.socket))}"

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def stop(self) -> None:
        """Stop the server with a fast shutdown. If this fails, use an immediate shutdown, and then SIGKILL. No
        committed data is lost.
        """
        for signal, seconds in ((FAST, STOP_SECONDS), (IMMEDIATE, KILL_SECONDS)):
            if self.running:
                self.process.send_signal(signal)
                until(lambda: not self.running, seconds)
        if self.running:
            self.process.kill()
            self.process.wait(KILL_SECONDS)
        if self.socket.parent != self.data_dir:
            shutil.rmtree(self.socket, ignore_errors=True)
        if self.held >= 0:
            os.close(self.held)
            self.held = -1


def start_cluster(data_dir: Path, durable: bool = True, shared: Path = SHARED) -> Cluster:
    """Start PostgreSQL on `data_dir`, and return the cluster as soon as it answers. Create its data if necessary.

    The caller must hold the directory's lock. The process must have only one thread.
    `durable`: False only in tests, because then a power cut loses data. Raises: PostgresUnavailable.
    """
    if sys.platform != "linux":
        raise PostgresUnavailable("the embedded PostgreSQL runs on Linux only: set DATABASE_URL")
    place = place_for(data_dir, shared)
    binaries = within_reach(find_binaries(_major_of(place.data)), place.account, shared)
    held = hold_home(place.home, data_dir)
    try:
        cluster = _started(place, binaries, durable)
    except BaseException:
        if held >= 0:
            os.close(held)
        raise
    cluster.held = held
    return cluster


def _started(place: Place, binaries: Binaries, durable: bool) -> Cluster:
    lock = take_over(place)
    try:
        if not place.data.exists():
            initialise(place, binaries, durable, lock)
        socket = socket_directory(place)
        configuration = configure(place, binaries.major, socket, durable)
        cluster = _launched(place, binaries, socket, [f"--config-file={configuration}"], lock)
    finally:
        os.close(lock)  # From now on, only PostgreSQL holds the lock.
    try:
        _make_database(cluster)
    except BaseException as error:
        cluster.stop()
        if isinstance(error, OSError | asyncpg.PostgresError):
            raise PostgresUnavailable(
                f"PostgreSQL runs, but BunBase cannot connect to it: {error} (see {place.log})"
            ) from error
        raise
    return cluster


def _major_of(data: Path) -> int | None:
    if not data.exists():
        return None
    try:
        return int((data / "PG_VERSION").read_text("ascii"))
    except (OSError, ValueError) as error:
        raise PostgresUnavailable(
            f"{data} does not contain the data of PostgreSQL: {error}; rename or move it"
        ) from error


def _launched(place: Place, binaries: Binaries, socket: Path, arguments: list[str], lock: int) -> Cluster:
    """Start the server and wait until it is ready. Try again while sessions of a killed server are still ending."""
    end = time.monotonic() + LEFTOVER_SECONDS
    while True:
        with open(place.log, "ab", opener=_for_owner) as log:
            if log.tell() > MAX_LOG_BYTES:
                log.truncate(0)
            begin = os.fstat(log.fileno()).st_size
            process = spawn([binaries.bin / "postgres", *arguments], place.account, place.data, log, lock)
        cluster = Cluster(place, binaries.version, socket, process)
        try:
            if _became_ready(place, process):
                return cluster
        except BaseException:
            cluster.stop()
            raise
        failed = not cluster.running
        cluster.stop()
        said = place.log.read_bytes()[begin:].decode("utf-8", "replace").strip()
        if LEFTOVER not in said or time.monotonic() > end:
            reason = said if failed else f"the server was not ready, and logged nothing for {READY_SECONDS:g} s"
            raise PostgresUnavailable(f"PostgreSQL did not start: {reason} (see {place.log})")


def _for_owner(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def _became_ready(place: Place, process: subprocess.Popen[bytes]) -> bool:
    """Wait until the server is ready, has ended, or has logged nothing for READY_SECONDS. Return True if it is ready.

    A server that logs the progress of a recovery is not interrupted, because the next start would begin the recovery
    again.
    """
    end, said = time.monotonic() + RECOVERY_SECONDS, -1
    while process.poll() is None and time.monotonic() < end:
        if until(lambda: process.poll() is not None or _ready(place, process.pid), READY_SECONDS):
            break
        if (size := place.log.stat().st_size) == said:
            break
        said = size
    return process.poll() is None and _ready(place, process.pid)


def _ready(place: Place, pid: int) -> bool:
    try:
        lines = (place.data / "postmaster.pid").read_text("utf-8", "replace").splitlines()
    except OSError:
        return False
    return len(lines) > STATUS_LINE and lines[0] == str(pid) and lines[STATUS_LINE].strip() == "ready"


def _make_database(cluster: Cluster) -> None:
    """Connect in the same way as the rooms. At the first start, create the database."""
    loop = asyncio.new_event_loop()  # asyncio.run would remove the event loop of the caller's thread.
    try:
        loop.run_until_complete(_ensure_database(cluster))
    finally:
        loop.close()


async def _ensure_database(cluster: Cluster) -> None:
    end = time.monotonic() + LOGIN_SECONDS
    while True:
        try:
            connection = await asyncpg.connect(cluster.url, timeout=CONNECT_SECONDS)
        except asyncpg.InvalidCatalogNameError:
            connection = await asyncpg.connect(cluster.url_of("postgres"), timeout=CONNECT_SECONDS)
            await connection.execute(f'CREATE DATABASE "{DATABASE}"')
        except (TimeoutError, ConnectionError, asyncpg.CannotConnectNowError):  # The server is busy after a recovery.
            if time.monotonic() > end or not cluster.running:
                raise
            await asyncio.sleep(POLL_SECONDS)
            continue
        await connection.close()
        return
