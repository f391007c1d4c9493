"""A file that one process holds at a time; the kernel lets go of it when that process dies.

The lock is flock's, on an open file. It is free once the holder has closed its files: a zombie holds nothing, but a
process that was killed a moment ago still does. A start right after kill -9 therefore waits for such a holder, and
refuses only one that lives.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from typing import Final

from bunbase.pkg.numbers import whole_number
from bunbase.pkg.processes import MAX_PID, is_ending

DYING_SECONDS: Final = 30.0  # to give back gigabytes of memory, or to finish a write to a slow disk
LIVING_SECONDS: Final = 0.3  # between kill -9 and what /proc says of it; before a new holder has written its id
POLL_SECONDS: Final = 0.01


class Held(Exception):
    """A process that lives holds the file. `holder`: its id, or `unknown`."""

    def __init__(self, holder: str) -> None:
        super().__init__(holder)
        self.holder = holder


def hold_file(path: Path) -> int:
    """Lock a file, made if need be, and write our process id into it; closing the descriptor lets go.

    Blocks while a holder is dying. Raises: Held, OSError.
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
    """Lock an open file; False if somebody else holds it."""
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
