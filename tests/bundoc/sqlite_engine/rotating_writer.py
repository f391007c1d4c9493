"""A process that writes documents and rotates the data key repeatedly, until it is killed.

python -m tests.bundoc.sqlite_engine.rotating_writer <directory> <hex secret of the KMS> <round>

The program prints `ok <id>` after each acknowledged write, and `rotated` after each rotation. Other lines are the log.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from bunbase.bundoc.sqlite_engine.engine import SqliteEngine
from bunbase.bundoc.writes import Create
from tests.bundoc.engines import sqlite_engine
from tests.bundoc.whole.crash_writer import COLLECTION, PROJECT, body_of
from tests.fakes import FakeKms

WORKERS = 20


async def insert(engine: SqliteEngine, round: str, worker: int) -> None:
    for number in range(1_000_000):
        id = f"{round}-{worker}-{number}"
        await engine.write(PROJECT, COLLECTION, Create(id, body_of(id)))
        os.write(1, f"ok {id}\n".encode())  # The output is unbuffered, so every printed line was acknowledged.


async def rotate(engine: SqliteEngine) -> None:
    while True:
        await engine.rotate_data_key(PROJECT)
        while (state := await engine.data_key(PROJECT)).rotating:
            await asyncio.sleep(0.001)
        assert state.failed is None, state
        os.write(1, b"rotated\n")


async def main(directory: str, secret: str, round: str) -> None:
    async with sqlite_engine(Path(directory), FakeKms(bytes.fromhex(secret))) as engine:
        await asyncio.gather(rotate(engine), *(insert(engine, round, worker) for worker in range(WORKERS)))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
