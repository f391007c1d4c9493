"""A process that writes objects until it is killed, and prints each write before it begins and after it is answered."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
from pathlib import Path

from bunbase.contracts.storage import BucketExists, Copying, KeptPlace, NewBucket, ObjectNotFound, Place
from bunbase.storage.acts.multipart import MultipartActs
from tests.fakes import FakeKms
from tests.storage.room import SECRET, opened_storage, put, put_in_parts


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def content_of(name: str) -> bytes:
    """Return the content of a write. The size and the bytes follow from the name of the write."""
    return random.Random(name).randbytes(random.Random(name).choice([0, 10, 70_000, 1_300_000]))


async def write(directory: Path, secret: bytes, round: int) -> None:
    async with opened_storage(directory, FakeKms(secret)) as storage:
        with contextlib.suppress(BucketExists):
            await storage.create_bucket(SECRET, NewBucket(name="files"))

        async def work(worker: int) -> None:
            for number in range(10_000):
                name = f"{round}.{worker}.{number}"
                key = f"{worker}/{random.Random(name).randrange(4)}"
                act = random.Random(name + "act").choice(["put", "put", "parts", "parts", "delete", "copy"])
                to = f"{worker}/copy" if act == "copy" else key
                say(f"begin {act} {key} {to} {name}")
                try:
                    if act == "put":
                        await put(storage, key, content_of(name))
                    elif act == "parts":
                        await put_in_parts(storage, key, content_of(name))
                    elif act == "delete":
                        await storage.delete_object(SECRET, Place("files", key))
                    else:
                        copying = Copying(KeptPlace("files", key), KeptPlace("files", to))
                        await storage.copy_object(SECRET, copying, moves=False)
                except ObjectNotFound:
                    say(f"missing {act} {key} {to} {name}")
                else:
                    say(f"done {act} {key} {to} {name}")

        await asyncio.gather(*[work(worker) for worker in range(3)])


if __name__ == "__main__":
    MultipartActs.min_part_bytes = 1
    asyncio.run(write(Path(sys.argv[1]), bytes.fromhex(sys.argv[2]), int(sys.argv[3])))
