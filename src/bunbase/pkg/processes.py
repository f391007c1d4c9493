"""The state of processes on this machine, read from /proc: running, ending, or ended.

A process that has ended stays in the process table until its parent waits for it. Until then it is a zombie. In a
container whose first process never waits, a zombie stays forever. A zombie holds no file, no lock and no port.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

PF_EXITING: Final = 0x4  # The kernel is ending a process with this flag (include/linux/sched.h).
SIGKILL_PENDING: Final = 1 << 8
ENDED: Final = ("Z", "X")
MAX_PID: Final = 1 << 22  # This is PID_MAX_LIMIT of include/linux/threads.h.


class Process(NamedTuple):
    """The state of a process.

    `started`: the start time in clock ticks since boot. A pid may be reused, but never with the same start time.
    """

    pid: int
    name: str
    state: str
    started: int
    flags: int
    pending: int

    @property
    def ended(self) -> bool:
        """True if the process is a zombie: only its entry in the process table is left."""
        return self.state in ENDED

    @property
    def ending(self) -> bool:
        """True if the process has ended, if the kernel is ending it, or if SIGKILL is pending."""
        return self.ended or bool(self.flags & PF_EXITING) or bool(self.pending & SIGKILL_PENDING)


def process(pid: int, proc: Path = Path("/proc")) -> Process | None:
    """Return the state of a process, or None if no process has this id."""
    try:
        text = (proc / str(pid) / "stat").read_text("utf-8", "replace")
    except OSError:
        return None
    before, _, behind = text.rpartition(")")  # The name may contain any character, including brackets.
    fields = behind.split()
    name = before.partition("(")[2]
    return Process(pid, name, fields[0], started=int(fields[19]), flags=int(fields[6]), pending=int(fields[28]))


def is_running(pid: int) -> bool:
    """True if the process exists and is not a zombie."""
    found = process(pid)
    return found is not None and not found.ended


def is_ending(pid: int) -> bool:
    """True if the process has ended, or if it is certain to end soon."""
    found = process(pid)
    return found is None or found.ending
