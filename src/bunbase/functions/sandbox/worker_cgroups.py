"""The control groups of a server's workers. A group is made before a worker starts, and removed after its process ends.

A server that was killed leaves its groups behind; the next server removes them when it starts.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Final

from bunbase.functions.sandbox import cgroups
from bunbase.functions.sandbox.limits import MB, most_threads
from bunbase.pkg.logger import logger

# The starter ends a worker at its memory limit + 5 %. The kernel's limit must be higher, because the kernel also counts
# pages of files (the pages of Bun's files count for the first worker), the kernel's own memory for the worker, and the
# memory that a worker takes between two checks of the starter.
HEADROOM_MB: Final = 160
HEADROOM: Final = 1.05
WEIGHT: Final = 50  # All workers together have this cpu.weight, and the server has 100.
PERIOD_MICROSECONDS: Final = 100_000

log = logger("functions")


class Cgroup:
    """The control group of one worker. `memory_mb`: the memory limit of its function."""

    def __init__(self, path: Path, memory_mb: int, leaving: set[Path]) -> None:
        self.path = path
        self.memory_mb = memory_mb
        self.leaving = leaving

    @property
    def cause_of_death(self) -> str:
        """Return the reason if the kernel killed the worker because of its memory; otherwise return ""."""
        try:
            killed = cgroups.memory_kills(self.path)
        except OSError:
            return ""
        return f"memory limit of {self.memory_mb} MB exceeded" if killed else ""

    def leave(self) -> None:
        """Mark the group for removal. After its process has ended, `WorkerCgroups.tidy` removes the group."""
        self.leaving.add(self.path)


class WorkerCgroups:
    """Makes and removes the groups below `base`. The event loop waits for each file access, which takes about ten
    microseconds.

    `max_cpus`: the number of processors that a worker may use; it has an effect only if `limits_cpus` is True.
    """

    def __init__(self, base: Path, max_cpus: float | None = None) -> None:
        """Make the group of all workers. Remove the groups of servers that have ended. Raises: OSError."""
        self.max_cpus = max_cpus
        self.numbers = itertools.count(1)
        self.leaving: set[Path] = set()
        cgroups.sweep(base)
        self.path = cgroups.new_group(base, "workers")
        controlled = (base / "cgroup.subtree_control").read_text().split()
        self.limits_cpus = "cpu" in controlled
        wanted = " ".join(f"+{name}" for name in cgroups.USED if name in controlled)
        (self.path / "cgroup.subtree_control").write_text(wanted)
        if self.limits_cpus:
            (self.path / "cpu.weight").write_text(str(WEIGHT))
        elif max_cpus is not None:
            log.warning("functions.max_cpus_per_worker has no effect: the server's cgroup does not control cpu")

    def make(self, memory_mb: int) -> Cgroup:
        """Make the group of a new worker. Raises: OSError."""
        path = self.path / str(next(self.numbers))
        path.mkdir()
        cgroups.limit(path, int(memory_mb * HEADROOM + HEADROOM_MB) * MB, most_threads())
        if self.max_cpus is not None and self.limits_cpus:
            quota = int(self.max_cpus * PERIOD_MICROSECONDS)
            (path / "cpu.max").write_text(f"{quota} {PERIOD_MICROSECONDS}")
        return Cgroup(path, memory_mb, self.leaving)

    def tidy(self) -> None:
        for path in list(self.leaving):
            if cgroups.removed(path):
                self.leaving.discard(path)

    def close(self) -> bool:
        """Remove all groups. Return False while a worker still runs."""
        self.tidy()
        return not self.leaving and cgroups.removed(self.path)
