"""A process that uploads and downloads one large object.

The process prints by how many bytes its memory grew meanwhile.
"""

from __future__ import annotations

import asyncio
import resource
import sys
from pathlib import Path

from bunbase.contracts.storage import NewBucket, NewObject, Piece, Place, Reading
from tests.fakes import FakeKms
from tests.storage.room import SECRET, opened_storage, put


def peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


async def stream(directory: Path, pieces: int) -> None:
    async with opened_storage(directory, FakeKms()) as storage:
        await storage.create_bucket(SECRET, NewBucket(name="files"))
        await put(storage, "warm", bytes(4 << 20))
        before = peak_bytes()
        upload = await storage.begin_upload(SECRET, Place("files", "large"), NewObject())
        for number in range(pieces):
            await storage.feed_upload(SECRET, upload, number.to_bytes(4, "big") * (1 << 17))
        await storage.finish_upload(SECRET, upload)
        size = 0
        async for part in storage.read(SECRET, Reading(Place("files", "large"))):
            size += len(part.data) if isinstance(part, Piece) else 0
        assert size == pieces << 19
        sys.stdout.write(f"{peak_bytes() - before}\n")


if __name__ == "__main__":
    asyncio.run(stream(Path(sys.argv[1]), int(sys.argv[2])))
