"""A project's data key is replaced during reads and writes. After a crash, one of the two keys opens the file."""

from __future__ import annotations

import asyncio
import errno
import os
import random
import shutil
import time
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest

from bunbase.bundoc.backups.engine import Progress
from bunbase.bundoc.settings import BundocSettings
from bunbase.bundoc.sqlite_engine import rotation
from bunbase.bundoc.sqlite_engine.copies import SqliteCopies
from bunbase.bundoc.sqlite_engine.engine import SqliteEngine
from bunbase.bundoc.writes import Create
from bunbase.contracts.bundoc.documents import KeyState
from bunbase.contracts.bundoc.problems import BundocBusy, DataUnreadable, DocumentExists
from bunbase.pkg.sealed_sqlite import rekeying
from bunbase.pkg.sealed_sqlite.connection import connect
from bunbase.pkg.sealed_sqlite.key_file import KeyFile
from tests.bundoc.engines import Seconds, sqlite_engine
from tests.bundoc.killing import killed
from tests.bundoc.whole.crash_writer import body_of
from tests.fakes import FakeKms
from tests.pkg.waiting import PATIENCE_SECONDS, eventually

WRITER = "tests.bundoc.sqlite_engine.rotating_writer"
P, C = "prj_a", "posts"
SECONDS = float(os.environ.get("BUNBASE_ROTATION_SECONDS", "4"))


async def filled(engine: SqliteEngine, documents: int) -> None:
    ids = [f"d{number}" for number in range(documents)]
    await asyncio.gather(*(engine.write(P, C, Create(id, body_of(id * 10))) for id in ids))


async def rotated(engine: SqliteEngine) -> KeyState:
    await engine.rotate_data_key(P)
    await eventually(lambda: P not in engine.rotations.running)
    return await engine.data_key(P)


def key_of(engine: SqliteEngine) -> bytes:
    file = engine.files.files[P]
    assert len(file.key) == 32
    return file.key


def key_file(directory: Path) -> KeyFile:
    return msgspec.json.decode((directory / P / "key.json").read_bytes(), type=KeyFile)


async def test_a_data_key_is_replaced_under_load(
    engine: SqliteEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rekeying, "PAGES_AT_ONCE", 4)
    monkeypatch.setattr(rekeying, "PAGES_AT_LAST", 8)
    await filled(engine, 2000)
    old, done = key_of(engine), asyncio.Event()
    written: list[str] = []

    async def write(worker: int) -> None:
        while not done.is_set():
            id = f"w{worker}-{len(written)}"
            await engine.write(P, C, Create(id, body_of(id)))
            written.append(id)
            with pytest.raises(DocumentExists):  # A savepoint is rolled back while the copy is made.
                await engine.write(P, C, Create(id, b"{}"))
            assert await engine.get(P, C, f"d{random.randrange(2000)}") is not None

    workers = [asyncio.create_task(write(worker)) for worker in range(8)]
    first = await rotated(engine)
    second = await rotated(engine)
    done.set()
    await asyncio.gather(*workers)

    assert (first.rotating, first.failed, second.failed) == (False, None, None)
    assert first.since is not None
    assert second.since is not None
    assert first.since < second.since
    for id in [*written, *(f"d{number}" for number in range(2000))]:
        assert await engine.get(P, C, id) is not None, id
    new = key_of(engine)
    await engine.files.close()
    path = tmp_path / "bundoc" / P / "data.db"
    with pytest.raises(apsw.NotADBError):
        connect(path, old)
    connection = connect(path, new)
    assert connection.execute("PRAGMA integrity_check").get == "ok"
    assert connection.execute("SELECT count(*) FROM docs_1").get == 2000 + len(written)
    connection.close()
    assert key_file(tmp_path / "bundoc").next == ""
    assert sorted(one.name for one in path.parent.iterdir()) == ["data.db", "key.json"]


