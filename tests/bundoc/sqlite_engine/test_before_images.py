"""Documents as they were before a change."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest

from bunbase.bundoc.documents import fields_of
from bunbase.bundoc.engine import Engine
from bunbase.bundoc.settings import BundocSettings
from bunbase.bundoc.sqlite_engine.before_images import CREATE_BEFORE_IMAGES, Images, count, prune
from bunbase.bundoc.sqlite_engine.change_log import PAGE_BYTES
from bunbase.bundoc.sqlite_engine.engine import SqliteEngine
from bunbase.bundoc.update.parse import parse_update
from bunbase.bundoc.writes import Check, CommitStep, Create, Delete, Put, Update
from bunbase.contracts.bundoc.collections import CollectionSpec
from bunbase.contracts.bundoc.documents import NO_PRECONDITION, ChangeEntry, Precondition
from bunbase.contracts.bundoc.problems import DocumentExists, StaleRevision
from tests.bundoc.engines import sqlite_engine
from tests.fakes import FakeKms
from tests.seeds import seeds

P, C = "prj_a", "posts"
KEEPING = CollectionSpec(before_images=True)


async def images(engine: Engine, since: int = 0) -> list[tuple[str, str, Any]]:
    return [(one.op, one.id, image_of(one)) for one in (await engine.changes(P, since, 100)).items]


def image_of(change: ChangeEntry) -> Any:
    return None if change.before is None else msgspec.json.decode(change.before).get("n")


async def test_an_update_and_a_delete_have_the_document_before_them(engine: Engine) -> None:
    await engine.alter(P, C, KEEPING)
    await engine.write(P, C, Create("d1", b'{"n":1}'))
    await engine.write(P, C, Update("d1", parse_update(fields_of(b'{"$inc":{"n":1}}')), NO_PRECONDITION, 16))

    await engine.write(P, C, Delete("d1", NO_PRECONDITION))

    assert await images(engine) == [("create", "d1", None), ("update", "d1", 1), ("delete", "d1", 2)]
    last = (await engine.changes(P, 2, 1)).items[0].before
    assert last is not None
    assert {name: msgspec.json.decode(last)[name] for name in ("_id", "_rev", "n")} == {"_id": "d1", "_rev": 2, "n": 2}


async def test_each_write_of_one_commit_has_its_own_image(engine: Engine) -> None:
    await engine.alter(P, C, KEEPING)

    await engine.commit(
        P,
        (
            CommitStep(C, Create("d1", b'{"n":1}')),
            CommitStep(C, Put("d1", b'{"n":2}', NO_PRECONDITION)),
            CommitStep(C, Delete("d1", Precondition(rev=2))),
            CommitStep(C, Create("d1", b'{"n":3}')),
        ),
    )

    assert [image for _, _, image in await images(engine)] == [None, 1, 2, None]


async def test_a_failed_commit_leaves_no_image(engine: Engine) -> None:
    await engine.alter(P, C, KEEPING)
    await engine.write(P, C, Create("d1", b'{"n":1}'))

    with pytest.raises(DocumentExists):
        await engine.commit(
            P,
            (CommitStep(C, Put("d1", b'{"n":2}', NO_PRECONDITION)), CommitStep(C, Create("d1", b"{}"))),
        )
    await engine.write(P, "others", Create("x", b"{}"))

    assert await images(engine) == [("create", "d1", None), ("create", "x", None)]


async def test_only_changes_of_collections_that_ask_have_images_and_only_from_then_on(engine: Engine) -> None:
    for collection in (C, "others"):
        await engine.write(P, collection, Create("d1", b'{"n":1}'))
        await engine.write(P, collection, Put("d1", b'{"n":2}', NO_PRECONDITION))
    await engine.alter(P, C, KEEPING)
    for collection in (C, "others"):
        await engine.write(P, collection, Put("d1", b'{"n":3}', NO_PRECONDITION))

    await engine.alter(P, C, CollectionSpec(before_images=False))
    await engine.write(P, C, Put("d1", b'{"n":4}', NO_PRECONDITION))

    assert [image for _, _, image in await images(engine)] == [None, None, None, None, 2, None, None]


async def test_a_dropped_collection_and_a_cascade_have_images(engine: Engine) -> None:
    refers = {"properties": {"post": {"type": "string", "x-ref": C, "x-on-delete": "cascade"}}}
    await engine.alter(P, C, KEEPING)
    await engine.alter(P, "comments", CollectionSpec(schema=refers, before_images=True))
    for id, number in (("p1", b"1"), ("p2", b"2")):
        await engine.write(P, C, Create(id, b'{"n":' + number + b"}"))
    await engine.write(P, "comments", Create("c1", b'{"n":7,"post":"p1"}'))

    await engine.write(P, C, Delete("p1", NO_PRECONDITION))
    await engine.alter(P, "comments", CollectionSpec(schema=None))
    await engine.drop_collection(P, C)

    assert await images(engine, 3) == [("delete", "c1", 7), ("delete", "p1", 1), ("delete", "p2", 2)]


async def test_a_page_ends_when_its_images_are_large(engine: Engine) -> None:
    await engine.alter(P, C, KEEPING)
    body = msgspec.json.encode({"text": "x" * (PAGE_BYTES // 3)})
    for _ in range(9):
        await engine.write(P, C, Put("d1", body, NO_PRECONDITION))

    pages, since = [], 0
    while (page := await engine.changes(P, since, 100)).items:
        pages.append(len(page.items))
        since = page.next

    assert pages == [4, 3, 2]  # The first change has no image.


async def test_the_oldest_images_go_when_they_exceed_the_limit_and_their_changes_stay(tmp_path: Path) -> None:
    body = msgspec.json.encode({"text": "x" * (300 << 10)})
    async with sqlite_engine(tmp_path, FakeKms(), BundocSettings(before_image_mib=1)) as engine:
        await engine.alter(P, C, KEEPING)

        for _ in range(8):
            await engine.write(P, C, Put("d1", body, NO_PRECONDITION))

        kept = []
        for since in range(8):
            kept += [one.before is not None for one in (await engine.changes(P, since, 1)).items]
        assert kept == [False] * 5 + [True] * 3


async def test_pruned_changes_take_their_images_with_them(tmp_path: Path) -> None:
    async with sqlite_engine(tmp_path, FakeKms(), BundocSettings(changes=3)) as engine:
        await engine.alter(P, C, KEEPING)
        for _ in range(8):
            await engine.write(P, C, Put("d1", b'{"n":1}', NO_PRECONDITION))

        await engine.tend()

        assert await stored(engine) == (3, True)


def test_images_are_deleted_by_number_and_their_bytes_are_given_back() -> None:
    connection = apsw.Connection(":memory:")
    for _ in connection.execute(CREATE_BEFORE_IMAGES):
        pass
    add(connection, range(1, 11), most_bytes=1000)

    prune(connection, 4)
    add(connection, [11], most_bytes=30)

    kept = [seq for (seq,) in connection.execute("SELECT seq FROM before_images ORDER BY seq").fetchall()]
    assert (kept, connection.execute("SELECT bytes FROM before_images_size").get) == ([9, 10, 11], 30)
    connection.close()


def add(connection: apsw.Connection, numbers: Iterable[int], most_bytes: int) -> None:
    images = Images()
    for seq in numbers:
        images.append(connection, seq, b"x" * 10)
    count(connection, images, most_bytes)


async def test_the_images_of_a_commit_are_not_held_in_memory(engine: SqliteEngine) -> None:
    await engine.alter(P, C, KEEPING)
    body = msgspec.json.encode({"text": "x" * ((1 << 20) - 100)})
    for number in range(30):
        await engine.write(P, C, Put(f"d{number}", body, NO_PRECONDITION))
    steps = tuple(CommitStep(C, Delete(f"d{number}", NO_PRECONDITION)) for number in range(30))

    tracemalloc.start()
    try:
        await engine.commit(P, steps)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 10 << 20
    assert [one.before is not None for one in (await engine.changes(P, 30, 1)).items] == [True]


@pytest.mark.explore
@pytest.mark.parametrize("seed", seeds(3))
async def test_the_image_of_a_change_is_the_document_after_the_change_before(engine: Engine, seed: int) -> None:
    drawn = random.Random(seed)
    await engine.alter(P, C, KEEPING)
    marks: dict[str, int | None] = {}
    expected: list[int | None] = []
    for number in range(60):
        steps, after = [], dict(marks)
        images = []
        for id in drawn.choices("abc", k=drawn.randint(1, 4)):
            held = after.get(id)
            gone = held is not None and drawn.random() < 0.3
            put = Put(id, b'{"n":%d}' % number, NO_PRECONDITION)
            steps.append(CommitStep(C, Delete(id, NO_PRECONDITION) if gone else put))
            images.append(held)
            after[id] = None if gone else number
        if drawn.random() < 0.2:
            with pytest.raises(StaleRevision):
                await engine.commit(P, (*steps, CommitStep(C, Check("a", Precondition(rev=9999)))))
        else:
            await engine.commit(P, tuple(steps))
            marks, expected = after, expected + images

    found: list[int | None] = []
    while (page := await engine.changes(P, len(found), 50)).items:
        found += [image_of(one) for one in page.items]

    assert found == expected


async def stored(engine: SqliteEngine) -> tuple[int, bool]:
    """Return the number of stored images, and whether the counted bytes are right."""
    file = engine.files.ready(P)
    assert file is not None
    number, size = file.reader.execute("SELECT count(*), sum(octet_length(body)) FROM before_images").get
    return number, size == file.reader.execute("SELECT bytes FROM before_images_size").get
