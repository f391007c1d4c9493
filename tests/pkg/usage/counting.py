"""A process that counts usage until a test kills it: `python -m tests.pkg.usage.counting <database> <file>`.

Before each count it writes the new total into `file`. After each flush it prints the total that the store has
acknowledged.
"""

from __future__ import annotations

import asyncio
import mmap
import struct
import sys
from pathlib import Path

from bunbase.pkg.clock import SystemClock
from bunbase.pkg.db.database import open_database
from bunbase.pkg.db.ledger import Ledger
from bunbase.pkg.usage.dimensions import Dimension
from bunbase.pkg.usage.writer import Writer

PROJECTS = 50


async def count(url: str, file: Path) -> None:
    with file.open("r+b") as opened, mmap.mmap(opened.fileno(), 8) as shared:
        (counted,) = struct.unpack("<q", shared[:])
        async with open_database(url, "functions", "bunbase.functions.migrations") as db:
            writer = Writer(Ledger(db).add, SystemClock())
            while True:
                for number in range(200):
                    counted += 1
                    shared[:] = struct.pack("<q", counted)  # Shared memory survives kill -9.
                    writer.usage.add(f"p{number % PROJECTS}", Dimension.FN_CALLS, 1)
                await writer.flush()
                print(counted, flush=True)


if __name__ == "__main__":
    asyncio.run(count(sys.argv[1], Path(sys.argv[2])))
