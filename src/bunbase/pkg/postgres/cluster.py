"""A PostgreSQL server of our own: set up on first use, started, and stopped again."""

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
READY_SECONDS: Final = 30.0  # without a word from PostgreSQL; it speaks every ten while it recovers
RECOVERY_SECONDS: Final = 600.0  # in all: recovery of at most 256 MB of write-ahead log is part of it
CONNECT_SECONDS: Final = 5.0
LOGIN_SECONDS: Final = 30.0
STOP_SECONDS: Final = 30.0
KILL_SECONDS: Final = 5.0
LEFTOVER_SECONDS: Final = 10.0
LEFTOVER: Final = "is still in use"  # said of memory: the sessions of a server that was killed have yet to notice
MAX_LOG_BYTES: Final = 10 << 20
STATUS_LINE: Final = 7  # of postmaster.pid


class Cluster:
    """A running server. `data_dir` is where its files really lie."""

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
        """End all sessions, write everything down, leave. What does not end in time is killed: no data are lost."""
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
    """Start PostgreSQL on `data_dir`, set up if it is new; give it when it answers.

    The caller holds the directory's lock, is the main thread, and has no other thread yet. `durable=False` is for
    tests: a power cut loses data. Raises: PostgresUnavailable.
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
        os.close(lock)  # from here on only PostgreSQL holds it
    try:
        _make_database(cluster)
    except BaseException as error:
        cluster.stop()
        if isinstance(error, OSError | asyncpg.PostgresError):
            raise PostgresUnavailable(f"PostgreSQL runs but does not let us in: {error} (see {place.log})") from error
        raise
    return cluster


def _major_of(data: Path) -> int | None:
    if not data.exists():
        return None
    try:
        return int((data / "PG_VERSION").read_text("ascii"))
    except (OSError, ValueError) as error:
        raise PostgresUnavailable(f"{data} does not hold PostgreSQL's data: {error}; set it aside") from error


def _launched(place: Place, binaries: Binaries, socket: Path, arguments: list[str], lock: int) -> Cluster:
    """Start the server and wait until it is ready, again while sessions of a killed one are on their way out."""
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
            reason = said if failed else f"it was not ready, and said nothing more for {READY_SECONDS:g} s"
            raise PostgresUnavailable(f"PostgreSQL did not start: {reason} (see {place.log})")


def _for_owner(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def _became_ready(place: Place, process: subprocess.Popen[bytes]) -> bool:
    """Wait as long as it goes on: PostgreSQL says every ten seconds how far recovery is, which we must not break off.

    The next start would begin it anew, and never come further on a slow disk.
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
    """Connect as everyone else will, and make the database if this is the first time."""
    loop = asyncio.new_event_loop()  # not asyncio.run: that would leave the caller's thread without its own loop
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
        except (TimeoutError, ConnectionError, asyncpg.CannotConnectNowError):  # busy with what recovery left to do
            if time.monotonic() > end or not cluster.running:
                raise
            await asyncio.sleep(POLL_SECONDS)
            continue
        await connection.close()
        return
