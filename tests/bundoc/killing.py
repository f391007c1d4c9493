"""Writers in separate processes, killed with SIGKILL during their work."""

from __future__ import annotations

import asyncio
import os
import runpy
import signal
import sys
from pathlib import Path

import structlog

DEADLINE_SECONDS = 30.0


async def killed(module: str, directory: Path, secret: bytes, round: int, mark: bytes, most: int) -> list[str]:
    """Run a writer, kill it after it has printed `mark` `most` times, and return all complete lines."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        __name__,
        module,
        str(directory),
        secret.hex(),
        str(round),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert process.stdout is not None
    said = b""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while said.count(mark) < most:
            part = await process.stdout.read(1 << 20)
            assert part, "the writer ended by itself"
            said += part
        process.send_signal(signal.SIGKILL)
        said += await process.stdout.read()
        await process.wait()
    return said.decode().split("\n")[:-1]


if __name__ == "__main__":  # run a writer; its log goes to stderr, because stdout has only its lines
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
