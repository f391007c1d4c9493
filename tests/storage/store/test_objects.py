"""References to blobs and totals, in random histories of writes, copies, moves and deletions."""

from __future__ import annotations

import random
from collections.abc import Iterator

import apsw
import pytest

from bunbase.contracts.storage import StorageQuotaExceeded
from bunbase.storage.store.blobs import (
    BlobPart,
    Moved,
    add_blob,
    due_blobs,
    forget_blobs,
    parts_of,
    totals,
    unknown_blobs,
)
from bunbase.storage.store.objects import Quota, find, move, put, remove
from bunbase.storage.store.tables import create_tables
from tests.seeds import seeds
from tests.storage.store.files import QUOTA, plain_properties, put_one


@pytest.fixture
def connection() -> Iterator[apsw.Connection]:
    connection = apsw.Connection(":memory:")
    create_tables(connection)
    connection.pragma("foreign_keys", True)
    connection.execute("INSERT INTO buckets (id, name, spec, created) VALUES (1, 'a', '{}', 0), (2, 'b', '{}', 0)")
    yield connection
    connection.close()


@pytest.mark.explore
@pytest.mark.parametrize("seed", seeds(15))
def test_a_blob_stays_exactly_while_an_object_refers_to_it(connection: apsw.Connection, seed: int) -> None:
    draw = random.Random(seed)
    kept: dict[tuple[int, bytes], tuple[str, int]] = {}
    every: set[str] = set()
    for now in range(120):
        place = (draw.choice([1, 2]), draw.choice([b"x", b"y", b"z"]))
        found = find(connection, *place)
        act = draw.choice(["put", "put", "copy", "move", "remove"])
        if act == "put":
            blob, size = f"blob{now}", draw.randrange(100)
            every.add(blob)
            put_one(connection, place[0], place[1].decode(), blob, size, found.state if found else None)
            kept[place] = (blob, size)
        elif found is not None and act == "remove":
            remove(connection, found, found.state, now)
            del kept[place]
        elif found is not None:
            to = (draw.choice([1, 2]), draw.choice([b"x", b"y", b"z"]))
            target = find(connection, *to)
            before = target.state if target else None
            if act == "copy":
                put(
                    connection,
                    to,
                    before,
                    plain_properties(found.size),
                    parts_of(connection, found.id),
                    None,
                    now,
                    QUOTA,
                )
                kept[to] = kept[place]
            elif to != place:
                move(connection, found, to, before, now)
                kept[to] = kept.pop(place)

    for place, (blob, size) in kept.items():
        row = find(connection, *place)
        assert row is not None
        assert row.size == size
        assert [part.blob for part in parts_of(connection, row.id)] == [blob]
    live = {blob for blob, _ in kept.values()}
    assert {blob for (blob,) in connection.execute("SELECT id FROM blobs")} == live
    assert {blob for (blob,) in connection.execute("SELECT blob FROM pending_deletes")} == every - live
    counted = totals(connection)
    assert (counted.objects, counted.bytes) == (len(kept), sum(size for _, size in kept.values()))
    forget_blobs(connection, due_blobs(connection, 10_000, 0, 1000))
    assert totals(connection).waiting_bytes == 0
    assert set(unknown_blobs(connection, every)) == every - live


def test_a_write_that_decided_about_an_older_object_is_refused(connection: apsw.Connection) -> None:
    put_one(connection, 1, "x", "one")
    seen = find(connection, 1, b"x")
    assert seen is not None
    put_one(connection, 1, "x", "two", before=seen.state)

    with pytest.raises(Moved):
        put_one(connection, 1, "x", "three", before=seen.state)
    with pytest.raises(Moved):
        remove(connection, seen, seen.state, 1)
    with pytest.raises(Moved):
        move(connection, seen, (2, b"x"), None, 1)
    with pytest.raises(Moved):
        put_one(connection, 1, "x", "four", before=None)


def test_a_copy_of_a_blob_that_is_gone_is_refused(connection: apsw.Connection) -> None:
    with pytest.raises(Moved):
        put(connection, (1, b"x"), None, plain_properties(1), [BlobPart(0, "gone", 1)], None, 1, QUOTA)


def test_a_full_project_may_still_become_smaller(connection: apsw.Connection) -> None:
    put_one(connection, 1, "x", "one", 50)
    full = Quota(1, 10)

    add_blob(connection, "small", 5)
    seen = find(connection, 1, b"x")
    assert seen is not None
    put(connection, (1, b"x"), seen.state, plain_properties(5), [BlobPart(0, "small", 5)], None, 2, full)
    for key, size in ((b"y", 1), (b"x", 11)):
        add_blob(connection, f"blob{size}", size)
        found = find(connection, 1, key)
        with pytest.raises(StorageQuotaExceeded):
            put(
                connection,
                (1, key),
                found.state if found else None,
                plain_properties(size),
                [BlobPart(0, f"blob{size}", size)],
                None,
                3,
                full,
            )


def test_waiting_blobs_are_due_by_age_and_earlier_if_they_are_too_many(connection: apsw.Connection) -> None:
    for now in range(1, 5):
        put_one(connection, 1, "x", f"blob{now}", 10)
        found = find(connection, 1, b"x")
        assert found is not None
        remove(connection, found, found.state, now)

    assert due_blobs(connection, 2, 1000, 10) == ["blob1", "blob2"]
    assert due_blobs(connection, 0, 15, 10) == ["blob1", "blob2", "blob3"]
    assert due_blobs(connection, 0, 1000, 10) == []
