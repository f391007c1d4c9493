"""Documents, revisions and pages. Every engine of `conftest.py` must pass these tests."""

from __future__ import annotations

import asyncio

import pytest

from bunbase.bundoc.documents import MAX_BYTES, StoredDocument, fields_of
from bunbase.bundoc.engine import Engine
from bunbase.bundoc.query.budgets import MAX_PAGE_BYTES
from bunbase.bundoc.update.parse import parse_update
from bunbase.bundoc.writes import Create, Delete, Patch, Put, Update
from bunbase.contracts.bundoc.documents import NO_PRECONDITION, Precondition
from bunbase.contracts.bundoc.problems import (
    DocumentExists,
    DocumentNotFound,
    DocumentTooLarge,
    InvalidUpdate,
    StaleRevision,
)
from bunbase.contracts.bunkms import KeyDestroyed
from tests.fakes import FakeKms

P, C = "prj_a", "posts"


def put(id: str, body: bytes = b"{}", rev: int | None = None, absent: bool = False) -> Put:
    return Put(id, body, Precondition(rev, absent))


def patch(id: str, changes: bytes, rev: int | None = None) -> Patch:
    return Patch(id, fields_of(changes), Precondition(rev), len(changes))


def update(operators: bytes) -> Update:
    return Update("d1", parse_update(fields_of(operators)), NO_PRECONDITION, len(operators))


async def written(engine: Engine, write: Create | Put | Patch | Update) -> StoredDocument:
    stored = await engine.write(P, C, write)
    assert stored is not None
    return stored


async def test_a_created_document_is_read_back(engine: Engine) -> None:
    created = await written(engine, Create("d1", b'{"a":1}'))

    assert (created.id, created.rev, created.body) == ("d1", 1, b'{"a":1}')
    assert created.created == created.updated
    assert await engine.get(P, C, "d1") == created


async def test_a_document_that_was_never_written_is_missing(engine: Engine) -> None:
    assert await engine.get(P, C, "d1") is None
    assert (await engine.page(P, C, "", 10)).items == ()
    with pytest.raises(DocumentNotFound):
        await engine.write(P, C, Delete("d1", NO_PRECONDITION))
    with pytest.raises(DocumentNotFound):
        await engine.write(P, C, patch("d1", b"{}"))


async def test_an_id_can_be_created_only_once(engine: Engine) -> None:
    await written(engine, Create("d1", b'{"a":1}'))

    with pytest.raises(DocumentExists):
        await engine.write(P, C, Create("d1", b'{"a":2}'))

    stored = await engine.get(P, C, "d1")
    assert stored is not None
    assert stored.body == b'{"a":1}'


async def test_each_write_raises_the_revision_and_keeps_the_time_of_creation(engine: Engine) -> None:
    first = await written(engine, put("d1", b'{"a":1}'))
    second = await written(engine, put("d1", b'{"b":2}'))
    third = await written(engine, patch("d1", b'{"b":null,"c":3}'))

    assert [first.rev, second.rev, third.rev] == [1, 2, 3]
    assert {first.created, second.created, third.created} == {first.created}
    assert third.updated >= second.updated >= first.updated
    assert third.body == b'{"c":3}'


async def test_a_deleted_document_is_gone_and_its_id_can_be_used_again(engine: Engine) -> None:
    await written(engine, put("d1"))
    await written(engine, put("d1"))

    assert await engine.write(P, C, Delete("d1", NO_PRECONDITION)) is None

    assert await engine.get(P, C, "d1") is None
    assert (await written(engine, Create("d1", b"{}"))).rev == 3


async def test_a_write_against_another_revision_changes_nothing(engine: Engine) -> None:
    await written(engine, put("d1", b'{"a":1}'))
    await written(engine, put("d1", b'{"a":2}'))

    for stale in (put("d1", b"{}", rev=1), put("d1", b"{}", absent=True), patch("d1", b'{"a":9}', rev=3)):
        with pytest.raises(StaleRevision) as refused:
            await engine.write(P, C, stale)
        assert refused.value.extra["rev"] == 2
    with pytest.raises(StaleRevision):
        await engine.write(P, C, Delete("d1", Precondition(rev=1)))

    assert (await written(engine, put("d1", b'{"a":3}', rev=2))).rev == 3
    await engine.write(P, C, Delete("d1", Precondition(rev=3)))
    assert (await written(engine, put("d1", absent=True))).rev == 4


async def test_a_write_with_a_revision_of_a_missing_document_fails_as_stale(engine: Engine) -> None:
    for write in (put("d1", rev=1), patch("d1", b"{}", rev=1), Delete("d1", Precondition(rev=1))):
        with pytest.raises(StaleRevision) as refused:
            await engine.write(P, C, write)
        assert refused.value.extra["rev"] == 0