async def test_the_copy_made_by_a_rotation_is_unreadable_without_its_key(
    engine: SqliteEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await filled(engine, 500)
    copies: list[bytes] = []
    sync = rekeying.Rekeying.sync

    def seen(copy: rekeying.Rekeying) -> None:
        sync(copy)
        copies.append(copy.path.read_bytes())
        assert copy.path.stat().st_mode & 0o077 == 0

    monkeypatch.setattr(rekeying.Rekeying, "sync", seen)
    await rotated(engine)

    assert len(copies[-1]) > 100_000
    assert b"CREATE TABLE" not in copies[-1]
    assert b"filling" not in copies[-1]


class Overtaken(Progress):
    """A copy that waits at its first page until the replacement of the file begins."""

    def tell(self, done_bytes: int, total_bytes: int) -> None:
        until = time.monotonic() + PATIENCE_SECONDS
        while not self.overtaken and not self.given_up() and time.monotonic() < until:
            time.sleep(0.001)
        self.overtaken = True
        super().tell(done_bytes, total_bytes)

    overtaken = False


async def test_a_backup_begins_anew_when_a_rotation_replaces_the_file(engine: SqliteEngine, tmp_path: Path) -> None:
    await filled(engine, 100)
    copies, folder = SqliteCopies(engine.files, engine.news), tmp_path / "copy"
    folder.mkdir()

    copying = asyncio.create_task(copies.copy(P, folder, Overtaken()))
    state = await rotated(engine)
    contents = await copying

    assert state.failed is None
    assert [one.documents for one in contents.collections] == [100]
    assert connect(folder / "data.db", key_of(engine)).execute("SELECT count(*) FROM docs_1").get == 100
    copies.close()


async def test_a_backup_whose_copy_is_complete_outlives_the_file_that_it_copied(
    engine: SqliteEngine, tmp_path: Path
) -> None:
    """The rest of a backup's work, such as digests of its files, does not need the project's file."""
    await filled(engine, 10)
    copies, folder, progress = SqliteCopies(engine.files, engine.news), tmp_path / "copy", Progress()
    folder.mkdir()

    await copies.copy(P, folder, progress)
    assert (await rotated(engine)).failed is None
    progress.go_on()

    copies.close()


async def test_two_requests_begin_one_rotation(engine: SqliteEngine, kms: FakeKms) -> None:
    await filled(engine, 10)
    kms.calls.clear()

    states = [await engine.rotate_data_key(P) for _ in range(3)]
    await eventually(lambda: P not in engine.rotations.running)

    assert all(state.rotating for state in states)
    assert kms.calls.count("generate_data_key") == 1


@pytest.mark.parametrize("taken", [False, True])
async def test_after_a_crash_the_key_that_opens_the_file_is_kept(tmp_path: Path, taken: bool) -> None:
    kms, directory = FakeKms(), tmp_path / "bundoc"
    async with sqlite_engine(directory, kms) as engine:
        await filled(engine, 100)
    before = key_file(directory)
    shutil.copytree(directory / P, tmp_path / "before")
    async with sqlite_engine(directory, kms) as engine:
        await engine.get(P, C, "d1")
        await rotated(engine)
    after = key_file(directory)
    if not taken:
        (directory / P / "data.db").rename(directory / P / "data.db.next")
        shutil.copy(tmp_path / "before" / "data.db", directory / P / "data.db")
    text = msgspec.json.encode(KeyFile(before.wrapped, True, next=after.wrapped))
    (directory / P / "key.json").write_bytes(text)

    async with sqlite_engine(directory, kms) as engine:
        assert await engine.get(P, C, "d1") is not None
        await engine.write(P, C, Create("new", b"{}"))

    settled = key_file(directory)
    assert (settled.wrapped, settled.next) == (after.wrapped if taken else before.wrapped, "")
    assert not (directory / P / "data.db.next").exists()


async def test_a_file_that_opens_under_neither_key_is_not_served(tmp_path: Path) -> None:
    kms, directory = FakeKms(), tmp_path / "bundoc"
    async with sqlite_engine(directory, kms) as engine:
        await filled(engine, 1)
    found = key_file(directory)
    others = [(await kms.generate_data_key(P, f"bundoc/{P}")).wrapped for _ in range(2)]
    text = msgspec.json.encode(KeyFile(others[0], True, next=others[1]))
    (directory / P / "key.json").write_bytes(text)

    async with sqlite_engine(directory, kms) as engine:
        with pytest.raises(DataUnreadable):
            await engine.get(P, C, "d0")
        assert (directory / P / "key.json").read_bytes() == text
        (directory / P / "key.json").write_bytes(msgspec.json.encode(found))
        assert await engine.get(P, C, "d0") is not None


async def test_a_rotation_that_fails_leaves_the_old_key_in_use(
    engine: SqliteEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await filled(engine, 100)
    old = key_of(engine)

    def full(_copy: rekeying.Rekeying, _connection: apsw.Connection) -> bool:
        raise apsw.FullError("database or disk is full")

    for method in ("step", "finish"):
        with monkeypatch.context() as patched:
            patched.setattr(rekeying.Rekeying, method, full)
            state = await rotated(engine)
        assert (state.rotating, state.failed) == (False, "disk_full")
        assert await engine.get(P, C, "d1") is not None
        assert key_of(engine) == old
        assert key_file(tmp_path / "bundoc").next == ""
        assert not (tmp_path / "bundoc" / P / "data.db.next").exists()

    assert (await rotated(engine)).failed is None
    await engine.get(P, C, "d1")
    assert key_of(engine) != old


async def test_a_restore_ends_a_rotation(engine: SqliteEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    await filled(engine, 100)
    old = key_of(engine)
    sync = rekeying.Rekeying.sync

    def without_its_draft(copy: rekeying.Rekeying) -> None:
        copy.path.unlink()  # A restore calls `find_key`, which deletes the copy when it decides between two keys.
        sync(copy)

    with monkeypatch.context() as patched:
        patched.setattr(rekeying.Rekeying, "sync", without_its_draft)
        state = await rotated(engine)

    assert (state.failed, key_of(engine)) == ("data_busy", old)


async def test_a_replaced_file_opens_although_the_key_file_could_not_be_written(
    engine: SqliteEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await filled(engine, 100)
    old = key_of(engine)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "no space left")

    with monkeypatch.context() as patched:
        patched.setattr(rotation, "change_key_file", full)
        await engine.rotate_data_key(P)
        await eventually(lambda: P not in engine.rotations.running)
    before = key_file(tmp_path / "bundoc")
    state = await engine.data_key(P)

    assert before.next != ""
    assert state.failed == "disk_full"
    assert await engine.get(P, C, "d1") is not None
    assert key_of(engine) != old
    assert (key_file(tmp_path / "bundoc").wrapped, key_file(tmp_path / "bundoc").next) == (before.next, "")


async def test_a_rotation_is_refused_once_the_key_is_destroyed(engine: SqliteEngine, kms: FakeKms) -> None:
    await filled(engine, 1)
    await kms.destroy(P)

    assert (await rotated(engine)).failed == "key_destroyed"


async def test_dropping_a_project_ends_its_rotation(
    engine: SqliteEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rekeying.Rekeying, "step", lambda _copy, _connection: False)  # The copy never ends.
    await filled(engine, 10)
    await engine.rotate_data_key(P)

    await engine.drop(P)

    await eventually(lambda: P not in engine.rotations.running)
    assert engine.rotations.failed[P] == "data_busy"
    assert not (tmp_path / "bundoc" / P).exists()


async def test_stopping_the_engine_does_not_wait_for_a_rotation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kms = FakeKms()
    with monkeypatch.context() as patched:
        patched.setattr(rekeying.Rekeying, "step", lambda _copy, _connection: False)
        async with sqlite_engine(tmp_path / "bundoc", kms) as engine:
            await filled(engine, 10)
            await engine.rotate_data_key(P)

    async with sqlite_engine(tmp_path / "bundoc", kms) as engine:
        assert await engine.get(P, C, "d1") is not None
        assert key_file(tmp_path / "bundoc").next == ""


async def test_the_number_of_concurrent_rotations_is_limited(
    engine: SqliteEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rekeying.Rekeying, "step", lambda _copy, _connection: False)
    for number in range(4):
        await engine.write(f"prj_{number}", C, Create("d1", b"{}"))
        await engine.rotate_data_key(f"prj_{number}")

    with pytest.raises(BundocBusy):
        await engine.rotate_data_key(P)


async def test_a_newer_version_of_the_projects_key_wraps_the_data_key_at_the_next_renewal(
    tmp_path: Path, kms: FakeKms
) -> None:
    seconds, directory = Seconds(), tmp_path / "bundoc"
    settings = BundocSettings(renew_key_after_seconds=600, close_idle_seconds=86_400)
    async with sqlite_engine(directory, kms, settings, seconds) as engine:
        await filled(engine, 10)
        old = key_of(engine)
        assert (await engine.data_key(P)).version == 1
        await kms.rotate(P)

        seconds.advance(601)
        await engine.tend()

        assert (await engine.data_key(P)).version == 2
        assert key_of(engine) == old
        seconds.advance(601)
        await engine.tend()
        assert await engine.get(P, C, "d1") is not None
    async with sqlite_engine(directory, kms) as engine:
        assert await engine.get(P, C, "d1") is not None


async def test_kill_9_while_keys_are_rotated_loses_nothing(tmp_path: Path) -> None:
    secret, directory = os.urandom(32), tmp_path / "bundoc"
    acknowledged: set[str] = set()
    until, round, rotations = asyncio.get_running_loop().time() + SECONDS, 0, 0

    while asyncio.get_running_loop().time() < until or round < 3:
        said = await killed(WRITER, directory, secret, round, b"\n", random.randint(1, 400))
        rotations += said.count("rotated")
        acknowledged |= {line[3:] for line in said if line.startswith("ok ")}
        round += 1
        async with sqlite_engine(directory, FakeKms(secret)) as engine:
            for id in random.sample(sorted(acknowledged), min(300, len(acknowledged))):
                stored = await engine.get(P, C, id)
                assert stored is not None, id
                assert stored.body == body_of(id)
        assert key_file(directory).next == ""

    assert rotations
    async with sqlite_engine(directory, FakeKms(secret)) as engine:
        for id in acknowledged:
            assert await engine.get(P, C, id) is not None, id
