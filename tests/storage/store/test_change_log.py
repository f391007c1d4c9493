"""The change log: it has every change of an object once, in order, and is bounded."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from bunbase.contracts.bundoc.problems import ResyncRequired
from bunbase.contracts.object_changes import ObjectChange
from bunbase.contracts.storage import NewBucket
from bunbase.storage.store.blobs import BlobPart, Moved, add_blob, parts_of
from bunbase.storage.store.change_log import begin_log, changes_since, ends, is_due, prune
from bunbase.storage.store.objects import find, move, put, remove
from bunbase.storage.store.tables import create_tables
from tests.fakes import FakeKms
from tests.seeds import seeds
from tests.storage.room import SECRET, opened_storage
from tests.storage.room import put as room_put
from tests.storage.store.files import QUOTA, plain_properties, put_one

NAMES = {1: "a", 2: "b"}
KEYS = (b"x", b"y", "\u00e9/\U0001f600".encode())
YEAR_MS = 365 * 86_400_000


def new_file() -> apsw.Connection:
    connection = apsw.Connection(":memory:")
    create_tables(connection)
    connection.pragma("foreign_keys", True)
    connection.execute("INSERT INTO buckets (id, name, spec, created) VALUES (1, 'a', '{}', 0), (2, 'b', '{}', 0)")
    return connection


@pytest.fixture
def connection() -> Iterator[apsw.Connection]:
    connection = new_file()
    yield connection
    connection.close()


def add(connection: apsw.Connection, key: str, now: int, depth: int = 0) -> None:
    add_blob(connection, f"{key} {now}", 1)
    found = find(connection, 1, key.encode())
    part, state = BlobPart(0, f"{key} {now}", 1), None if found is None else found.state
    put(connection, (1, key.encode()), state, plain_properties(1), [part], "ada", now, QUOTA, depth)


def keys_since(connection: apsw.Connection, since: int) -> list[str]:
    return [one.key for one in changes_since(connection, since, 500).items]


@pytest.mark.explore
@pytest.mark.parametrize("seed", seeds(10))
def test_the_objects_that_the_log_describes_are_the_stored_objects(connection: apsw.Connection, seed: int) -> None:
    draw = random.Random(seed)
    for now in range(100):
        source, place = ((draw.choice([1, 2]), draw.choice(KEYS)) for _ in range(2))
        found, target = find(connection, *source), find(connection, *place)
        act, before = draw.choice(["put", "put", "copy", "move", "remove", "fail"]), target.state if target else None
        if act == "put":
            put_one(connection, place[0], place[1].decode(), f"blob{now}", now, before)
        elif found is not None and act == "fail":
            with pytest.raises(Moved), connection:
                put_one(connection, place[0], place[1].decode(), f"blob{now}", now, (99, 99))
        elif found is not None and act == "remove":
            remove(connection, found, found.state, now)
        elif found is not None and act == "copy":
            parts = parts_of(connection, found.id)
            put(connection, place, before, plain_properties(found.size), parts, None, now, QUOTA)
        elif found is not None and source != place:
            move(connection, found, place, before, plain_properties(found.size), now)

    described: dict[tuple[str, str], ObjectChange] = {}
    last = 0
    for change in changes_since(connection, 0, 500).items:
        place_of = (change.bucket, change.key)
        assert change.seq > last
        assert (change.op == "create") == (place_of not in described)
        if change.op == "delete":
            assert described.pop(place_of).size == change.size
        else:
            described[place_of] = change
        last = change.seq
    rows: list[Any] = connection.execute("SELECT bucket, key, size, etag FROM objects").fetchall()
    stored = {(NAMES[bucket], key.decode()): (size, etag) for bucket, key, size, etag in rows}
    assert {place: (one.size, one.etag) for place, one in described.items()} == stored


def test_a_change_has_the_properties_of_the_object_and_the_length_of_its_chain(connection: apsw.Connection) -> None:
    add(connection, "x", 1_790_000_000_123, depth=3)

    [change] = changes_since(connection, 0, 10).items

    assert change == ObjectChange(
        1_790_000_000_123_000, "create", "a", "x", 1, "etag", "text/plain", "ada", "2026-09-21T14:13:20.123Z", 3
    )


def test_a_page_has_the_oldest_changes_and_the_place_of_the_next_page(connection: apsw.Connection) -> None:
    for number in range(5):
        add(connection, f"k{number}", 1)

    first = changes_since(connection, 0, 3)
    second = changes_since(connection, first.next, 3)

    assert [one.key for one in (*first.items, *second.items)] == ["k0", "k1", "k2", "k3", "k4"]
    assert changes_since(connection, second.next, 3).next == second.next == ends(connection)[1]


def test_a_log_keeps_the_newest_changes_and_tells_a_reader_that_misses_some(connection: apsw.Connection) -> None:
    for number in range(30):
        add(connection, f"k{number}", 1000 + number)
    seen = changes_since(connection, 0, 10).next

    assert is_due(connection, 5, 0)
    assert prune(connection, 5, 0) == 25
    assert not is_due(connection, 5, 0)

    with pytest.raises(ResyncRequired) as told:
        changes_since(connection, seen, 10)
    floor, last = ends(connection)
    assert told.value.extra == {"first": floor, "last": last}
    assert keys_since(connection, floor) == [f"k{number}" for number in range(25, 30)]


def test_old_changes_are_deleted_and_numbers_are_never_used_twice(connection: apsw.Connection) -> None:
    add(connection, "old", YEAR_MS)
    add(connection, "young", 2 * YEAR_MS)
    _, newest = ends(connection)

    assert prune(connection, 100, 2 * YEAR_MS) == 1
    assert prune(connection, 100, 3 * YEAR_MS) == 1
    assert ends(connection) == (newest, newest)
    add(connection, "later", YEAR_MS)  # the clock was set back

    assert keys_since(connection, newest) == ["later"]


def test_a_reader_that_is_ahead_of_a_restored_file_misses_no_later_change(connection: apsw.Connection) -> None:
    add(connection, "kept", 1000)
    restored = new_file()
    with restored.backup("main", connection, "main") as copy:
        copy.step()
    for number in range(40):
        add(connection, f"undone{number}", 2000 + number)
    _, cursor = ends(connection)

    with pytest.raises(ResyncRequired) as told:
        changes_since(restored, cursor, 10)
    add(restored, "later", 3000)

    assert keys_since(restored, cursor) == ["later"]
    assert keys_since(restored, told.value.extra["last"]) == ["later"]


def test_a_copy_of_the_file_of_another_project_begins_a_log_of_its_own(connection: apsw.Connection) -> None:
    begin_log(connection, "prj_original")
    add(connection, "original", 1000)
    begin_log(connection, "prj_original")
    assert keys_since(connection, 0) == ["original"]
    _, last = ends(connection)

    begin_log(connection, "prj_clone")

    with pytest.raises(ResyncRequired) as told:  # a function of the clone that has seen nothing yet
        changes_since(connection, 0, 10)
    assert told.value.extra == {"first": last, "last": last}
    add(connection, "clone", 1000)
    assert keys_since(connection, last) == ["clone"]


async def test_a_file_that_was_copied_from_another_project_runs_none_of_its_changes(tmp_path: Path) -> None:
    kms = FakeKms()
    async with opened_storage(tmp_path, kms) as storage:
        await storage.create_bucket(SECRET, NewBucket(name="files"))
        await room_put(storage, "original", b"one")
        async with storage.holdings.files.using("prj_a") as file:
            assert file is not None
            await file.write(lambda connection: connection.execute("UPDATE change_log SET project = 'prj_other'"))
    async with opened_storage(tmp_path, kms) as storage:
        with pytest.raises(ResyncRequired) as told:
            await storage.changes(SECRET, 0, 10, 0)
        await room_put(storage, "own", b"two")
        found = await storage.changes(SECRET, told.value.extra["last"], 10, 0)
        assert [one.key for one in found.items] == ["own"]