async def test_a_patch_cannot_grow_a_document_beyond_its_limit(engine: Engine) -> None:
    half = b'"%b"' % (b"x" * (MAX_BYTES // 2 + 1))
    await written(engine, Create("d1", b'{"a":%b}' % half))

    with pytest.raises(DocumentTooLarge):
        await engine.write(P, C, patch("d1", b'{"b":%b}' % half))

    stored = await engine.get(P, C, "d1")
    assert stored is not None
    assert stored.rev == 1


async def test_update_operators_change_the_stored_document_and_keep_other_digits(engine: Engine) -> None:
    await written(
        engine, Create("d1", b'{"items":[{"n":1.50,"t":"a"},{"n":2}],"flags":9223372036854775807,"old":1.00}')
    )

    changed = await written(
        engine,
        update(
            b'{"$set":{"items.$[x].done":true},"arrayFilters":[{"x.n":{"$lt":2}}],"$bit":{"flags":{"xor":1}},'
            b'"$rename":{"old":"new.name"}}'
        ),
    )
    pulled = await written(engine, update(b'{"$pull":{"items":{"t":{"$in":[{"$regex":"^A","$options":"i"}]}}}}'))

    assert changed.body == (
        b'{"items":[{"n":1.50,"t":"a","done":true},{"n":2}],"flags":9223372036854775806,"new":{"name":1.00}}'
    )
    assert (pulled.rev, pulled.body.startswith(b'{"items":[{"n":2}],')) == (3, True)
    assert await engine.get(P, C, "d1") == pulled


async def test_an_update_cannot_grow_a_document_beyond_its_limit(engine: Engine) -> None:
    await written(engine, Create("d1", b'{"a":[%b]}' % b",".join([b"1"] * 20_000)))

    for refused, sent in ((DocumentTooLarge, b'"%b"' % (b"x" * 70)), (InvalidUpdate, b'"%b"' % (b"x" * 1000))):
        with pytest.raises(refused):
            await engine.write(P, C, update(b'{"$set":{"a.$[]":%b}}' % sent))

    stored = await engine.get(P, C, "d1")
    assert stored is not None
    assert stored.rev == 1


async def test_exactly_one_of_many_writers_at_one_revision_wins(engine: Engine) -> None:
    await written(engine, put("d1", b'{"n":0}'))

    writes = (engine.write(P, C, put("d1", b'{"n":%d}' % number, rev=1)) for number in range(50))
    results = await asyncio.gather(*writes, return_exceptions=True)

    won = [result for result in results if isinstance(result, StoredDocument)]
    assert len(won) == 1
    assert sum(isinstance(result, StaleRevision) for result in results) == 49
    assert await engine.get(P, C, "d1") == won[0]


async def test_pages_hold_every_document_once_in_the_order_of_ids(engine: Engine) -> None:
    ids = sorted(f"{number:03}{end}" for number in range(70) for end in ("A", "_", "-", "a"))
    await asyncio.gather(*(engine.write(P, C, put(id)) for id in reversed(ids)))

    for limit in (1, 7, 50, 100, 280, 281):
        assert await walked(engine, limit) == ids


async def test_writes_between_pages_do_not_repeat_or_hide_other_documents(engine: Engine) -> None:
    ids = [f"m{number:03}" for number in range(100)]
    await asyncio.gather(*(engine.write(P, C, put(id)) for id in ids))

    seen: list[str] = []
    more = True
    while more:
        chunk = await engine.page(P, C, seen[-1] if seen else "", 10)
        seen += [stored.id for stored in chunk.items]
        more = chunk.more
        # This document sorts before the pages already read, so it is not seen.
        await engine.write(P, C, put(f"a{len(seen)}"))
        await engine.write(P, C, Delete(seen[-1], NO_PRECONDITION))  # This deletes the last document of the page.
        if len(seen) == 50:
            # This document is deleted before its page is read, so it is not seen.
            await engine.write(P, C, Delete("m075", NO_PRECONDITION))
            await engine.write(P, C, put("m0505"))  # This document is created before its page is read, so it is seen.

    assert seen == sorted({*ids, "m0505"} - {"m075"})


async def test_a_page_of_large_documents_ends_early(engine: Engine) -> None:
    large = b'{"a":"%b"}' % (b"x" * (MAX_BYTES - 8))
    await asyncio.gather(*(engine.write(P, C, put(f"d{number:02}", large)) for number in range(12)))

    chunk = await engine.page(P, C, "", 12)

    assert MAX_PAGE_BYTES <= sum(len(stored.body) for stored in chunk.items) <= MAX_PAGE_BYTES + MAX_BYTES
    assert chunk.more
    assert await walked(engine, 12) == [f"d{number:02}" for number in range(12)]


async def test_documents_of_one_project_or_collection_are_invisible_in_others(engine: Engine) -> None:
    for project in ("prj_a", "prj_b"):
        for collection in ("posts", "notes"):
            await engine.write(project, collection, put("d1", f'{{"of":"{project}/{collection}"}}'.encode()))
    await engine.write("prj_a", "posts", Delete("d1", NO_PRECONDITION))

    assert await engine.get("prj_a", "posts", "d1") is None
    for project, collection in (("prj_a", "notes"), ("prj_b", "posts"), ("prj_b", "notes")):
        chunk = await engine.page(project, collection, "", 10)
        assert [stored.body for stored in chunk.items] == [f'{{"of":"{project}/{collection}"}}'.encode()]


async def test_a_dropped_project_is_gone_for_good_and_the_others_stay(engine: Engine, kms: FakeKms) -> None:
    for project in ("prj_a", "prj_b"):
        await engine.write(project, C, put("d1"))

    await kms.destroy("prj_a")
    await engine.drop("prj_a")
    await engine.drop("prj_a")

    with pytest.raises(KeyDestroyed):
        await engine.get("prj_a", C, "d1")
    with pytest.raises(KeyDestroyed):
        await engine.write("prj_a", C, put("d1"))
    with pytest.raises(KeyDestroyed):
        await engine.page("prj_a", C, "", 10)
    assert await engine.get("prj_b", C, "d1") is not None


async def walked(engine: Engine, limit: int) -> list[str]:
    seen: list[str] = []
    more = True
    while more:
        chunk = await engine.page(P, C, seen[-1] if seen else "", limit)
        assert len(chunk.items) <= limit
        seen += [stored.id for stored in chunk.items]
        more = chunk.more
    return seen
