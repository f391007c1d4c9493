"""The command line and the environment of a Bun process. The environment contains no variable of the server."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from bunbase.functions.sandbox.bun_files import WORKER_SCRIPT
from bunbase.functions.sandbox.confine import Confinement
from bunbase.functions.workers.zygote import Launch

SOURCE: Final = Path(__file__).parent.parent / "runtime"
RUNTIME: Final = SOURCE / "built"  # The only folder of BunBase that a worker can read.
SCRIPT: Final = RUNTIME / WORKER_SCRIPT  # house/worker_script.py builds this file from the files in SOURCE.
FLAGS: Final = (
    "--no-install",
    "--no-addons",
    "--no-ffi-cc",
    "--no-macros",
    "--no-env-file",
    "--config=/dev/null",
)

# The variables of the function are not here, because /proc/<pid>/environ would show secrets. The LOAD frame has these
# variables. The BUN_JSC_ and MIMALLOC_ values keep the JIT on although the address space is limited, and keep idle
# workers small: each of eight workers on one machine takes 9 MB, measured with Bun 1.4.5.
ENVIRONMENT: Final = {
    "HOME": "/nonexistent",
    "TZ": "UTC",
    "NO_COLOR": "1",
    "DO_NOT_TRACK": "1",
    "BUN_RUNTIME_TRANSPILER_CACHE_PATH": "0",
    "BUN_JSC_jitMemoryReservationSize": str(64 << 20),
    "BUN_JSC_structureHeapSizeInKB": str(128 << 10),
    "MIMALLOC_ARENA_RESERVE": "0",
}


def launch_of(bun: Path, memory_mb: int, confinement: Confinement | None, group: str = "") -> Launch:
    """Return the launch of a worker.

    `memory_mb`: the amount of memory that Bun's garbage collector assumes for the machine.
    """
    return Launch(
        program=str(bun),
        arguments=("bun", *FLAGS, str(SCRIPT)),
        environment={**ENVIRONMENT, "BUN_JSC_forceRAMSize": str(memory_mb << 20)},
        directory=str(RUNTIME),
        confinement=confinement,
        group=group,
    )
