"""The setup of the attacks: workers of a zygote, with or without root and guard, and the targets of attacks."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec
import pytest

from bunbase.contracts.functions.deployments import FunctionConfig
from bunbase.functions.sandbox.confine import Confinement
from bunbase.functions.sandbox.layers import ConfineWith, find_bubblewrap
from bunbase.functions.sandbox.switch import Sandbox, Switch
from bunbase.functions.sandbox.worker_cgroups import Cgroup
from bunbase.functions.settings import FunctionsSettings
from bunbase.functions.workers import zygote as zygote_module
from bunbase.functions.workers.deployment import Deployment, LogRecord, Request
from bunbase.functions.workers.launch import RUNTIME
from bunbase.functions.workers.program import Program
from bunbase.functions.workers.starter import Starter
from bunbase.functions.workers.worker import Worker, WorkerListener
from bunbase.functions.workers.zygote import Zygote
from bunbase.pkg.bun import find_bun

NOBODY = 65534
AS_NOBODY = (
    "-I", "-S", "-c",
    "import os, sys; sys.path.append(sys.argv.pop(1)); from bunbase.functions.workers.zygote_process import main;"
    f"os.setgroups([]); os.setresgid(*[{NOBODY}] * 3); os.setresuid(*[{NOBODY}] * 3); main()",
)  # fmt: skip
WATCH_SECONDS = 0.03
PATIENCE = int(os.environ.get("BUNBASE_TEST_PATIENCE", "1"))  # An attack may take this many times longer than usual.
CALL_SECONDS = 300.0 if PATIENCE > 1 else 30.0  # Under emulation, three seconds of work take a minute.
LOAD_SECONDS = 120.0 if PATIENCE > 1 else 10.0
LONG = {"timeout_ms": 300_000, "cpu_ms": 300_000}  # These limits are for a call that makes many attacks.


class PlainSandbox(Sandbox):
    """The sandbox of a server that is not root. The version of Landlock is at most `abi`, as on an older kernel."""

    abi = 99

    async def confinement(self, memory_mb: int) -> Confinement | None:
        wanted = await super().confinement(memory_mb)
        return wanted and replace(wanted, abi=min(wanted.abi, self.abi), own_user=False, namespaces=False)

    async def cgroup(self, memory_mb: int) -> Cgroup | None:
        return None


class Listener(WorkerListener):
    def __init__(self, lines: list[LogRecord]) -> None:
        self.lines = lines

    def on_log(self, record: LogRecord) -> None:
        self.lines.append(record)


@dataclass
class Ground:
    starter: Starter
    said: list[LogRecord]

    async def worker(self, code: str, env: dict[str, str] | None = None, **config: Any) -> Worker:
        deployment = Deployment("prj_one", "f", 1, "", msgspec.convert(config, FunctionConfig), 0)
        return await self.starter.start(deployment, Program(code.encode(), env or {}), Listener(self.said))


async def ask(worker: Worker, path: str = "/") -> bytes:
    """Call the function and return the body of its answer. Raises: the problem of a failed call."""
    async with asyncio.timeout(CALL_SECONDS):
        call = worker.begin(Request("inv", "GET", path, (), None, b""))
        await call.head()
        body = b""
        while part := await call.read():
            body += part
        return body


class As(StrEnum):
    """The user that starts the workers."""

    ROOT = "root"
    MAPPED_ROOT = "mapped root"  # A container that maps only a few users has this case.
    NOBODY = "nobody"


USERS = tuple(As) if os.geteuid() == 0 else (As.NOBODY,)


NEEDS_BUBBLEWRAP = pytest.mark.skipif(not find_bubblewrap(os.environ), reason="bubblewrap is not installed here")


@asynccontextmanager
async def ground(
    user: As,
    guard: bool,
    switch: Switch = Switch.ON,
    abi: int = PlainSandbox.abi,
    confine_with: ConfineWith = ConfineWith.AUTO,
) -> AsyncIterator[Ground]:
    zygote = Zygote(AS_NOBODY) if user is As.NOBODY and os.geteuid() == 0 else Zygote()
    settings = FunctionsSettings(sandbox=switch, confine_with=confine_with, load_seconds=LOAD_SECONDS)
    starter = Starter(zygote, find_bun, settings)
    starter.guard = guard
    if user is not As.ROOT:
        starter.sandbox = plain = PlainSandbox(switch, RUNTIME, confine_with)
        plain.abi = abi
    watching = asyncio.create_task(_watch(starter))
    try:
        with patch.object(zygote_module, "ANSWER_SECONDS", LOAD_SECONDS):
            yield Ground(starter, [])
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        await starter.close()


async def _watch(starter: Starter) -> None:
    while True:
        starter.watch_memory()
        starter.watch_cpu()
        await asyncio.sleep(WATCH_SECONDS)


@dataclass(frozen=True)
class Aim:
    """The targets of the attacks. `env` tells the function where they are."""

    folder: Path
    secret: Path
    canary: Path
    bystander: subprocess.Popen[bytes]
    udp: socket.socket
    tcp: socket.socket
    unix: socket.socket
    abstract: socket.socket

    @property
    def env(self) -> dict[str, str]:
        known = {
            "patience": PATIENCE,
            "folder": str(self.folder),
            "secret": str(self.secret),
            "canary": str(self.canary),
            "host": os.getpid(),
            "hostname": socket.gethostname(),
            "home": str(Path.home()),
            "runtime": str(RUNTIME),
            "bystander": self.bystander.pid,
            "udp": self.udp.getsockname()[1],
            "tcp": self.tcp.getsockname()[1],
            "unix": self.unix.getsockname(),
            "abstract": self.abstract.getsockname()[1:].decode(),
        }
        return {"aim": msgspec.json.encode(known).decode()}

    def assert_unharmed(self) -> None:
        assert self.canary.read_text() == "unharmed"
        assert self.canary.stat().st_mode & 0o777 == 0o666
        assert self.canary.stat().st_mtime > 1000
        assert sorted(path.name for path in self.folder.iterdir()) == ["canary", "secret", "unix"]
        assert self.bystander.poll() is None
        assert not Path("/dev/shm/bunbase-attack").exists()
        assert not (RUNTIME / "written").exists()
        for listener in (self.tcp, self.unix, self.abstract):
            with suppress(BlockingIOError):
                listener.accept()
                raise AssertionError("an attack connected")
        with suppress(BlockingIOError):
            self.udp.recv(16)
            raise AssertionError("a datagram arrived")


@contextmanager
def aim(folder: Path) -> Iterator[Aim]:
    """Set up the targets: a secret and a canary that anybody may read and write, listening sockets, a live process."""
    for above in (folder, *folder.parents[:2]):
        above.chmod(0o777)
    secret, canary = folder / "secret", folder / "canary"
    secret.write_text("BUNBASE_ATTACK=1\n")
    canary.write_text("unharmed")
    canary.chmod(0o666)
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        socket.socket() as tcp,
        socket.socket(socket.AF_UNIX) as unix,
        socket.socket(socket.AF_UNIX) as abstract,
        subprocess.Popen(["/bin/sleep", "600"], user=NOBODY if os.geteuid() == 0 else None) as bystander,
    ):
        udp.bind(("127.0.0.1", 0))
        tcp.bind(("127.0.0.1", 0))
        unix.bind(str(folder / "unix"))
        (folder / "unix").chmod(0o777)
        abstract.bind(f"\0bunbase-attack-{os.getpid()}")
        for listener in (tcp, unix, abstract):
            listener.listen()
        for each in (udp, tcp, unix, abstract):
            each.setblocking(False)
        try:
            yield Aim(folder, secret, canary, bystander, udp, tcp, unix, abstract)
        finally:
            bystander.kill()
