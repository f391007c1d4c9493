"""A process that begins to build or replace indexes and prints that it has begun. The test then kills it.

python -m tests.bundoc.sqlite_engine.build_writer <directory> <hex secret of the KMS> [replace]
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from bunbase.bundoc.sqlite_engine.engine import SqliteEngine
from bunbase.bundoc.writes import CommitStep, Create
from bunbase.contracts.bundoc.collections import CollectionSpec, IndexSpec
from tests.bundoc.engines import sqlite_engine
from tests.fakes import FakeKms

PROJECT, COLLECTION = "prj_a", "posts"
DOCUMENTS = 6000
AT_ONCE = 500
BODY = b'{"n":%d,"title":"all word%d","kind":"post"}'
INDEXES = (IndexSpec(("n",), "by_n"), IndexSpec(("title",), "words", type="text"))
REPLACED = (IndexSpec(("n",), "one", unique=True),)
REPLACING = (IndexSpec(("last",), "one", unique=True),)  # Only the last two documents violate the unique index.


async def filled(engine: SqliteEngine, documents: int) -> None:
    for begin in range(0, documents, AT_ONCE):
        numbers = range(begin, min(begin + AT_ONCE, documents))
        steps = (CommitStep(COLLECTION, Create(f"d{number:05}", BODY % (number, number % 7))) for number in numbers)
        await engine.commit(PROJECT, tuple(steps))


async def main(directory: str, secret: str, *replace: str) -> None:
    async with sqlite_engine(Path(directory), FakeKms(bytes.fromhex(secret))) as engine:
        await filled(engine, DOCUMENTS)
        if replace:
            steps = (CommitStep(COLLECTION, Create(f"last{n}", b'{"n":%d,"last":1}' % (DOCUMENTS + n))) for n in (0, 1))
            await engine.commit(PROJECT, tuple(steps))
            await engine.alter(PROJECT, COLLECTION, CollectionSpec(REPLACED))
        await engine.alter(PROJECT, COLLECTION, CollectionSpec(REPLACING if replace else INDEXES), wait=False)
        os.write(1, b"building\n")
        await asyncio.gather(*engine.builds.tasks.values())


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
