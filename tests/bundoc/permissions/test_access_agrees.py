"""Get, list, query, count, aggregate and commit give one caller access to the same documents."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bunbase.bundoc.service import BundocService
from bunbase.contracts.bundoc.collections import CollectionSpec, IndexSpec, Rules
from bunbase.contracts.bundoc.documents import NO_PRECONDITION, Aggregation, Query
from bunbase.contracts.bundoc.problems import DocumentNotFound
from bunbase.contracts.caller import Caller, EndUser
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.errors import Problem
from bunbase.pkg.rules.refusal import InvalidRule
from tests.bundoc.engines import sqlite_engine
from tests.bundoc.rules.test_agreement import DOCUMENTS, RULES
from tests.fakes import FakeKms
from tests.rooms import publishable_caller, secret_caller
from tests.seeds import examples

SERVER = secret_caller("prj_a")
C = "posts"
CALLERS = (
    publishable_caller("prj_a"),
    publishable_caller("prj_a", EndUser("ada", "a@x", "user", {"a": 1, "tags": ["x"]}, "s")),
)
LOOKUPS = st.sampled_from(["exists('posts', doc.owner)", "get('posts', 'd0').a == doc.a", "true"])


async def shown(service: BundocService, caller: Caller, ids: list[str]) -> dict[str, list[str]]:
    """Return the ids that each kind of read shows."""

    async def got(id: str) -> bool:
        try:
            await service.get(caller, C, id)
        except DocumentNotFound:
            return False
        return True

    async def checked(id: str) -> bool:
        writes = [{"op": "check", "collection": C, "id": id, "if_rev": 1}]
        try:
            await service.commit(caller, msgspec.json.encode({"writes": writes}))
        except Problem:
            return False
        return True

    async def found(query: Query) -> Any:
        return msgspec.json.decode((await service.query(caller, C, query)).body)

    whole = await found(Query(sort=("-a",), limit=100, count=True))
    listed = msgspec.json.decode((await service.list(caller, C, 100, None)).body)
    inline = msgspec.json.decode((await service.list(caller, C, 20, None)).body)
    aggregation = Aggregation(b'{"n":{"$count":true}}', group=("_id",))
    grouped = msgspec.json.decode((await service.aggregate(caller, C, aggregation)).body)
    counted = msgspec.json.decode((await service.aggregate(caller, C, Aggregation(b'{"n":{"$count":true}}'))).body)
    ways = {
        "get": [id for id in ids if await got(id)],
        "list": [item["_id"] for item in listed["items"]],
        "inline": [item["_id"] for item in inline["items"]],
        "query": sorted(item["_id"] for item in whole["items"]),
        "aggregate": [item["_id"] for item in grouped["items"]],
        "commit": [id for id in ids if await checked(id)],
    }
    assert whole["count"] == len(ways["list"])
    assert counted["items"] == [{"n": whole["count"]}]
    return ways


@settings(max_examples=examples(40), deadline=None, suppress_health_check=list(HealthCheck))
@given(rule=RULES, lookup=LOOKUPS, stored=st.lists(DOCUMENTS, min_size=1, max_size=5))
@example("timestamp(doc._created) == now", "true", [{"a": 1}])  # the clock stands still meanwhile
async def test_all_kinds_of_reads_show_the_same_documents(
    tmp_path_factory: Any, rule: str, lookup: str, stored: list[dict[str, Any]]
) -> None:
    # `request.op` differs between the operations.
    rule = f"({rule}) && {lookup}".replace("request.op", "request.collection")
    directory: Path = tmp_path_factory.mktemp("agree")
    clock = ManualClock()
    async with sqlite_engine(directory / "bundoc", FakeKms(), clock=clock) as engine:
        service = BundocService(engine, clock=clock)
        indexes = (IndexSpec(("owner",)), IndexSpec(("-a",)))
        try:
            await service.put_collection(SERVER, C, CollectionSpec(indexes, rules=Rules(list=rule, get=rule)))
        except InvalidRule:
            return
        ids = [f"d{number}" for number in range(len(stored))]
        for id, fields in zip(ids, stored, strict=True):
            own = {name: value for name, value in fields.items() if not name.startswith("_")}
            await service.put(SERVER, C, id, msgspec.json.encode(own), NO_PRECONDITION)

        for caller in CALLERS:
            ways = await shown(service, caller, ids)
            assert all(way == ways["get"] for way in ways.values()), (rule, ways)
