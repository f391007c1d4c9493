"""How much memory a process holds for itself: what others could not use in its place."""

from __future__ import annotations

from typing import Final

OWN: Final = (b"RssAnon", b"RssShmem")  # not RssFile: the pages of Bun's executable are shared by all workers


def held_mb(pid: int) -> float:
    """Give the resident memory in MiB without pages of files, 0 for a process that is gone."""
    try:
        with open(f"/proc/{pid}/status", "rb") as status:
            lines = status.read().splitlines()
    except OSError:
        return 0.0
    fields = dict(line.split(b":", 1) for line in lines if line.startswith(OWN))
    return sum(int(value.split()[0]) for value in fields.values()) / 1024
