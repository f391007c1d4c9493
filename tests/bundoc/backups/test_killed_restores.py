"""kill -9 at any moment of a restore: documents and files are both old or both new, and no needed blob is deleted.

The process that restores kills itself before a chosen step: a named phase, or, in the long search (`make soak`), each
call that changes a file.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from bunbase.contracts.bundoc.backups import JobState
from bunbase.contracts.storage import Place
from bunbase.pkg.clock import ManualClock, SystemClock
from tests.bundoc.backups.backed_up import OWNER, SERVER, backed_up, bodies, ended, put
from tests.bundoc.backups.killed_restore import PHASES, SECRET
from tests.bundoc.backups.two_rooms import TwoRooms, create_bucket, files_of, two_rooms, upload
from tests.fakes import FakeKms

FIRST_STEP = int(os.environ.get("BUNBASE_RESTORE_KILLS", "0"))  # of the long search; 0 for the short test


async def prepared(directory: Path) -> dict[str, str]:
    """Make a project, and a backup of each of its two versions. Return the ids by version."""
    found = {}
    async with two_rooms(directory, FakeKms(SECRET)) as both:
        await create_bucket(both.storage)
        for version in ("one", "two"):
            for id in ("d1", "d2"):
                await put(both.bundoc, id, b'{"version":"%b"}' % version.encode())
            for key in ("a", "b"):
                await upload(both.storage, key, f"{version} {key}".encode() * 1000)
            await upload(both.storage, f"only {version}", version.encode())
            await both.storage.delete_object(SERVER, Place("files", "only one")) if version == "two" else None
            found[version] = await backed_up(both.bundoc)
    return found


async def version_of(both: TwoRooms) -> str:
    """Return the version of the project, which is the same everywhere."""
    await both.bundoc.backup_service.settle_restores()
    documents = [msgspec.json.decode(line)["document"]["version"] for line in (await bodies(both.bundoc)).splitlines()]
    files = await files_of(both.storage)
    (version,) = set(documents)
    assert files == {**{key: f"{version} {key}".encode() * 1000 for key in "ab"}, f"only {version}": version.encode()}
    return str(version)


def killed_restore(directory: Path, id: str, step: str) -> bool:
    """Restore a backup in a process that kills itself. Return False if the restore came to its end."""
    command = [sys.executable, "-m", "tests.bundoc.backups.killed_restore", str(directory), id, step]
    path = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": path}, timeout=120, capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stdout + done.stderr
    return done.returncode != 0


async def checked(directory: Path, round: object) -> str:
    """Check that the project is whole, also after all sweeps, and that all its backups are. Return its version."""
    later = ManualClock(SystemClock().now() + timedelta(days=30))
    async with two_rooms(directory, FakeKms(SECRET), later) as both:
        version = await version_of(both)
        await both.storage.sweeping.sweep_everything()
        await both.bundoc.backup_service.free_blobs()
        assert await version_of(both) == version, round
        assert await both.storage.prepared_restores() == ()
        for folder in (directory / "storage" / ".drafts", directory / "bundoc" / ".drafts"):
            assert not list(folder.glob("*")), round
        on_disk = {path.name for path in (directory / "storage" / "blobs").rglob("*") if path.is_file()}
        assert len(on_disk) == 3, round
        for backup in (await both.bundoc.backups(OWNER, 100, None)).items:
            job = await ended(both.bundoc, OWNER, await both.bundoc.verify_backup(OWNER, backup.id, deep=True))
            assert job.state is JobState.DONE, (round, job.problem)
            if backup.reason.value == "before_restore":
                await both.bundoc.delete_backup(OWNER, backup.id)
    return version


@pytest.mark.skipif(bool(FIRST_STEP), reason="the long search includes these steps")
async def test_a_killed_restore_leaves_one_whole_version(tmp_path: Path) -> None:
    backups = await prepared(tmp_path)
    version, outcomes = "two", []
    for phase in PHASES:
        wanted = "one" if version == "two" else "two"
        assert killed_restore(tmp_path, backups[wanted], phase), phase
        version = await checked(tmp_path, phase)
        outcomes.append(version == wanted)
    assert outcomes == [False, False, True, True]


@pytest.mark.skipif(not FIRST_STEP, reason="takes minutes; `make soak` runs it")
async def test_a_restore_that_is_killed_before_any_change_of_a_file_leaves_one_whole_version(tmp_path: Path) -> None:
    backups = await prepared(tmp_path)
    version, number, is_killed = "two", FIRST_STEP - 1, True
    while is_killed:
        number += 1
        wanted = "one" if version == "two" else "two"
        is_killed = killed_restore(tmp_path, backups[wanted], str(number))
        version = await checked(tmp_path, number)
    print(f"{number - 1} kills")
    assert number > 50
