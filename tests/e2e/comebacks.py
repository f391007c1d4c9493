"""Kill BunBase in a chosen way and start it again at once, many times. Print a line of JSON per start.

    python -m tests.e2e.comebacks <kind> <rounds>

This runs in a separate process, which adopts orphans below it as the first process of a container does. For some kinds
it never waits for processes that have ended, so that they stay in the process table as zombies.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import asyncpg

from bunbase.pkg.postgres.cluster import start_cluster
from tests.e2e.instance import Instance, alive, descendants, poll

PR_SET_CHILD_SUBREAPER: Final = 36
BUSY_SECONDS: Final = 1.0
BUSY: Final = (
    "INSERT INTO junk SELECT n, repeat(md5(n::text), 20) FROM generate_series(1, 20000) n",
    "INSERT INTO junk SELECT n, repeat(md5(n::text), 20) FROM generate_series(1, 20000) n",
    "UPDATE junk SET text = md5(text) WHERE number % 7 = 1",
    "CHECKPOINT",
    "SELECT count(*) FROM (SELECT generate_series(1, 3000000000)) many",  # this statement cannot be cancelled
    "BEGIN; INSERT INTO junk SELECT n, repeat('x', 500) FROM generate_series(1, 50000) n; SELECT pg_sleep(600)",
)


class Ground:
    """An instance, and the processes of it that were killed.

    `dead` keeps the Popen objects of killed processes, because Python would otherwise wait for these processes, and
    they would disappear.
    """

    def __init__(self, instance: Instance, reaps: bool) -> None:
        self.instance = instance
        self.reaps = reaps
        self.dead: list[Any] = []

    def everything(self) -> list[int]:
        roots = [process.pid for process in self.instance.processes.values()]
        return [*roots, *(pid for root in roots for pid in descendants(root))]

    def kill(self, pids: list[int]) -> None:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for process in self.instance.processes.values():
            if self.reaps:
                process.wait()
            self.dead.append(process)
        self.instance.processes.clear()

    def postmasters(self) -> list[int]:
        return [pid for pid in self.everything() if "--config-file=" in command(pid)]


def command(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text("utf-8", "replace")
    return ""


def together(ground: Ground) -> None:
    ground.kill(ground.everything())


def together_while_busy(ground: Ground) -> None:
    with busy(ground):
        ground.kill(ground.everything())


def server_and_postmaster_while_busy(ground: Ground) -> None:
    """Kill servers and postmasters. The other processes of PostgreSQL keep running, one in a statement of minutes."""
    with busy(ground):
        roots = [process.pid for process in ground.instance.processes.values()]
        ground.kill([*roots, *ground.postmasters()])


def server_while_busy(ground: Ground) -> None:
    """Kill only the servers. PostgreSQL ends its sessions and writes a checkpoint while the next server starts."""
    with busy(ground):
        ground.kill([process.pid for process in ground.instance.processes.values()])


def anything(ground: Ground) -> None:
    """Kill the servers and half of all processes, chosen at random."""
    pids = ground.everything()
    roots = [process.pid for process in ground.instance.processes.values()]
    ground.kill([*random.sample(pids, len(pids) // 2), *roots])


def while_starting(ground: Ground) -> None:
    """Kill all processes, and then the next two starts, each at a random moment."""
    ground.kill(ground.everything())
    for _ in range(2):
        ground.instance.spawn_all()
        time.sleep(random.uniform(0, 1.2))
        ground.kill(ground.everything())


def first_start(ground: Ground) -> None:
    """Kill the first start on a new data directory while `initdb` works."""
    ground.kill(ground.everything())
    data = ground.instance.home / "data"
    poll(lambda: not kill_below(data), 20)
    shutil.rmtree(data)
    ground.instance.spawn_all()
    time.sleep(random.uniform(0.4, 1.5))
    ground.kill(ground.everything())


def kill_below(path: Path) -> list[int]:
    """Kill every process whose working directory lies below `path`. Return the ids."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):
            if Path(os.readlink(f"/proc/{name}/cwd")).is_relative_to(path) and alive(int(name)):
                found.append(int(name))
                os.kill(int(name), signal.SIGKILL)
    return found


@contextmanager
def busy(ground: Ground) -> Iterator[None]:
    socket = ground.instance.home / "data" / "postgres" / "socket"
    url = f"postgresql://bunbase@/bunbase?host={quote(str(socket))}"

    async def again(statement: str) -> None:
        with suppress(Exception):
            connection = await asyncpg.connect(url)
            while True:
                await connection.execute(statement)

    async def all_of_it() -> None:
        connection = await asyncpg.connect(url)
        await connection.execute("CREATE TABLE IF NOT EXISTS junk (number int, text text); TRUNCATE junk")
        await connection.close()
        await asyncio.gather(*map(again, BUSY))

    thread = threading.Thread(target=lambda: asyncio.run(all_of_it()), daemon=True)
    thread.start()
    time.sleep(BUSY_SECONDS)
    yield
    thread.join(20)


DEV, SERVE, ROOMS, CONTAINER = "dev", "serve", "rooms", "container"
REAPED, NOT_REAPED = True, False

KINDS: Final[dict[str, tuple[str, bool, Callable[[Ground], None]]]] = {
    "dev": (DEV, REAPED, together),
    "dev-unreaped": (DEV, NOT_REAPED, together),
    "dev-busy-unreaped": (DEV, NOT_REAPED, together_while_busy),
    "dev-children-live": (DEV, NOT_REAPED, server_and_postmaster_while_busy),
    "dev-postgres-stopping": (DEV, NOT_REAPED, server_while_busy),
    "dev-anything": (DEV, NOT_REAPED, anything),
    "dev-while-starting": (DEV, NOT_REAPED, while_starting),
    "dev-first-start": (DEV, NOT_REAPED, first_start),
    "dev-container": (CONTAINER, REAPED, together),
    "serve-unreaped": (SERVE, NOT_REAPED, together),
    "serve-busy-unreaped": (SERVE, NOT_REAPED, together_while_busy),
    "rooms-unreaped": (ROOMS, NOT_REAPED, together),
    "rooms-anything": (ROOMS, NOT_REAPED, anything),
}


def instance_of(topology: str, home: Path, database_url: str) -> Instance:
    if topology == ROOMS:
        return Instance("five", home, database_url)
    instance = Instance("one", home)
    if topology == SERVE:
        instance.serve()
    if topology == CONTAINER:  # A container is new at each start, so process ids begin at 1 again.
        instance.program = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", *instance.program]
    return instance


def main(kind: str, rounds: int) -> None:
    topology, reaps, end = KINDS[kind]
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    home = Path(tempfile.mkdtemp(prefix="bb-back-", dir="/tmp"))
    home.chmod(0o755)
    cluster = start_cluster(home / "shared", durable=False) if topology == ROOMS else None
    instance = instance_of(topology, home, cluster.url if cluster else "")
    ground = Ground(instance, reaps)
    try:
        instance.start()
        for number in range(rounds):
            end(ground)
            began = time.monotonic()
            error = started_again(ground)
            print(json.dumps({"round": number, "seconds": round(time.monotonic() - began, 2), "error": error}))
            sys.stdout.flush()
            if error:
                ground.kill(ground.everything())
                time.sleep(2)
                started_again(ground)
    finally:
        ground.kill(ground.everything())
        if cluster:
            cluster.stop()
        time.sleep(0.5)
        shutil.rmtree(home, ignore_errors=True)


def started_again(ground: Ground) -> str:
    try:
        ground.instance.start()
    except AssertionError as error:
        return str(error)[-800:]
    return ""


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
