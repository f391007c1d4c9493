"""A process that inserts without pauses and prints each acknowledged id, until it is killed.

python -m tests.bundoc.whole.crash_writer <directory> <hex secret of the KMS> <round>
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from bunbase.bundoc.sqlite_engine.engine import SqliteEngine
from bunbase.bundoc.writes import Create
from tests.bundoc.engines import sqlite_engine
from tests.fakes import FakeKms

IN_FLIGHT = 1000
PROJECT, COLLECTION = "prj_a", "posts"


def body_of(id: str) -> bytes:
    return f'{{"of":"{id}","filling":"{id * 20}"}}'.encode()


async def insert(engine: SqliteEngine, round: str, worker: int) -> None:
    for number in range(1_000_000):
        id = f"{round}-{worker}-{number}"
        await engine.write(PROJECT, COLLECTION, Create(id, body_of(id)))
        os.write(1, f"{id}\n".encode())  # The output is unbuffered, so every printed line was acknowledged.


async def main(directory: str, secret: str, round: str) -> None:
    async with sqlite_engine(Path(directory), FakeKms(bytes.fromhex(secret))) as engine:
        await asyncio.gather(*(insert(engine, round, worker) for worker in range(IN_FLIGHT)))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
