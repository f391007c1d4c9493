"""A process that restores a backup, and kills itself with SIGKILL before a chosen step.

python -m tests.bundoc.backups.killed_restore <data directory> <backup> <step>

A step is the name of a phase, or the number of a call that changes a file. (A fork of the test would not do, because
the threads of obstore do not survive a fork.)
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bunbase.bundoc.sqlite_engine import copies
from bunbase.contracts.bundoc.backups import JobState
from bunbase.storage.acts import restoring
from tests.bundoc.backups.backed_up import restored
from tests.bundoc.backups.two_rooms import two_rooms
from tests.fakes import FakeKms

SECRET = bytes(32)
PHASES: dict[str, tuple[Any, str]] = {
    "the files are prepared": (restoring, "prepare"),
    "the restore is decided": (copies, "_swap_with_files"),
    "the documents are replaced": (copies, "_swap"),
    "the list is replaced": (restoring, "take_place"),
}
CHANGES = ((os, "fsync"), (os, "replace"), (os, "rename"), (os, "unlink"), (os, "mkdir"), (shutil, "rmtree"))


def kill_before(owner: Any, name: str, left: list[int]) -> None:
    """Kill this process before a call of a function, when it is the last of the calls that are `left`."""
    original: Callable[..., Any] = getattr(owner, name)

    def counted(*args: Any, **kwargs: Any) -> Any:
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*args, **kwargs)

    setattr(owner, name, counted)


async def main(directory: str, id: str, step: str) -> None:
    async with two_rooms(Path(directory), FakeKms(SECRET)) as both:
        await both.bundoc.backup_service.settle_restores()
        left = [int(step)] if step.isdecimal() else [1]
        for owner, name in CHANGES if step.isdecimal() else [PHASES[step]]:
            kill_before(owner, name, left)
        job = await restored(both.bundoc, id)
        assert job.state is JobState.DONE, job.problem


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
