"""The template: a process that has loaded libvips, and forks one process for each image. It never sees an image.

The concern: libvips has errors, and an image may be an attack. A process that makes variants of several images could
give bytes of one project to another one after an attack. A new process for each image was rejected at first, because
Python and libvips take 150 ms to start. A fork of a process that has loaded both takes 3 ms. Its life:

1. `main` gets the descriptor of a SEQPACKET socket to the server, and the pid of the server. It loads libvips.
2. A forked process confines itself and attacks its own fences. The template sends the result to the server.
3. A message of the server has the descriptor of a channel. The template forks; the child confines itself, reads an
   order and an image from the channel, and answers. Then it ends, which returns all of its memory.
4. The template answers with a pidfd, by which the server ends a child that takes too long.
5. When the server ends, the kernel closes the socket, and the template ends. Its children end with it.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
from contextlib import suppress
from typing import Final

from bunbase.pkg.sandbox.kernel import PR_SET_PDEATHSIG, prctl
from bunbase.storage.images import fences, recipe
from bunbase.storage.images.orders import LENGTH, MAX_HEAD_BYTES, Refusal, answered, read_order, refused

CHANNEL: Final = 3
FAILED: Final = 70
MOST_BYTES: Final = 1 << 20  # of one read
PROBE_SECONDS: Final = 20.0


def main(control_fd: int, server: int) -> None:
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != server:
        return
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # only the server ends this process, after the running requests
    recipe.prepare()
    with socket.socket(fileno=control_fd) as control:
        control.send(f"ready {weakness()}".encode())
        serve(control)


def serve(control: socket.socket) -> None:
    """Fork at the server's request, until the server has ended."""
    woken, waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    poll = select.poll()
    poll.register(control, select.POLLIN)
    poll.register(woken, select.POLLIN)
    while True:
        ready = {fd for fd, _ in poll.poll()}
        if woken in ready:
            os.read(woken, 512)
            reap()
        if control.fileno() in ready and not answer(control):
            return


def answer(control: socket.socket) -> bool:
    """Fork once. Return False if the server has ended."""
    message, descriptors, _, _ = socket.recv_fds(control, 64, 1, socket.MSG_CMSG_CLOEXEC)
    if not message:
        return False
    try:
        pidfd = forked(descriptors[0])
    except OSError as error:
        return told(control, f"error {error}", [])
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
    try:
        return told(control, "forked", [pidfd])
    finally:
        os.close(pidfd)


def told(control: socket.socket, text: str, descriptors: list[int]) -> bool:
    try:
        socket.send_fds(control, [text.encode()], descriptors)
    except OSError:
        return False
    return True


def reap() -> None:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass


def forked(channel: int) -> int:
    """Return the pidfd of a new process that makes one variant. Raises: OSError."""
    template = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            keep_only(channel)
            fences.confine(template)
            make_one()
            os._exit(0)
        finally:  # the child must never return, because it would become a second template
            os._exit(FAILED)
    return os.pidfd_open(pid)


def keep_only(channel: int) -> None:
    """Close all descriptors except the channel, which becomes CHANNEL, and /dev/null as 0, 1 and 2."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if channel != CHANNEL:
        os.dup2(channel, CHANNEL)
    os.closerange(CHANNEL + 1, os.sysconf("SC_OPEN_MAX"))


def make_one() -> None:
    """Read an order and an image from the channel, and write the answer. A broken channel ends the process."""
    (length,) = LENGTH.unpack(received(LENGTH.size))
    if length > MAX_HEAD_BYTES:
        raise ValueError("the head is too long")
    order, size = read_order(received(length))
    try:
        made, data = recipe.make(received(size), order)
    except Refusal as refusal:
        sent(refused(refusal))
    except MemoryError:
        sent(refused(Refusal("large", "The image needs too much memory.")))
    else:
        sent(answered(made, len(data)))
        sent(data)


def received(size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        piece = os.read(CHANNEL, min(MOST_BYTES, size - len(data)))
        if not piece:
            raise EOFError
        data += piece
    return bytes(data)


def sent(data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(CHANNEL, left) :]


def weakness() -> str:
    """Return the fences that do not hold on this machine, or "". A forked process attacks them."""
    reader, writer = os.pipe()
    template = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(reader)
            try:
                fences.confine(template)
                found = fences.attacks()
            except OSError as error:
                found = str(error)
            os.write(writer, f"done {found}".encode())
        finally:
            os._exit(0)
    os.close(writer)
    try:
        ready, _, _ = select.select([reader], [], [], PROBE_SECONDS)
        said = os.read(reader, 1000).decode() if ready else ""
    finally:
        os.close(reader)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return said.removeprefix("done ") if said.startswith("done") else "the probe died"


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
