"""Run `bunbase dev` and watch its event loop: write a line `monotonic ms-of-CPU ms-of-wall` for each late beat.

A beat is due every millisecond. The CPU time of the loop's thread between two beats is the turn that delayed the beat.
The rest of the delay has other causes: another thread held the interpreter lock, or another process used the core.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import uvloop

from bunbase.cli.main import main

BEAT_SECONDS = 0.001
LATE_MS = 3.0


async def _watched(work: Coroutine[Any, Any, Any], path: Path) -> Any:
    loop = asyncio.get_running_loop()
    with path.open("a", buffering=1) as told:
        last = [time.monotonic(), time.thread_time()]

        def beat() -> None:
            now, worked = time.monotonic(), time.thread_time()
            cpu_ms, wall_ms = (worked - last[1]) * 1e3, (now - last[0]) * 1e3
            last[:] = [now, worked]
            if wall_ms > LATE_MS:
                told.write(f"{now:.6f} {cpu_ms:.2f} {wall_ms:.2f}\n")
            loop.call_later(BEAT_SECONDS, beat)

        beat()
        return await work


def run(path: Path) -> None:
    run_with_uvloop = uvloop.run

    def watched(work: Coroutine[Any, Any, Any], **options: Any) -> Any:
        return run_with_uvloop(_watched(work, path), **options)

    vars(uvloop)["run"] = watched
    sys.argv = ["bunbase", "dev"]
    main()


if __name__ == "__main__":
    run(Path(os.environ["BENCH_BEATS"]))
