"""The memory and the threads of one process, read from /proc."""

from __future__ import annotations

from typing import Final, NamedTuple

OWN: Final = (b"RssAnon", b"RssShmem")  # RssFile is missing, because all workers share the pages of Bun's executable.
THREADS: Final = b"Threads"


class ProcessMemory(NamedTuple):
    """The memory of a process. `mb`: the resident memory in MiB, without pages of files, which processes share."""

    mb: float
    threads: int


def memory_of(pid: int) -> ProcessMemory:
    """Return the memory and threads of a process, or zeros if the process has ended."""
    try:
        with open(f"/proc/{pid}/status", "rb") as status:
            lines = status.read().splitlines()
    except OSError:
        return ProcessMemory(0.0, 0)
    fields = dict(line.split(b":", 1) for line in lines if line.startswith((*OWN, THREADS)))
    return ProcessMemory(
        sum(int(fields[name].split()[0]) for name in OWN if name in fields) / 1024, int(fields.get(THREADS, 0))
    )
