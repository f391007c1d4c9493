"""The server's side of the zygote, the process that starts workers.

The server starts the zygote, and replaces a dead zygote.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import bunbase
from bunbase.contracts.functions.problems import FunctionsUnavailable
from bunbase.functions.sandbox.confine import Confinement
from bunbase.pkg.logger import logger

log = logger("functions")

# With -I and -S, the zygote ignores the environment and site-packages. The zygote imports the standard library and the
# sandbox. Our folder comes last in its path, so that our modules do not hide modules of the standard library.
PROGRAM: Final = (
    "import sys; sys.path.append(sys.argv.pop(1)); from bunbase.functions.workers.zygote_process import main; main()"
)
PACKAGES: Final = Path(bunbase.__file__).parent.parent
PYTHON: Final = ("-I", "-S", "-c", PROGRAM)
# The zygote answers within a millisecond. After this time, the server kills the zygote, and all workers end with it.
ANSWER_SECONDS: Final = 10.0
EXIT_SECONDS: Final = 2.0
MAX_MESSAGE_BYTES: Final = 4096
# Some builds of Python do not start without this variable. Workers never get it.
KEPT_VARIABLES: Final = ("LD_LIBRARY_PATH",)


@dataclass(frozen=True)
class Launch:
    """A program to execute. `environment`: all variables of the process.

    `confinement`: the layers of the sandbox, or None only for trusted code.
    """

    program: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    directory: str
    confinement: Confinement | None
    group: str = ""  # The path of the process's control group, or empty.


@dataclass(frozen=True)
class Spawned:
    """A started process. The caller of `Zygote.spawn` must close `pidfd` and `channel`."""

    pid: int
    pidfd: int
    channel: socket.socket


class Zygote:
    """The zygote process, seen from the server. `python`: the arguments with which Python runs the zygote."""

    def __init__(self, python: Sequence[str] = PYTHON) -> None:
        self.python = python
        self.process: subprocess.Popen[bytes] | None = None
        self.control: socket.socket | None = None
        self.waiting: deque[asyncio.Future[tuple[int, int]]] = deque()
        self.closed = False

    async def spawn(self, launch: Launch) -> Spawned:
        """Start a process whose descriptor 3 is the other end of `channel`. Raises: FunctionsUnavailable."""
        try:
            try:
                return await self._spawn(launch)
            except ConnectionError:  # The zygote was killed. A new one starts within milliseconds.
                return await self._spawn(launch)
        except OSError as error:
            raise FunctionsUnavailable(f"No worker could be started: {error!r}.") from error

    async def close(self) -> None:
        """End the zygote and all workers."""
        self.closed = True
        process = self.process
        self._lose()
        if process is not None:
            await asyncio.to_thread(_wait, process)

    async def _spawn(self, launch: Launch) -> Spawned:
        """Send one request to the zygote.

        Raises: ConnectionError if the zygote has died; OSError, after which the caller drops the zygote;
        FunctionsUnavailable.
        """
        ours, theirs = socket.socketpair()
        answered: asyncio.Future[tuple[int, int]] = asyncio.get_running_loop().create_future()
        asked: socket.socket | None = None
        try:
            with theirs:
                asked = self._alive()
                self._ask(asked, launch, theirs, answered)
            async with asyncio.timeout(ANSWER_SECONDS):
                pid, pidfd = await answered
        except OSError:
            ours.close()
            if asked in (None, self.control):  # Otherwise another caller has already started a new zygote.
                self._lose()
            raise
        except BaseException:
            ours.close()
            answered.add_done_callback(_forget)  # Nobody reads a pidfd that arrives later, so it must be closed.
            raise
        ours.setblocking(False)
        return Spawned(pid, pidfd, ours)

    def _ask(
        self, zygote: socket.socket, launch: Launch, theirs: socket.socket, answered: asyncio.Future[tuple[int, int]]
    ) -> None:
        message = {
            "program": launch.program,
            "arguments": launch.arguments,
            "environment": dict(launch.environment),
            "directory": launch.directory,
            "confinement": launch.confinement and asdict(launch.confinement),
            "group": launch.group,
        }
        socket.send_fds(zygote, [json.dumps(message).encode()], [theirs.fileno()])
        self.waiting.append(answered)

    def _alive(self) -> socket.socket:
        if self.closed:
            raise FunctionsUnavailable("BunBase is shutting down.")
        if self.control is None:
            self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                # Popen blocks the event loop until exec has succeeded, which takes less than a millisecond.
                self.process = subprocess.Popen(  # noqa: S603 - every argument is our own
                    [sys.executable, *self.python, str(PACKAGES), str(theirs.fileno()), str(os.getpid())],
                    pass_fds=(theirs.fileno(),),
                    stdin=subprocess.DEVNULL,
                    env={name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ},
                    cwd="/",
                    start_new_session=True,
                )
            self.control.setblocking(False)
            asyncio.get_running_loop().add_reader(self.control.fileno(), self._hear, self.control)
        return self.control

    def _hear(self, control: socket.socket) -> None:
        try:
            message, descriptors, _, _ = socket.recv_fds(control, MAX_MESSAGE_BYTES, 1, socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            return
        except OSError:
            message, descriptors = b"", []
        if not message:
            self._died()
            return
        told: dict[str, Any] = json.loads(message)
        answered = self.waiting.popleft()
        if "error" in told:
            if not answered.done():
                answered.set_exception(FunctionsUnavailable(f"No worker could be started: {told['error']}."))
        elif answered.done():
            os.close(descriptors[0])  # The caller has ended and closed the channel, so the worker ends by itself.
        else:
            answered.set_result((told["pid"], descriptors[0]))

    def _died(self) -> None:
        if not self.closed:
            log.error("the zygote died, and all workers with it; the next call starts a new zygote")
        self._lose()

    def _lose(self) -> None:
        """Drop the current zygote. When its socket is closed, the zygote ends."""
        control, self.control = self.control, None
        process, self.process = self.process, None
        if control is not None:
            asyncio.get_running_loop().remove_reader(control.fileno())
            control.close()
        if process is not None and process.poll() is None and not self.closed:
            process.kill()
            process.wait()
        while self.waiting:
            answered = self.waiting.popleft()
            if not answered.done():
                answered.set_exception(ConnectionError("the zygote is gone"))


def _forget(answered: asyncio.Future[tuple[int, int]]) -> None:
    if not answered.cancelled() and answered.exception() is None:
        os.close(answered.result()[1])


def _wait(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(EXIT_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
