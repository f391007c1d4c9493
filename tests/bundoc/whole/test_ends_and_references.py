"""Documents that expire or are deleted while others refer to them and unique indexes apply."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from bunbase.bundoc.service import BundocService
from bunbase.bundoc.sqlite_engine.altering import Declare, Drop, Expire, Retime
from bunbase.bundoc.sqlite_engine.engine import SqliteEngine
from bunbase.contracts.bundoc.collections import CollectionSpec, IndexSpec
from bunbase.contracts.bundoc.documents import NO_PRECONDITION, Query
from bunbase.contracts.bundoc.problems import DocumentNotFound, DocumentReferenced
from tests.bundoc.permissions.asking import SERVER, put

PAST = "2020-01-01T00:00:00Z"
DEADLINE_SECONDS = 10.0
USER = {"type": ["string", "null"], "x-ref": "users", "x-on-delete": "set_null"}
MEMBERS = {"properties": {"members": {"items": {"properties": {"user": USER}}}}}
NOBODY = {"members": {"user": None}}
ONCE = IndexSpec(("members",), "once", unique=True)


async def groups(service: BundocService) -> None:
    """Make two groups with one user each. Without its user a group holds {"user":null}, which must be unique."""
    await service.put_collection(SERVER, "users", CollectionSpec())
    await service.put_collection(SERVER, "groups", CollectionSpec((ONCE,), schema=MEMBERS))
    for number in (1, 2):
        await put(service, f"u{number}", "users", ends=PAST)
        await put(service, f"g{number}", "groups", members=[{"user": f"u{number}"}])


async def found(service: BundocService, where: dict[str, Any]) -> list[str]:
    page = await service.query(SERVER, "groups", Query(where=msgspec.json.encode(where)))
    return [item["_id"] for item in msgspec.json.decode(page.body)["items"]]


async def test_a_deletion_that_a_unique_index_forbids_is_refused_whole(service: BundocService) -> None:
    await groups(service)
    await service.delete(SERVER, "users", "u1", NO_PRECONDITION)

    with pytest.raises(DocumentReferenced) as refused:
        await service.delete(SERVER, "users", "u2", NO_PRECONDITION)

    assert (refused.value.extra["collection"], refused.value.extra["field"]) == ("groups", "members.user")
    assert (await found(service, {"members.user": "u2"}), await found(service, NOBODY)) == (["g2"], ["g1"])
    assert (await service.get(SERVER, "users", "u2")).rev == 1


async def test_an_expiry_updates_or_deletes_all_referring_documents(service: BundocService) -> None:
    await groups(service)

    await service.put_collection(SERVER, "users", CollectionSpec(expires="ends"))
    await service.tend()

    assert (await found(service, {"members.user": "u2"}), await found(service, NOBODY)) == (["g2"], ["g1"])
    log = (await service.changes(SERVER, 0, 100, 0)).items
    assert [one.seq for one in log] == list(range(1, len(log) + 1))
    last = {(one.collection, one.id): (one.op, one.rev) for one in log}
    assert last == {
        ("users", "u1"): ("delete", 1),
        ("users", "u2"): ("delete", 1),
        ("groups", "g1"): ("update", 2),
        ("groups", "g2"): ("create", 1),
    }
    assert msgspec.json.decode((await service.get(SERVER, "groups", "g2")).body)["_rev"] == 1


async def test_a_unique_value_held_by_any_number_of_expired_documents_is_free(service: BundocService) -> None:
    await service.put_collection(SERVER, "users", CollectionSpec((IndexSpec(("name",), unique=True),)))
    for number in range(450):
        await put(service, f"u{number:03}", "users", name=f"n{number}", ends=f"2020-01-01T00:{number // 60:02}:00Z")
    await service.put_collection(SERVER, "users", CollectionSpec(expires="ends"))

    await put(service, "new", "users", name="n449")

    assert (await service.get(SERVER, "users", "new")).rev == 1


async def test_an_expiry_waits_for_the_index_of_references(service: BundocService, engine: SqliteEngine) -> None:
    await put(service, "u1", "users", ends=PAST)
    await put(service, "g1", "groups", owner="u1")
    owner = {"type": "string", "x-ref": "users", "x-on-delete": "cascade"}
    await engine._task(SERVER.project, Declare("groups", CollectionSpec(schema={"properties": {"owner": owner}})))

    await service.put_collection(SERVER, "users", CollectionSpec(expires="ends"))
    await service.tend()
    with pytest.raises(DocumentNotFound):
        await service.get(SERVER, "users", "u1")

    async with asyncio.timeout(DEADLINE_SECONDS):
        while await found(service, {}):
            await service.tend()  # `tend` also continues the build of the index.


async def test_large_documents_are_deleted_a_few_at_a_time(service: BundocService, engine: SqliteEngine) -> None:
    for number in range(4):
        await put(service, f"d{number}", "large", text="x" * 900_000, ends=PAST)
        await put(service, f"d{number}", "timed", text="x" * 900_000, ends=PAST)

    left = await engine._task(SERVER.project, Drop("large"))
    await engine._task(SERVER.project, Declare("timed", CollectionSpec(expires="ends")))
    after = first = await engine._task(SERVER.project, Retime("timed", 0))
    while after is not None:
        after = await engine._task(SERVER.project, Retime("timed", after))
    more = await engine._task(SERVER.project, Expire("timed"))

    assert (first is not None, left, more) == (True, True, True)
    assert (await service.collection(SERVER, "large")).documents == 1
    await service.drop_collection(SERVER, "large")
    await service.tend()
    assert [(one.name) for one in await service.collections(SERVER)] == ["timed"]
    assert (await service.collection(SERVER, "timed")).documents == 0
