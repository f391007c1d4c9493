"""The indexes of a collection stay in use until their replacements are complete."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from bunbase.bundoc.query.filters import Compare, Filter
from bunbase.bundoc.query.search import Search
from bunbase.bundoc.query.text import parse_text
from bunbase.bundoc.sqlite_engine.altering import BATCH, Build, Declare
from bunbase.bundoc.sqlite_engine.engine import SqliteEngine
from bunbase.bundoc.sqlite_engine.index_tables import MOST_KEPT
from bunbase.bundoc.writes import CommitStep, Create, Delete
from bunbase.contracts.bundoc.collections import CollectionSpec, IndexSpec
from bunbase.contracts.bundoc.documents import NO_PRECONDITION
from bunbase.contracts.bundoc.problems import BundocBusy, UniqueViolation
from tests.bundoc.engines import sqlite_engine
from tests.bundoc.sqlite_engine.build_writer import COLLECTION, DOCUMENTS, PROJECT, REPLACED, REPLACING, filled
from tests.bundoc.sqlite_engine.test_building import DEADLINE_SECONDS, state, until_ready
from tests.fakes import FakeKms
from tests.pkg.waiting import until_true

N = Compare(("n",), "=", 7)
UNIQUE_N = IndexSpec(("n",), "one", unique=True)
BY_TITLE = IndexSpec(("title",), "by_title")
WORDS = IndexSpec(("title",), "words", type="text")
OLD = (UNIQUE_N, BY_TITLE, WORDS)
# The stored documents have repeated titles, so they violate each of these indexes.
REFUSED = (
    pytest.param((IndexSpec(("title",), "one", unique=True),), id="of the same name"),
    pytest.param((IndexSpec(("title",), "other", unique=True),), id="of another name"),
    pytest.param((IndexSpec(("title", "kind"), "one", unique=True),), id="compound"),
    pytest.param(
        (IndexSpec(("n", "title"), "by_title"), IndexSpec(("title",), "other", unique=True)), id="several at once"
    ),
    pytest.param(
        (
            IndexSpec(("title",), "words", type="text", stemming="english"),
            IndexSpec(("kind", "title"), "one", unique=True, where={"kind": "post"}),
        ),
        id="partial, with a text index",
    ),
)  # fmt: skip


async def indexed(engine: SqliteEngine, documents: int = 2 * BATCH) -> None:
    await filled(engine, documents)
    await engine.alter(PROJECT, COLLECTION, CollectionSpec(OLD))


async def index_for(engine: SqliteEngine, where: Filter) -> str:
    return (await engine.search(PROJECT, COLLECTION, Search(where=where))).index


async def refuses_n(engine: SqliteEngine) -> bool:
    """Return True if a second document with the number 7 is refused. Otherwise it is stored, and deleted again."""
    try:
        await engine.commit(PROJECT, (CommitStep(COLLECTION, Create("again", b'{"n":7,"title":"x"}')),))
        await engine.commit(PROJECT, (CommitStep(COLLECTION, Delete("again", NO_PRECONDITION)),))
    except UniqueViolation as problem:
        return bool(problem.extra["index"] == "one")
    return False


async def words_found(engine: SqliteEngine) -> int | None:
    found = await engine.search(PROJECT, COLLECTION, Search(text=parse_text("all"), by_score=True, count=True))
    return found.count


@pytest.mark.parametrize("wanted", REFUSED)
async def test_a_refused_change_leaves_the_indexes_as_they_were(
    wanted: tuple[IndexSpec, ...], engine: SqliteEngine
) -> None:
    await indexed(engine)

    with pytest.raises(UniqueViolation):
        await engine.alter(PROJECT, COLLECTION, CollectionSpec(wanted))

    await until_ready(engine)
    assert {"one", "by_title", "words"} <= {index.name for index in (await state(engine)).indexes}
    assert next(one for one in (await state(engine)).indexes if one.name == "one").fields == ("n",)
    assert (await index_for(engine, N), await refuses_n(engine)) == ("one", True)
    assert await words_found(engine) == 2 * BATCH


async def test_an_index_without_documents_that_break_it_takes_the_place_of_the_old_one(engine: SqliteEngine) -> None:
    await indexed(engine)
    new = (IndexSpec(("n", "title"), "one", unique=True), IndexSpec(("title", "n"), "by_title"))

    await engine.alter(PROJECT, COLLECTION, CollectionSpec(new))

    assert [(one.name, one.fields, one.ready) for one in (await state(engine)).indexes] == [
        ("by_title", ("title", "n"), True),
        ("one", ("n", "title"), True),
    ]
    assert not await refuses_n(engine)
    assert await kept_tables(engine) == 2


async def test_the_old_indexes_serve_queries_and_writes_while_the_new_ones_are_built(engine: SqliteEngine) -> None:
    await indexed(engine, 5 * BATCH)
    spec = CollectionSpec((IndexSpec(("n", "title"), "one", unique=True), IndexSpec(("kind",), "by_kind")))
    second, first = (await engine._task(PROJECT, Declare(COLLECTION, spec))).building

    await engine._task(PROJECT, Build(COLLECTION, first))

    listed = (await state(engine)).indexes
    assert [(one.name, one.fields, one.ready) for one in listed] == [
        ("by_kind", ("kind",), False),
        ("one", ("n", "title"), False),
    ]
    assert (await index_for(engine, N), await refuses_n(engine)) == ("one", True)
    assert await words_found(engine) == 5 * BATCH
    while await engine._task(PROJECT, Build(COLLECTION, first)):
        pass
    assert (await index_for(engine, N), await refuses_n(engine)) == ("one", False)  # The new index has this name.
    assert await words_found(engine) == 5 * BATCH  # The old index is in use while any index is being built.
    while await engine._task(PROJECT, Build(COLLECTION, second)):
        pass
    await engine.tend()
    assert await kept_tables(engine) == 2


async def test_a_change_that_is_taken_back_keeps_the_old_index(engine: SqliteEngine) -> None:
    await indexed(engine, 5 * BATCH)
    await engine._task(PROJECT, Declare(COLLECTION, CollectionSpec((BY_TITLE, IndexSpec(("kind", "n"), "one")))))

    await engine.alter(PROJECT, COLLECTION, CollectionSpec(OLD))

    assert all(index.ready for index in (await state(engine)).indexes)
    assert len((await state(engine)).indexes) == len(OLD)
    assert await refuses_n(engine)


async def test_indexes_that_nothing_replaces_are_dropped_at_once(engine: SqliteEngine) -> None:
    await indexed(engine)

    await engine.alter(PROJECT, COLLECTION, CollectionSpec((WORDS,)))

    assert [one.name for one in (await state(engine)).indexes] == ["words"]
    assert not await refuses_n(engine)


async def test_changes_that_never_complete_pile_up_no_indexes(engine: SqliteEngine) -> None:
    await filled(engine, 1)
    await engine.alter(PROJECT, COLLECTION, CollectionSpec(tuple(IndexSpec((f"f{n}",), f"f{n}") for n in range(32))))
    refused = 0

    for round in range(6):
        spec = CollectionSpec(tuple(IndexSpec((f"f{n}", f"g{round}"), f"g{round}_{n}") for n in range(32)))
        try:
            building = (await engine._task(PROJECT, Declare(COLLECTION, spec))).building
        except BundocBusy:
            refused += 1
            continue
        for number in building[:-1]:  # The last index is never complete.
            assert not await engine._task(PROJECT, Build(COLLECTION, number))

    assert refused
    file = engine.files.ready(PROJECT)
    assert file is not None
    assert len(file.tables[COLLECTION].indexes) <= MOST_KEPT


async def test_kill_9_while_an_index_is_replaced_keeps_the_old_one_in_force(tmp_path: Path) -> None:
    """The stored documents violate the new index, so the old index comes back when the build has ended."""
    secret = os.urandom(32)
    directory = tmp_path / "bundoc"
    command = [sys.executable, "-m", "tests.bundoc.sqlite_engine.build_writer", str(directory), secret.hex(), "replace"]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    async with asyncio.timeout(DEADLINE_SECONDS):
        assert await process.stdout.readline() == b"building\n"
    process.kill()
    await process.wait()

    async with sqlite_engine(directory, FakeKms(secret)) as engine:
        before = await refuses_n(engine)
        await until_ready(engine)
        after = await refuses_n(engine)
        found = await engine.search(PROJECT, COLLECTION, Search(where=N))
        specs = tuple(IndexSpec(one.fields, one.name, one.unique) for one in (await state(engine)).indexes)

    assert (before, after) == (True, True)
    assert (found.index, found.examined) == ("one", 1)
    assert specs == REPLACED != REPLACING
    assert DOCUMENTS > BATCH


async def kept_tables(engine: SqliteEngine) -> int:
    """Return the number of tables of keys in the file, after the dropped tables were cleared."""
    sql = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND (name GLOB 'keys_*' OR name GLOB 'text_?')"

    async def cleared() -> bool:
        return not engine.builds.tasks

    await until_true(cleared, DEADLINE_SECONDS)
    file = engine.files.ready(PROJECT)
    assert file is not None
    return int(file.reader.execute(sql).get)
