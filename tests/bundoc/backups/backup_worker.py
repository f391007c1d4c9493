"""A process that repeats backup work while documents are written, until it is killed.

python -m tests.bundoc.backups.backup_worker <data directory> <hex secret of the KMS> create|restore
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from bunbase.contracts.bundoc.backups import JobState
from bunbase.contracts.bundoc.service import Bundoc
from tests.bundoc.backups.backed_up import OWNER, backed_up, put, restored, whole_bundoc
from tests.fakes import FakeKms

FILLING = b"x" * 3000


def body_of(version: str, number: int) -> bytes:
    return b'{"version":"%b","n":%d,"filling":"%b"}' % (version.encode(), number, FILLING)


async def fill(bundoc: Bundoc, version: str, documents: int = 1000) -> None:
    await asyncio.gather(*(put(bundoc, f"d{number}", body_of(version, number)) for number in range(documents)))


async def main(directory: str, secret: str, work: str) -> None:
    async with whole_bundoc(Path(directory), FakeKms(bytes.fromhex(secret))) as bundoc:
        backups = (await bundoc.backups(OWNER, 500, None)).items
        os.write(1, b"ready\n")
        for number in range(1_000_000):
            if work == "create":
                await bundoc.delete_backup(OWNER, await backed_up(bundoc))
            else:
                job = await restored(bundoc, backups[number % len(backups)].id)
                assert job.state is JobState.DONE
                assert job.safety_backup is not None
                await bundoc.delete_backup(OWNER, job.safety_backup)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
