"""How much memory a process holds."""

from __future__ import annotations

import resource
from typing import Final

PAGE_BYTES: Final = resource.getpagesize()


def resident_mb(pid: int) -> float:
    """Give the resident set in MiB, 0 for a process that is gone."""
    try:
        with open(f"/proc/{pid}/statm", "rb") as statm:
            return int(statm.read().split()[1]) * PAGE_BYTES / (1 << 20)
    except (OSError, IndexError):
        return 0.0
