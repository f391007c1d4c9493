"""A full disk or a lack of descriptors is reported and loses no acknowledged write. Afterwards writes work again."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest

from bunbase.bundoc.sqlite_engine.faults import problem_of
from bunbase.contracts.bundoc.problems import DiskFull

DEADLINE_SECONDS = 60.0
SMALL_DISK = 'mount -t tmpfs -o size=8m tmpfs "$1" && shift && exec "$@"'


def may_mount() -> bool:
    unshare = shutil.which("unshare")
    return unshare is not None and subprocess.run([unshare, "-rm", "true"], capture_output=True).returncode == 0


@pytest.mark.skipif(not may_mount(), reason="the kernel lets nobody mount a small disk of their own here")
async def test_a_full_disk_is_reported_and_loses_nothing(tmp_path: Path) -> None:
    told = await told_by("disk", tmp_path, "unshare", "-rm", "sh", "-c", SMALL_DISK, "sh", str(tmp_path))

    refused = {told[what] for what in ("refused", "again", "index", "new project", "rotation")}
    assert refused == {"disk_full"}
    assert told["opened without room"] == "ok"
    assert (told["missing"], told["missing after opening"]) == (0, 0)
    assert {told[what] for what in ("write with room", "new project with room", "index with room")} == {"ok"}
    assert (told["gaps"], told["integrity"]) == (False, "ok")
    assert told["documents"] == told["acknowledged"] + 1 > 500


def test_a_disk_without_space_for_opening_is_reported_as_full() -> None:
    error = apsw.IOError("disk I/O error")
    # This happens when a file of an older format is opened on a full disk.
    vars(error)["extendedresult"] = apsw.SQLITE_IOERR_SHMSIZE

    assert isinstance(problem_of(error), DiskFull)


async def test_without_descriptors_projects_are_busy_until_some_are_free(tmp_path: Path) -> None:
    told = await told_by("files", tmp_path)

    assert told == {"codes": ["data_busy", "ok"], "open": told["open"], "later": ["ok"]}


async def told_by(what: str, directory: Path, *inside: str) -> Any:
    process = await asyncio.create_subprocess_exec(
        *(*inside, sys.executable, "-m", "tests.bundoc.whole.scarce_resources", what, str(directory)),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    async with asyncio.timeout(DEADLINE_SECONDS):
        said, _ = await process.communicate()
    assert process.returncode == 0
    return msgspec.json.decode(said.splitlines()[-1])
