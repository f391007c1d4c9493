"""A process that runs a job that never ends: `python -m tests.functions.triggers.hosting <database> <directory>`.

The process prints `running` as soon as the job runs.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import uvloop

from bunbase.functions.module import MODULE
from tests.fakes import FakeKms
from tests.functions.calls import deploy, until
from tests.functions.hosting import SECRET
from tests.functions.neighbours import neighbours
from tests.functions.triggers.runs import enqueue
from tests.rooms import opened, site


async def host(database_url: str, directory: Path) -> None:
    async with opened(MODULE, neighbours(FakeKms(SECRET)), site(directory, database_url)) as functions:
        await deploy(functions, "f", "() => new Promise(() => {})")
        await enqueue(functions, "f")
        await until(lambda: bool(functions.runner.tasks))
        print("running", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(host(sys.argv[1], Path(sys.argv[2])))
