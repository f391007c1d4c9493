"""A process that uploads one object in chunks again and again until it is killed, and prints each answered offset."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
from pathlib import Path
from typing import Final

from bunbase.contracts.resumable import NewChunk, NewResumable
from bunbase.contracts.storage import BucketExists, NewBucket
from tests.fakes import FakeKms
from tests.storage.room import SECRET, opened_storage

CONTENT: Final = random.Random(7).randbytes(1_500_000)
KEY: Final = "large"


async def upload(directory: Path, secret: bytes, round: int) -> None:
    rng = random.Random(round)
    async with opened_storage(directory, FakeKms(secret)) as storage:
        with contextlib.suppress(BucketExists):
            await storage.create_bucket(SECRET, NewBucket(name="files"))
        for _ in range(1000):
            state = await storage.begin_resumable(SECRET, NewResumable("files", KEY, len(CONTENT)))
            while not state.finished:
                end = state.offset + rng.choice([1, 70_000, 400_000])
                chunk = await storage.begin_chunk(SECRET, NewChunk(state.id, state.offset))
                await storage.feed_chunk(SECRET, chunk, CONTENT[state.offset : end])
                state = await storage.finish_chunk(SECRET, chunk, True)
                sys.stdout.write(f"at {state.id} {state.offset}\n")
                sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(upload(Path(sys.argv[1]), bytes.fromhex(sys.argv[2]), int(sys.argv[3])))
