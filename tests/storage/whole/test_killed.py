"""After kill -9 of a writer, every answered write exists, no object is broken, and no blob stays without an object."""

from __future__ import annotations

import os
import random
import shutil
from datetime import timedelta
from pathlib import Path

from bunbase.contracts.storage import Listing, NewBucket, Place
from bunbase.pkg.clock import ManualClock, SystemClock
from tests.bundoc.killing import killed
from tests.fakes import FakeKms
from tests.storage.room import SECRET, opened_storage, put, read
from tests.storage.whole.killed_writer import content_of

KILLS = int(os.environ.get("BUNBASE_STORAGE_KILLS", "3"))  # `make soak` sets a higher number.
SECRET_BYTES = bytes(32)


def blobs_on_disk(directory: Path) -> set[str]:
    return {path.name for path in (directory / "storage" / "blobs").rglob("*") if path.is_file()}


class Model:
    """For each key, the names of the writes that it may contain, or "" for no object.

    `pending` has writes without answer.
    """

    def __init__(self) -> None:
        self.kept: dict[str, set[str]] = {}

    def learn(self, lines: list[str]) -> None:
        begun: dict[str, tuple[str, str, str]] = {}
        for line in lines:
            said, act, key, to, name = line.split(" ")
            if said == "begin":
                begun[name] = (act, key, to)
                continue
            del begun[name]
            if said == "done":
                self.kept[to] = self._after(act, key, name)
        for name, (act, key, to) in begun.items():
            self.kept[to] = self.kept.get(to, {""}) | self._after(act, key, name)

    def _after(self, act: str, key: str, name: str) -> set[str]:
        match act:
            case "put" | "parts":
                return {name}
            case "delete":
                return {""}
            case _:
                return self.kept.get(key, {""})


async def test_no_kill_loses_a_write_breaks_an_object_or_leaves_an_orphan(tmp_path: Path) -> None:
    model = Model()
    for round in range(KILLS):
        most = random.Random(round).randrange(20, 60)
        lines = await killed("tests.storage.whole.killed_writer", tmp_path, SECRET_BYTES, round, b"done", most)
        model.learn(lines)

        later = ManualClock(SystemClock().now() + timedelta(days=30))
        async with opened_storage(tmp_path, FakeKms(SECRET_BYTES), later) as storage:
            found = {one.key for one in (await storage.objects(SECRET, "files", Listing(limit=500))).items}
            for key, possible in model.kept.items():
                if key not in found:
                    assert "" in possible, (round, key)
                    model.kept[key] = {""}
                else:
                    content = await read(storage, key)
                    model.kept[key] = {name for name in possible if name and content_of(name) == content}
                    assert model.kept[key], (round, key)
            assert found <= model.kept.keys()
            await storage.sweeping.sweep_everything()  # ends uploads in parts, whose bytes then wait for a day
            later.advance(2 * 86_400)
            await storage.sweeping.sweep_everything()
            usage = await storage.stored(SECRET)
            assert usage.waiting_bytes == 0
            async with storage.holdings.files.using("prj_a") as file:
                assert file is not None
                known = await file.read(lambda connection: {id for (id,) in connection.execute("SELECT id FROM blobs")})
            assert blobs_on_disk(tmp_path) == known
            for key in found:
                await read(storage, key)


async def test_an_older_database_finds_its_blobs(tmp_path: Path) -> None:
    kms = FakeKms()
    async with opened_storage(tmp_path, kms) as storage:
        await storage.create_bucket(SECRET, NewBucket(name="files"))
        await put(storage, "kept", b"kept")
        await put(storage, "changed", b"old")
        await put(storage, "deleted", b"deleted")
        await storage.holdings.files.close()
        shutil.copytree(tmp_path / "storage" / "prj_a", tmp_path / "copy")
        await put(storage, "changed", b"new")
        await storage.delete_object(SECRET, Place("files", "deleted"))
        await storage.sweeping.sweep_everything()

    shutil.rmtree(tmp_path / "storage" / "prj_a")
    shutil.copytree(tmp_path / "copy", tmp_path / "storage" / "prj_a")

    async with opened_storage(tmp_path, kms) as storage:
        assert [await read(storage, key) for key in ("kept", "changed", "deleted")] == [b"kept", b"old", b"deleted"]


async def test_the_sweeper_waits_until_blobs_are_due(tmp_path: Path) -> None:
    clock, kms = ManualClock(SystemClock().now()), FakeKms()
    async with opened_storage(tmp_path, kms, clock) as storage:
        await storage.create_bucket(SECRET, NewBucket(name="files"))
        await put(storage, "a", b"first")
        await put(storage, "a", b"second")
        await put(storage, "b", b"gone")
        await storage.delete_object(SECRET, Place("files", "b"))
        await storage.sweeping.sweep()
        assert (await storage.stored(SECRET)).waiting_bytes == 9

        clock.advance(86_401)
        await storage.sweeping.sweep()

        assert (await storage.stored(SECRET)).waiting_bytes == 0
        assert len(blobs_on_disk(tmp_path)) == 1
        assert await read(storage, "a") == b"second"
        assert not storage.sweeping.noted
