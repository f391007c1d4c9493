"""The filter `where` of data triggers, with the largest documents and filters."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from bunbase.contracts.bundoc.collections import CollectionSpec
from bunbase.contracts.bundoc.collections import Rules as DocumentRules
from bunbase.contracts.bundoc.documents import NO_PRECONDITION
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.functions.service import FunctionsService
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.modules import Rooms
from tests.functions.calls import MEMBER, SERVER, deploy, log_of
from tests.functions.triggers.runs import runs_of, said

SAY_ID = "async (req, ctx) => { console.log(JSON.stringify((await req.json()).id)) }"
MIB = 1 << 20
ASKED: tuple[tuple[dict[str, Any], list[str]], ...] = (
    ({"secret": "yes"}, ["a"]),  # only the rights of the project allow reading this field
    ({"_id": {"$gte": "b"}}, ["b"]),
    ({"$or": [{"secret": "yes"}, {"_rev": 1}]}, ["a", "b"]),
    ({"secret": {"$exists": False}}, ["b"]),
    ({}, ["a", "b"]),
)


@pytest.fixture
def bundoc(rooms: Rooms) -> Bundoc:
    return rooms[Bundoc]


def on(where: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"collection": "posts", "ops": ["create", "update"], "where": where}]


async def write(bundoc: Bundoc, id: str, **fields: Any) -> None:
    await bundoc.put(SERVER, "posts", id, msgspec.json.encode(fields), NO_PRECONDITION)


async def test_a_trigger_runs_for_every_large_document_that_matches(
    functions: FunctionsService, bundoc: Bundoc
) -> None:
    await deploy(functions, "f", SAY_ID, on=on({"n": 1}))
    for number in range(12):
        await write(bundoc, f"d{number}", n=1, text="x" * (MIB - 1024))

    assert len(set(await said(functions, "f", 12))) == 12


async def test_a_trigger_receives_a_document_of_one_mebibyte_whole(functions: FunctionsService, bundoc: Bundoc) -> None:
    body = "async (req, ctx) => { console.log((await req.json()).document.text.length) }"
    await deploy(functions, "f", body, on=on({"n": 1}))

    largest = MIB - len('{"n":1,"text":""}')
    await write(bundoc, "d", n=1, text="x" * largest)

    assert await said(functions, "f", 1) == [largest]


async def test_the_largest_filter_that_can_be_deployed_works_for_many_documents(
    functions: FunctionsService, bundoc: Bundoc
) -> None:
    await deploy(functions, "wide", SAY_ID, on=on({"n": {"$in": list(range(140))}}))
    with pytest.raises(InvalidInput, match="terms"):
        await deploy(functions, "wider", SAY_ID, on=on({"n": {"$in": list(range(190))}}))
    await functions.delete_function(MEMBER, "wide")
    await deploy(functions, "f", SAY_ID, on=on({"n": {"$gte": 1}}))

    writes = [{"op": "create", "collection": "posts", "data": {"n": n}} for n in range(60)]
    await bundoc.commit(SERVER, msgspec.json.encode({"writes": writes}))

    assert len(await said(functions, "f", 59)) == 59


async def test_a_trigger_filter_may_use_hidden_fields_and_system_fields(
    functions: FunctionsService, bundoc: Bundoc
) -> None:
    rules = DocumentRules(get="true", hidden={"secret": "true"})
    await bundoc.put_collection(SERVER, "posts", CollectionSpec(rules=rules))
    for number, (where, _) in enumerate(ASKED):
        await deploy(functions, f"f{number}", SAY_ID, on=on(where))

    await write(bundoc, "a", secret="yes")
    await write(bundoc, "b")

    await runs_of(functions, f"f{len(ASKED) - 1}", 2)  # The last function ran for both documents.
    for number, (_, seen) in enumerate(ASKED):
        assert sorted(await said(functions, f"f{number}", len(seen))) == seen


async def test_changes_of_a_dropped_collection_do_not_stop_a_trigger(
    functions: FunctionsService, bundoc: Bundoc
) -> None:
    await deploy(functions, "f", SAY_ID, on=on({"n": 1}))
    await deploy(functions, "gone", SAY_ID, on=[{"collection": "posts", "ops": ["delete"]}])
    for number in range(3):
        await write(bundoc, f"d{number}", n=1)

    await bundoc.drop_collection(SERVER, "posts")
    await write(bundoc, "again", n=1)

    assert sorted(await said(functions, "gone", 3)) == ["d0", "d1", "d2"]
    assert (await said(functions, "f", 1))[-1] in ("d0", "d1", "d2", "again")
    assert all("fails" not in line.text for line in await log_of(functions, "f"))
