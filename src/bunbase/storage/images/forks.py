"""The server's side of the template (template.py): start it, and let it make one variant in a new process.

A dead template is replaced by the next image. A child that takes too long, or whose caller has left, is killed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final

from bunbase.contracts.images import ImagesUnavailable
from bunbase.pkg.logger import logger
from bunbase.storage.images.orders import LENGTH, MAX_HEAD_BYTES, Made, Order, ordered, read_answer

log = logger("storage")

COMMAND: Final = ("-I", "-m", "bunbase.storage.images.template")
# One thread for each image, because several images are made at the same time. The C library keeps few arenas, so that
# the limit of the address space holds images and not reservations. Above its threshold, libvips decodes into a file,
# which the fences forbid. So the threshold is above the memory of a process.
ENVIRONMENT: Final = {"VIPS_CONCURRENCY": "1", "MALLOC_ARENA_MAX": "2", "VIPS_DISC_THRESHOLD": "2g"}
KEPT_VARIABLES: Final = ("LD_LIBRARY_PATH",)
# Both are shorter than the deadline of one image (makers.py). Otherwise that deadline ends the wait first, a template
# that hangs is never replaced, and its images are refused as too slow.
START_SECONDS: Final = 8.0  # usually 0.3 s
FORK_SECONDS: Final = 3.0  # usually some milliseconds
EXIT_SECONDS: Final = 2.0
MAX_MESSAGE_BYTES: Final = 2048
MAX_OUTPUT_BYTES: Final = 25 << 20


class ProcessDied(Exception):
    """The process of an image ended without an answer, or gave an answer that makes no sense."""


class Forks:
    """`refusal`: the reason why this machine makes no variants, or ""; known after the first start."""

    def __init__(self, command: tuple[str, ...] = COMMAND) -> None:
        self.command = command
        self.refusal = ""
        self.process: subprocess.Popen[bytes] | None = None
        self.control: socket.socket | None = None
        self.waiting: deque[asyncio.Future[int]] = deque()
        self.starting = asyncio.Lock()
        self.closed = False
        self.made = 0  # processes that were forked for an image

    async def make(self, order: Order, size: int, content: AsyncIterator[bytes]) -> tuple[Made, bytes]:
        """Return a variant of an image of `size` bytes. The caller sets the deadline.

        Raises: Refusal, ProcessDied, ImagesUnavailable.
        """
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                pidfd = await self._forked(theirs)
        except BaseException:
            ours.close()
            raise
        try:
            return await _exchanged(ours, order, size, content)
        except (OSError, EOFError, asyncio.IncompleteReadError, ValueError, LookupError, TypeError) as fault:
            raise ProcessDied(repr(fault)) from fault
        finally:
            ours.close()
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            os.close(pidfd)

    async def close(self) -> None:
        """End the template and all processes that it forked."""
        self.closed = True
        process = self.process
        self._lose()
        if process is not None:
            await asyncio.to_thread(_ended, process)

    async def _forked(self, channel: socket.socket) -> int:
        """Return the pidfd of a new process with this channel. Raises: ImagesUnavailable."""
        for last in (False, True):
            control = await self._started()
            answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
            try:
                socket.send_fds(control, [b"fork"], [channel.fileno()])
                self.waiting.append(answer)
                async with asyncio.timeout(FORK_SECONDS):
                    pidfd = await asyncio.shield(answer)
                self.made += 1
                return pidfd
            except (OSError, ConnectionError) as fault:  # the template was killed, or hangs
                if control is self.control:
                    self._lose()
                if last:
                    raise ImagesUnavailable("No process for images could be started.", retry_after_seconds=1) from fault
            except BaseException:
                answer.add_done_callback(_forget)
                raise
        raise AssertionError

    async def _started(self) -> socket.socket:
        """Return the socket of the template. Raises: ImagesUnavailable."""
        async with self.starting:
            if self.closed:
                raise ImagesUnavailable("BunBase is shutting down.", retry_after_seconds=1)
            if self.refusal:
                raise ImagesUnavailable(self.refusal)
            if self.control is None:
                await self._start()
            assert self.control is not None
            return self.control

    async def _start(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
        with theirs:
            # this runs in the main thread: the kernel ends the template when the thread ends that started it
            self.process = subprocess.Popen(  # noqa: S603, ASYNC220 - every argument is our own; it takes 1 ms
                [sys.executable, *self.command, str(theirs.fileno()), str(os.getpid())],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**ENVIRONMENT, **kept},
                cwd="/",
                start_new_session=True,
            )
        ours.setblocking(False)
        try:
            async with asyncio.timeout(START_SECONDS):
                said = await asyncio.get_running_loop().sock_recv(ours, MAX_MESSAGE_BYTES)
        except OSError:
            said = b""
        except BaseException:
            ours.close()
            self._lose()
            raise
        weakness = said.decode("utf-8", "replace").removeprefix("ready ")
        if not said.startswith(b"ready") or weakness:
            ours.close()
            self._lose()
            reason = f"the fences do not stop: {weakness}" if weakness else "its process does not start"
            if weakness:
                self.refusal = f"Images cannot be changed on this machine, because {reason}."
            log.error("images cannot be changed", reason=reason)
            raise ImagesUnavailable(f"Images cannot be changed on this machine, because {reason}.")
        self.control = ours
        asyncio.get_running_loop().add_reader(ours.fileno(), self._hear, ours)

    def _hear(self, control: socket.socket) -> None:
        try:
            message, descriptors, _, _ = socket.recv_fds(control, MAX_MESSAGE_BYTES, 1, socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            return
        except OSError:
            message, descriptors = b"", []
        if not message or not self.waiting:
            for descriptor in descriptors:
                os.close(descriptor)
            if not self.closed:
                log.error("the template of images died; the next image starts a new one")
            self._lose()
            return
        answer = self.waiting.popleft()
        if not descriptors:
            if not answer.done():
                answer.set_exception(OSError(message.decode("utf-8", "replace")))
        elif answer.done():
            os.close(descriptors[0])
        else:
            answer.set_result(descriptors[0])

    def _lose(self) -> None:
        """Drop the template. It ends when its socket is closed."""
        control, self.control = self.control, None
        process, self.process = self.process, None
        if control is not None:
            asyncio.get_running_loop().remove_reader(control.fileno())
            control.close()
        if process is not None and process.poll() is None and not self.closed:
            process.kill()
            process.wait()
        while self.waiting:
            answer = self.waiting.popleft()
            if not answer.done():
                answer.set_exception(ConnectionError("the template is gone"))


async def _exchanged(
    channel: socket.socket, order: Order, size: int, content: AsyncIterator[bytes]
) -> tuple[Made, bytes]:
    """Send the order and the image, and return the answer. Raises: Refusal, and errors of a broken answer."""
    channel.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(channel, ordered(order, size))
    async for piece in content:
        await loop.sock_sendall(channel, piece)
    (length,) = LENGTH.unpack(await _received(channel, LENGTH.size))
    if length > MAX_HEAD_BYTES:
        raise ValueError("the head is too long")
    made, made_bytes = read_answer(await _received(channel, length))
    if made_bytes > MAX_OUTPUT_BYTES:
        raise ValueError("the variant is too large")
    return made, await _received(channel, made_bytes)


async def _received(channel: socket.socket, size: int) -> bytes:
    data = bytearray(size)
    view, at = memoryview(data), 0
    loop = asyncio.get_running_loop()
    while at < size:
        count = await loop.sock_recv_into(channel, view[at:])
        if not count:
            raise EOFError("the process has ended")
        at += count
    view.release()
    return bytes(data)


def _forget(answer: asyncio.Future[int]) -> None:
    if not answer.cancelled() and answer.exception() is None:
        os.close(answer.result())


def _ended(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(EXIT_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
