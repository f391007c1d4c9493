"""Files where there is no Landlock: a root of its own that has nothing but what the rules name, made by bubblewrap.

It also gives namespaces of users, processes, network, host name and shared memory, for which no root is needed. Two
processes come of it: bubblewrap itself, which stays outside and waits, and the worker. When either ends, so does the
other. Options are those of bubblewrap 0.4, which the systems without Landlock have.
"""

from __future__ import annotations

import json
import os
import select
import signal
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Final, NoReturn

from bunbase.functions.sandbox.bpf import encode
from bunbase.functions.sandbox.bun_files import OF_ITSELF
from bunbase.functions.sandbox.kernel import no_new_privileges
from bunbase.functions.sandbox.landlock import Rule
from bunbase.functions.sandbox.namespaces import HOST_NAME
from bunbase.functions.sandbox.seccomp import Exec, worker_filter
from bunbase.functions.sandbox.syscalls import this_machine

FIRST_PID: Final = 1  # what the worker is called in its own namespace
START_SECONDS: Final = 5.0  # it takes some milliseconds
MAX_INFO_BYTES: Final = 4096
WALLS: Final = (
    "--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-ipc", "--unshare-cgroup-try",
    "--hostname", HOST_NAME.decode(), "--cap-drop", "ALL", "--die-with-parent",
    "--as-pid-1",  # Bun starts no process, so there is nothing to reap
)  # fmt: skip


def walls(rules: Iterable[Rule], links: Iterable[tuple[str, str]], directory: str) -> list[str]:
    """Give the options that make the new root. Paths that do not exist are passed over."""
    options = [*WALLS]
    for link, said in links:
        options += ["--symlink", said, link]
    for path, _ in rules:
        if os.path.exists(path):
            options += ["--dev-bind" if path.startswith("/dev/") else "--ro-bind", path, path]
    # Not a /proc of its own, which tells much of the machine: bubblewrap resolves /proc/self when it is already the
    # process that becomes the worker, so this shows the worker to itself and nothing else. `fd`: seccomp.py says why.
    for name in (*OF_ITSELF, "fd"):
        options += ["--ro-bind", f"/proc/self/{name}", f"/proc/self/{name}"]
    return [*options, "--remount-ro", "/", "--chdir", directory]


def command(walls: Sequence[str], inside: Sequence[str], filter: int, info: int | None = None) -> list[str]:
    """Give all arguments of bubblewrap. `inside`: what it runs; `filter`: from `open_filter`.

    `info`: the descriptor that hears of the pid of what it runs.
    """
    told = [] if info is None else ["--info-fd", str(info)]
    return ["bwrap", *walls, *told, "--seccomp", str(filter), *inside]


def enter(executable: int, command: list[str], environment: Mapping[str, str]) -> NoReturn:
    """Become bubblewrap, which gains nothing here by being setuid. `executable`: a descriptor. Raises: OSError."""
    no_new_privileges()
    os.execve(executable, command, environment)  # noqa: S606 - that is what this is for


def open_filter() -> int:
    """Give a descriptor that the filter of system calls is read from; it outlives the next exec."""
    reader, writer = os.pipe()
    os.write(writer, _filter())
    os.close(writer)
    os.set_inheritable(reader, True)
    return reader


def worker_of(info: int, outer: int) -> tuple[int, int]:
    """Give pid and pidfd of the process that bubblewrap, `outer`, runs; its own if it gave up: then nothing runs.

    Takes the descriptor `info` over.
    """
    try:
        inner: int = json.loads(_all_of(info))["child-pid"]
        pidfd = os.pidfd_open(inner)
    except (OSError, ValueError, LookupError, TypeError):
        os.kill(outer, signal.SIGKILL)  # it is there, dead or alive, until our caller has waited for it
        return outer, os.pidfd_open(outer)
    if _parent_of(inner) == outer:  # so `pidfd` is no other process that got the number of a dead one
        return inner, pidfd
    os.close(pidfd)
    return outer, os.pidfd_open(outer)


@cache
def _filter() -> bytes:
    return encode(worker_filter(FIRST_PID, this_machine(), Exec.BY_PATH))


def _all_of(descriptor: int) -> bytes:
    """Read to the end. Raises: TimeoutError."""
    deadline = time.monotonic() + START_SECONDS
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    said = b""
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        while poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            part = file.read(MAX_INFO_BYTES)
            if not part or len(said) > MAX_INFO_BYTES:
                return said
            said += part
    raise TimeoutError("bubblewrap did not start")


def _parent_of(pid: int) -> int:
    """Give 0 for a process that is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            return int(stat.read().rpartition(b")")[2].split()[1])
    except OSError:
        return 0
