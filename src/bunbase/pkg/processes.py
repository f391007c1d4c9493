"""Processes of this machine as /proc shows them: running, ending, or ended.

A killed process stays in the process table until its parent waits for it. In a container whose first process never
waits, it stays for ever. Such a zombie holds no file, no lock and no port.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

PF_EXITING: Final = 0x4  # include/linux/sched.h: the kernel is taking the process down
SIGKILL_PENDING: Final = 1 << 8
ENDED: Final = ("Z", "X")
MAX_PID: Final = 1 << 22  # include/linux/threads.h: PID_MAX_LIMIT


class Process(NamedTuple):
    """The state of a process.

    `started`: in clock ticks since boot. A pid may be reused, a pid with this start is not.
    """

    pid: int
    name: str
    state: str
    started: int
    flags: int
    pending: int

    @property
    def ended(self) -> bool:
        """True for a zombie: only its entry in the process table is left."""
        return self.state in ENDED

    @property
    def ending(self) -> bool:
        """True if it has ended, if the kernel is taking it down, or if SIGKILL is pending for it."""
        return self.ended or bool(self.flags & PF_EXITING) or bool(self.pending & SIGKILL_PENDING)


def process(pid: int, proc: Path = Path("/proc")) -> Process | None:
    """Return the state of a process, or None if no process has this id."""
    try:
        text = (proc / str(pid) / "stat").read_text("utf-8", "replace")
    except OSError:
        return None
    before, _, behind = text.rpartition(")")  # the name may contain any character, also brackets
    fields = behind.split()
    name = before.partition("(")[2]
    return Process(pid, name, fields[0], started=int(fields[19]), flags=int(fields[6]), pending=int(fields[28]))


def is_running(pid: int) -> bool:
    """Return whether the process exists and is not a zombie."""
    found = process(pid)
    return found is not None and not found.ended


def is_ending(pid: int) -> bool:
    """Return whether the process has ended or is about to end, which nothing can prevent."""
    found = process(pid)
    return found is None or found.ending
