"""Confines files with bubblewrap if the kernel has no Landlock: the worker's root contains only the allowed files.

bubblewrap also makes namespaces for users, processes, network, host name and shared memory, and needs no root for this.
There are two processes: bubblewrap itself, which stays outside and waits, and the worker. When one of them ends, the
other ends too. All options exist in bubblewrap 0.4, the version on systems without Landlock.
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

from bunbase.functions.sandbox.bun_files import OF_ITSELF
from bunbase.functions.sandbox.seccomp import Exec, worker_filter
from bunbase.pkg.sandbox.bpf import encode
from bunbase.pkg.sandbox.kernel import no_new_privileges
from bunbase.pkg.sandbox.landlock import Rule
from bunbase.pkg.sandbox.namespaces import HOST_NAME
from bunbase.pkg.sandbox.syscalls import this_machine

FIRST_PID: Final = 1  # The worker has this pid in its own namespace.
START_SECONDS: Final = 5.0  # The start of bubblewrap takes some milliseconds, and may take this long.
MAX_INFO_BYTES: Final = 4096
WALLS: Final = (
    "--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-ipc", "--unshare-cgroup-try",
    "--hostname", HOST_NAME.decode(), "--cap-drop", "ALL", "--die-with-parent",
    "--as-pid-1",  # Bun starts no process, so there is nothing to reap
)  # fmt: skip


def walls(rules: Iterable[Rule], links: Iterable[tuple[str, str]]) -> list[str]:
    """Return the options that make the new root. Paths that do not exist are skipped."""
    options = [*WALLS]
    for link, said in links:
        options += ["--symlink", said, link]
    for path, _ in rules:
        if os.path.exists(path):
            options += ["--dev-bind" if path.startswith("/dev/") else "--ro-bind", path, path]
    # The worker needs a few files of /proc/self. `--proc` was rejected: a whole /proc reveals much about the machine.
    # bubblewrap resolves /proc/self in the process that becomes the worker, so the worker sees only itself there.
    # `fd`: Bun finds its folder there (seccomp.py).
    for name in (*OF_ITSELF, "fd"):
        options += ["--ro-bind", f"/proc/self/{name}", f"/proc/self/{name}"]
    return [*options, "--remount-ro", "/", "--chdir", "/"]


def command(walls: Sequence[str], inside: Sequence[str], filter: int, info: int | None = None) -> list[str]:
    """Return all arguments of bubblewrap. `inside`: the command that bubblewrap runs. `filter`: the descriptor from
    `open_filter`.

    `info`: the descriptor to which bubblewrap writes the pid of this command.
    """
    told = [] if info is None else ["--info-fd", str(info)]
    return ["bwrap", *walls, *told, "--seccomp", str(filter), *inside]


def enter(executable: int, command: list[str], environment: Mapping[str, str]) -> NoReturn:
    """Execute bubblewrap, but without the privileges of a setuid file. `executable`: its descriptor.

    Raises: OSError.
    """
    no_new_privileges()
    os.execve(executable, command, environment)  # noqa: S606 - that is what this is for


def open_filter() -> int:
    """Return a descriptor from which bubblewrap reads the seccomp filter.

    The descriptor stays open after the next exec.
    """
    reader, writer = os.pipe()
    os.write(writer, _filter())
    os.close(writer)
    os.set_inheritable(reader, True)
    return reader


def worker_of(info: int, outer: int) -> tuple[int, int]:
    """Return the pid and a pidfd of the process inside of bubblewrap.

    If bubblewrap has failed, return its own pid and pidfd.

    `outer`: the pid of bubblewrap. `info`: the descriptor with the pid of the worker; this function closes it.
    """
    try:
        inner: int = json.loads(_all_of(info))["child-pid"]
        pidfd = os.pidfd_open(inner)
    except (OSError, ValueError, LookupError, TypeError):
        # The pid is still valid even if the process has ended, because only the caller of this function reaps it.
        os.kill(outer, signal.SIGKILL)
        return outer, os.pidfd_open(outer)
    if _parent_of(inner) == outer:  # Otherwise the worker has died, and another process may have its pid.
        return inner, pidfd
    os.close(pidfd)
    return outer, os.pidfd_open(outer)


@cache
def _filter() -> bytes:
    return encode(worker_filter(FIRST_PID, this_machine(), Exec.BY_PATH))


def _all_of(descriptor: int) -> bytes:
    """Read the descriptor to its end and close it. Raises: TimeoutError."""
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
    """Return the pid of a process's parent; 0 if the process has ended."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            return int(stat.read().rpartition(b")")[2].split()[1])
    except OSError:
        return 0
