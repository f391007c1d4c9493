"""What a worker may use of the machine, as far as resource limits say it; memory is watched besides."""

from __future__ import annotations

import os
import resource
from typing import Final

MB: Final = 1 << 20
# Bun 1.4 has 253 MB of this before a function holds anything; much less, and it turns its JIT off silently.
DATA_BEYOND_LIMIT_MB: Final = 300
ADDRESS_SPACE_MB: Final = 4096  # mostly reserved, never touched; with the knobs of launch.py Bun starts in 2.5 GB
OPEN_FILES: Final = 256
THREADS: Final = 64  # a Bun on two cores has 12
THREADS_PER_CORE: Final = 4


def most_threads() -> int:
    return THREADS + THREADS_PER_CORE * (os.cpu_count() or 1)


def enter_cgroup(group: str) -> None:
    """Put this process into a control group: cgroups.py. Raises: OSError."""
    with open(f"{group}/cgroup.procs", "w") as members:
        members.write("0")


def limit_resources(memory_mb: int, own_user: bool) -> None:
    """Set hard limits. `own_user`: threads can be counted, since nobody else has this user; else Starter counts them.

    Raises: OSError.
    """
    limits = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
        resource.RLIMIT_NOFILE: OPEN_FILES,
        resource.RLIMIT_DATA: (memory_mb + DATA_BEYOND_LIMIT_MB) * MB,
        resource.RLIMIT_AS: ADDRESS_SPACE_MB * MB,
    }
    if own_user:
        limits[resource.RLIMIT_NPROC] = most_threads()
    for kind, most in limits.items():
        _, hard = resource.getrlimit(kind)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (most, most))
