"""Concurrent work: reads while their collection is dropped, and upkeep while the file is closed."""

from __future__ import annotations

import asyncio

import pytest

from bunbase.bundoc.service import BundocService
from bunbase.bundoc.sqlite_engine.engine import SqliteEngine
from bunbase.contracts.bundoc.collections import Collection, CollectionSpec
from bunbase.contracts.bundoc.documents import Aggregation, Page, Query
from bunbase.contracts.bundoc.problems import BundocBusy, CollectionNotFound
from tests.bundoc.permissions.asking import SERVER, C, body, put

DEADLINE_SECONDS = 10.0


async def test_lists_that_wait_for_their_turn_survive_the_drop_of_their_collection(service: BundocService) -> None:
    create = [{"op": "create", "collection": C, "id": f"d{number:03}", "data": {"n": number}} for number in range(400)]
    await service.commit(SERVER, body({"writes": create}))
    sorted_query = Query(sort=("-n",), limit=200)

    reads = [
        read
        for _ in range(20)
        for read in (
            service.list(SERVER, C, 200, None),
            service.query(SERVER, C, sorted_query),
            service.collection(SERVER, C),
        )
    ]
    *results, dropped = await asyncio.gather(*reads, service.drop_collection(SERVER, C), return_exceptions=True)

    assert dropped is None
    assert all(isinstance(one, Page | Collection | CollectionNotFound | BundocBusy) for one in results)


async def test_a_read_during_the_drop_of_its_collection_is_refused_as_busy(
    service: BundocService, engine: SqliteEngine
) -> None:
    await service.put_collection(SERVER, C, CollectionSpec())
    await put(service, "a", n=1)
    tables = (await engine.files.open(SERVER.project)).tables
    known = tables[C]

    await service.drop_collection(SERVER, C)
    tables[C] = known  # A reader that began before the drop still sees the table.

    for read in (
        service.get(SERVER, C, "a"),
        service.list(SERVER, C, 10, None),
        service.list(SERVER, C, 500, None),
        service.query(SERVER, C, Query(sort=("n",), count=True)),
        service.aggregate(SERVER, C, Aggregation(b'{"n":{"$count":true}}')),
    ):
        with pytest.raises(BundocBusy):
            await read


async def test_upkeep_and_the_replacement_of_a_file_do_not_deadlock(
    service: BundocService, engine: SqliteEngine
) -> None:
    await put(service, "a", ends="2020-01-01T00:00:00Z")
    await service.put_collection(SERVER, C, CollectionSpec(expires="ends"))
    await put(service, "b", ends="2020-01-01T00:00:00Z")
    project = SERVER.project

    async def nothing() -> None: ...

    async with asyncio.timeout(DEADLINE_SECONDS), engine.files.using(project) as file:
        replacing = asyncio.create_task(engine.files.replace(project, file, nothing, lambda: None))
        while not file.closing:
            await asyncio.sleep(0)
        with pytest.raises(BundocBusy):
            await engine.upkeep.also(project, file)
    await replacing
    await service.tend()

    assert (await service.collection(SERVER, C)).documents == 0
