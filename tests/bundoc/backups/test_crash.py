"""kill -9 during backup work leaves every project complete, and no incomplete backup in the list."""

from __future__ import annotations

import asyncio
import os
import random
import sys
from pathlib import Path

import msgspec
import pytest

from bunbase.contracts.bundoc.backups import JobState
from tests.bundoc.backups.backed_up import OWNER, backed_up, bodies, ended, whole_bundoc
from tests.bundoc.backups.backup_worker import fill
from tests.fakes import FakeKms

ROUNDS = 6
DEADLINE_SECONDS = 30.0


@pytest.mark.parametrize("work", ["create", "restore"])
async def test_kill_9_leaves_a_complete_project_and_complete_backups(tmp_path: Path, work: str) -> None:
    secret = os.urandom(32)
    async with whole_bundoc(tmp_path, FakeKms(secret)) as bundoc:
        for version in ("old", "new"):
            await fill(bundoc, version)
            await backed_up(bundoc)

    for _ in range(ROUNDS):
        await killed_at_work(tmp_path, secret, work)

        async with whole_bundoc(tmp_path, FakeKms(secret)) as bundoc:
            documents = [msgspec.json.decode(line)["document"] for line in (await bodies(bundoc)).splitlines()]
            assert len(documents) == 1000
            assert len({document["version"] for document in documents}) == 1
            for backup in (await bundoc.backups(OWNER, 500, None)).items:
                job = await ended(bundoc, OWNER, await bundoc.verify_backup(OWNER, backup.id))
                assert job.state is JobState.DONE, job.problem


async def killed_at_work(directory: Path, secret: bytes, work: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.bundoc.backups.backup_worker",
        str(directory),
        secret.hex(),
        work,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert process.stdout is not None
    async with asyncio.timeout(DEADLINE_SECONDS):
        # This skips warnings about folders that were only partly deleted.
        while (line := await process.stdout.readline()) != b"ready\n":
            assert line, "the worker ended"
        await asyncio.sleep(random.uniform(0.0, 0.3))  # The crash comes at a random moment.
        process.kill()
        await process.wait()
