"""kill -9 at any moment loses nothing that was acknowledged."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from pathlib import Path

from tests.bundoc.engines import sqlite_engine
from tests.bundoc.whole.crash_writer import COLLECTION, PROJECT, body_of
from tests.fakes import FakeKms

ROUNDS = 4
DEADLINE_SECONDS = 30.0


async def test_kill_9_during_1000_concurrent_inserts_loses_no_acknowledged_document(tmp_path: Path) -> None:
    secret = os.urandom(32)
    directory = tmp_path / "bundoc"
    acknowledged: set[str] = set()

    for round in range(ROUNDS):
        acknowledged |= await killed_at(directory, secret, round, acknowledgements=random.randint(1, 6000))

    assert len(acknowledged) > ROUNDS
    async with sqlite_engine(directory, FakeKms(secret)) as engine:
        for id in acknowledged:
            stored = await engine.get(PROJECT, COLLECTION, id)
            assert stored is not None, id
            assert stored.body == body_of(id)
        after, more = "", True
        while more:
            chunk = await engine.page(PROJECT, COLLECTION, after, 500)
            assert all(stored.body == body_of(stored.id) for stored in chunk.items)  # No document is half written.
            after, more = chunk.items[-1].id, chunk.more


async def test_a_project_opens_after_a_crash_during_its_creation(tmp_path: Path) -> None:
    secret = os.urandom(32)

    for round in range(3):
        directory = tmp_path / f"bundoc{round}"
        await killed_after(directory, secret, seconds=random.uniform(0.15, 0.35))

        async with sqlite_engine(directory, FakeKms(secret)) as engine:
            await engine.page(PROJECT, COLLECTION, "", 1)


async def killed_at(directory: Path, secret: bytes, round: int, acknowledgements: int) -> set[str]:
    """Run a writer, kill it after this many acknowledgements, and return all lines that it printed."""
    process = await started(directory, secret, round)
    assert process.stdout is not None
    said = b""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while said.count(b"\n") < acknowledgements:
            part = await process.stdout.read(65536)
            assert part, "the writer ended by itself"
            said += part
        process.send_signal(signal.SIGKILL)
        said += await process.stdout.read()
        await process.wait()
    return {line.decode() for line in said.split(b"\n")[:-1]}


async def killed_after(directory: Path, secret: bytes, seconds: float) -> None:
    process = await started(directory, secret, 0)
    try:
        async with asyncio.timeout(seconds):
            await process.communicate()
    except TimeoutError:
        process.kill()
        await process.communicate()


async def started(directory: Path, secret: bytes, round: int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.bundoc.whole.crash_writer",
        str(directory),
        secret.hex(),
        str(round),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
