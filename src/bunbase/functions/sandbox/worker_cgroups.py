"""The control groups of one server's workers: made before a worker starts, removed when it is gone.

What a server left behind that was killed is removed by the next one that starts.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Final

from bunbase.functions.sandbox import cgroups
from bunbase.functions.sandbox.limits import MB, most_threads
from bunbase.pkg.logger import logger

# The watch of memory ends a worker at its limit + 5 %. What it does not count has room in here: pages of files, of
# which the first worker pays for Bun's, the kernel's own memory, and what a worker takes between two looks.
HEADROOM_MB: Final = 160
HEADROOM: Final = 1.05
WEIGHT: Final = 50  # of all workers together; the server has 100
PERIOD_MICROSECONDS: Final = 100_000

log = logger("functions")


class Cgroup:
    """Of one worker. `memory_mb`: what its function may hold."""

    def __init__(self, path: Path, memory_mb: int, leaving: set[Path]) -> None:
        self.path = path
        self.memory_mb = memory_mb
        self.leaving = leaving

    @property
    def cause_of_death(self) -> str:
        """Say that the kernel killed the worker for its memory, "" if it did not."""
        try:
            killed = cgroups.memory_kills(self.path)
        except OSError:
            return ""
        return f"memory limit of {self.memory_mb} MB exceeded" if killed else ""

    def leave(self) -> None:
        """Have it removed once its process is gone: `WorkerCgroups.tidy` sees to that."""
        self.leaving.add(self.path)


class WorkerCgroups:
    """Blocks for some ten microseconds a file. `max_cpus`: of one worker; held only where `limits_cpus`."""

    def __init__(self, base: Path, max_cpus: float | None = None) -> None:
        """Raises: OSError."""
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
        """Raises: OSError."""
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
        """Remove everything; False while a worker has yet to end."""
        self.tidy()
        return not self.leaving and cgroups.removed(self.path)
