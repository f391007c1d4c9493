"""A process that hosts Functions, for tests that kill it: `python -m tests.functions.hosting <database> <directory>`.

The process prints the pids of the zygote and of all workers as soon as a function runs in an endless loop.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import uvloop

from bunbase.functions.module import MODULE
from tests.fakes import FakeKms
from tests.functions.calls import call, deploy, log_of, until
from tests.functions.neighbours import neighbours
from tests.rooms import opened, site

SECRET = b"the same in every process of one test"
ROOT = Path(__file__).parent.parent.parent


@asynccontextmanager
async def killed_host(
    database_url: str, directory: Path, number: signal.Signals = signal.SIGKILL
) -> AsyncIterator[tuple[int, list[int]]]:
    """Start a host; yield its pid, and the pids of its zygote and workers. After the block, end it with the signal."""
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.functions.hosting", database_url, str(directory),
        cwd=ROOT, env={**os.environ, "PYTHONPATH": f"src{os.pathsep}."}, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert server.stdout is not None
        pids: list[int] = []
        while not pids:  # The log of the process goes to the same stream.
            line = await asyncio.wait_for(server.stdout.readline(), 30)
            assert line
            pids = [int(word) for word in line.split()] if line.split()[0].isdigit() else []
        yield server.pid, pids
    finally:
        server.send_signal(number)
        await server.wait()


async def host(database_url: str, directory: Path) -> None:
    async with opened(MODULE, neighbours(FakeKms(SECRET)), site(directory, database_url)) as functions:
        await deploy(functions, "loop", "() => { console.log('in'); for (;;); }", timeout_ms=60_000)
        await deploy(functions, "idle", "() => 'still here'")
        await call(functions, "idle")
        await log_of(functions, "idle")
        looping = asyncio.create_task(call(functions, "loop"))
        await until(lambda: any(worker.calls for worker in functions.starter.alive))
        pids = [functions.starter.zygote.process.pid, *(worker.pid for worker in functions.starter.alive)]
        print(*pids, flush=True)
        await looping


if __name__ == "__main__":
    uvloop.run(host(sys.argv[1], Path(sys.argv[2])))
