"""The resource limits (setrlimit) of a worker.

The kernel has no such limit for resident memory, so the starter watches the resident memory.
"""

from __future__ import annotations

import os
import resource
from typing import Final

MB: Final = 1 << 20
# Bun 1.4.5 uses 253 MB of RLIMIT_DATA before a function allocates anything. With a much lower limit, Bun turns
# off its JIT without a message.
DATA_BEYOND_LIMIT_MB: Final = 300
# Bun reserves most of this address space and never uses it. With the settings of launch.py, Bun starts with 2.5 GB.
ADDRESS_SPACE_MB: Final = 4096
OPEN_FILES: Final = 256
THREADS: Final = 64  # A worker may have this many threads. Bun on two cores has 12.
THREADS_PER_CORE: Final = 4


def most_threads() -> int:
    return THREADS + THREADS_PER_CORE * (os.cpu_count() or 1)


def enter_cgroup(group: str) -> None:
    """Move this process into a control group (cgroups.py). Raises: OSError."""
    with open(f"{group}/cgroup.procs", "w") as members:
        members.write("0")


def limit_resources(memory_mb: int, own_user: bool) -> None:
    """Set the hard limits. Raises: OSError.

    `own_user`: True if no other process has this user. With an own user, RLIMIT_NPROC, which limits the threads of a
    user, can limit the threads of the worker. Otherwise the Starter counts the threads.
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
