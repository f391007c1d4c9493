"""A lock file that one process holds at a time. The kernel releases the lock when that process dies.

Symptom: right after `kill -9` of the old server, a new server is refused, although no server seems to run.
Cause: the lock (flock) belongs to the open file, and the kernel closes the files of a killed process only at the end of
    that process. Until then the killed process still holds the lock. (A zombie process holds no lock, because its files
    are closed already.)
Decision: the holder writes its process id into the file. If the holder is ending, the next start waits for up to
    DYING_SECONDS. If the holder is alive, the next start is refused after LIVING_SECONDS. See
    docs/decisions/0038-it-always-comes-back.md.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from typing import Final

from bunbase.pkg.numbers import whole_number
from bunbase.pkg.processes import MAX_PID, is_ending

# A killed process may have to release gigabytes of memory, or to finish a write to a slow disk.
DYING_SECONDS: Final = 30.0
# /proc shows the end of a killed process slightly late. A new holder writes its id slightly after it locks the file.
LIVING_SECONDS: Final = 0.3
POLL_SECONDS: Final = 0.01


class Held(Exception):
    """Another living process holds the lock. `holder`: the id of that process, or `unknown`."""

    def __init__(self, holder: str) -> None:
        super().__init__(holder)
        self.holder = holder


def hold_file(path: Path) -> int:
    """Lock a file, and write the id of this process into it. Create the file if necessary. Return the file descriptor.

    The lock is released when the descriptor is closed. If the previous holder is ending, this call blocks and waits.
    Raises: Held, OSError.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        _wait_for(descriptor)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def try_lock(descriptor: int) -> bool:
    """Lock an open file. Return False if another process holds the lock."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _wait_for(descriptor: int) -> None:
    began = time.monotonic()
    while not try_lock(descriptor):
        holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
        pid = whole_number(holder, MAX_PID)
        seconds = DYING_SECONDS if pid is not None and is_ending(pid) else LIVING_SECONDS
        if time.monotonic() - began > seconds:
            raise Held(holder or "unknown")
        time.sleep(POLL_SECONDS)
