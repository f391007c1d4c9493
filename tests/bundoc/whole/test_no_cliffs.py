"""If a query works with n documents, it works with 100 n for at most 100 times the work, or there is a warning.

The work is counted in steps of SQLite and in entries and documents that Python reads, so it is the same on every
machine. `make growth-check` runs the same with more documents.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final

import apsw
import msgspec
import pytest

from bunbase.bundoc.query import aggregate, parse
from bunbase.bundoc.query.budgets import Budgets, ScanBudget
from bunbase.bundoc.service import BundocService
from bunbase.bundoc.settings import BundocSettings
from bunbase.bundoc.sqlite_engine import project_file
from bunbase.bundoc.sqlite_engine.project_file import ProjectFile
from bunbase.contracts.bundoc.collections import CollectionSpec, IndexSpec, Rules
from bunbase.contracts.bundoc.documents import Aggregation, Highlight, Page, Query
from bunbase.contracts.bundoc.problems import QueryNeedsIndex
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.caller import Caller
from bunbase.pkg.sealed_sqlite.connection import connect
from tests.bundoc.engines import sqlite_engine
from tests.bundoc.permissions.asking import ADA, SERVER
from tests.fakes import FakeKms

SMALLEST: Final = int(os.environ.get("BUNBASE_GROWTH_DOCUMENTS", "8"))
SIZES: Final = (SMALLEST, SMALLEST * 10, SMALLEST * 100)
# At the last size, this budget refuses some queries of bound callers.
BUDGET: Final = Budgets(SMALLEST * 20, seconds=60)
LEAST_WORK: Final = 2000  # A query without any document takes this many steps.
BATCH: Final = 500

WORDS: Final = IndexSpec(("title",), "words", type="text")
KEYS: Final = (
    IndexSpec(("owner", "n"), "owner_n"),
    IndexSpec(("owner", "kind", "at", "n"), "owner_kind"),
    IndexSpec(("kind", "n"), "kind_n"),
    IndexSpec(("n",), "n"),
    IndexSpec(("tags",), "tags"),
)
RULES: Final = {
    "exact": "doc.owner == auth.uid",
    "several": "doc.owner in auth.claims.owners",
    "look_up": 'exists("members", doc.owner + "_" + auth.uid)',
}
WHERE: Final[dict[str, dict[str, Any]]] = {
    "everything": {},
    "$eq": {"kind": "k1"},
    "$ne": {"kind": {"$ne": "k1"}},
    "$gt": {"n": {"$gt": 5}},
    "$gte": {"n": {"$gte": 5}},
    "$lt": {"n": {"$lt": 5}},
    "$lte": {"n": {"$lte": 5}},
    "$in": {"kind": {"$in": ["k1", "k2"]}},
    "$nin": {"kind": {"$nin": ["k1"]}},
    "$all": {"tags": {"$all": ["t1", "t2"]}},
    "$exists": {"gone": {"$exists": True}},
    "$size": {"tags": {"$size": 2}},
    "$type": {"n": {"$type": "number"}},
    "$mod": {"n": {"$mod": [7, 1]}},
    "$startsWith": {"title": {"$startsWith": "milk 7"}},
    "$regex": {"title": {"$regex": "7$"}},
    "$not": {"n": {"$not": {"$gt": 5}}},
    "$elemMatch": {"tags": {"$elemMatch": {"$gt": "t1"}}},
    "$and": {"$and": [{"kind": "k1"}, {"n": {"$gt": 5}}]},
    "$or": {"$or": [{"kind": "k1"}, {"n": 5}]},
    "$nor": {"$nor": [{"kind": "k1"}]},
    "$search": {"$search": "milk"},
    "$search, a rare word": {"$search": "rare7"},
    "$search within": {"$search": "milk", "owner": "ada"},
}
SORTS: Final[dict[str, tuple[str, ...]]] = {
    "by _id": (),
    "by n": ("n",),
    "by -title": ("-title",),
    "by kind, n": ("kind", "n"),
}
MONTH: Final = {"$dateTrunc": {"field": "at", "unit": "month", "timezone": "Europe/Berlin"}}
GROUPS: Final[dict[str, tuple[Any, ...]]] = {
    "all": (),
    "a field": ("kind",),
    "two fields": ("owner", "kind"),
    "$dateTrunc": (MONTH,),
    "$each": ({"$each": "tags"},),
}
VALUES: Final[dict[str, Any]] = {
    "$count": {"$count": True},
    **{name: {name: "n"} for name in aggregate.OPERATORS if name != "$count"},
}
MORE: Final[dict[str, dict[str, Any]]] = {
    "count": {"count": True},
    "select": {"select": ("n",)},
    "expand": {"expand": ("ref",)},
    "limit": {"limit": 3},
    "score": {"where": b'{"$search":"milk"}', "score": True},
    "highlight": {"where": b'{"$search":"milk"}', "highlight": Highlight(("title",))},
}


class Get(msgspec.Struct, frozen=True):
    """One document."""

    id: str = "d00000003"
    expand: tuple[str, ...] = ()


class Listed(msgspec.Struct, frozen=True):
    """A page of the plain list."""

    limit: int = 3
    cursor: str | None = None


class Continued(msgspec.Struct, frozen=True):
    """The second page of a query, which the cursor of the first page requests."""

    first: Query | Aggregation | Listed


Asked = Query | Aggregation | Get | Listed | Continued
READS: Final = {"get": Get, "list": Listed, "query": Query, "aggregate": Aggregation}


def kinds() -> Iterator[tuple[str, Asked]]:
    yield "get", Get()
    yield "get with expand", Get(expand=("ref",))
    yield "list", Listed()
    yield "cursor of a list", Continued(Listed())
    for name, where in WHERE.items():
        sent = msgspec.json.encode(where)
        yield f"list {name}", Query(sent)
        yield f"count {name}", Query(sent, count=True, limit=1)
        yield f"aggregate {name}", Aggregation(b'{"n":{"$sum":"n"}}', sent)
    for name, sort in SORTS.items():
        yield f"sort {name}", Query(sort=sort)
        yield f"sort of one kind {name}", Query(b'{"kind":"k1"}', sort=sort)
        yield f"sort of two kinds {name}", Query(b'{"kind":{"$in":["k1","k2"]}}', sort=sort)
        yield f"cursor {name}", Continued(Query(sort=sort, limit=3))
        yield f"cursor of two kinds {name}", Continued(Query(b'{"kind":{"$in":["k1","k2"]}}', sort=sort, limit=2))
    yield "cursor of a search", Continued(Query(b'{"$search":"milk"}', limit=3))
    yield "cursor of groups", Continued(Aggregation(b'{"v":{"$sum":"n"}}', None, ("kind",), limit=1))
    for name, group in GROUPS.items():
        for operator, value in VALUES.items():
            if name == "all" or operator in ("$count", "$sum"):
                yield f"group by {name}: {operator}", Aggregation(msgspec.json.encode({"v": value}), None, group)
    for name, more in MORE.items():
        yield f"query with {name}", Query(**more)


class Work:
    """Counts steps of SQLite, in all connections, and the documents and entries that are examined."""

    def __init__(self) -> None:
        self.units = 0
        self.steps: dict[int, int] = {}

    def profile(self, event: dict[str, Any]) -> None:
        """Count a run. APSW resets the counters of its statements before each run; FTS5 never resets its counters."""
        status = event["stmt_status"]
        steps = status["SQLITE_STMTSTATUS_VM_STEP"]
        before = self.steps.get(event["id"], 0) if status["SQLITE_STMTSTATUS_RUN"] > 1 else 0
        self.steps[event["id"]] = steps
        self.units += max(0, steps - before)


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    work = Work()
    look, spend = ScanBudget.look, ScanBudget.spend

    def connected(*file: Any) -> apsw.Connection:
        connection = connect(*file)
        connection.trace_v2(apsw.SQLITE_TRACE_PROFILE, work.profile)
        return connection

    def looking(budget: ScanBudget) -> None:
        work.units += 1
        look(budget)

    def spending(budget: ScanBudget, documents: int = 1, bytes: int = 0) -> None:
        work.units += documents
        spend(budget, documents, bytes)

    monkeypatch.setattr(project_file, "connect", connected)
    monkeypatch.setattr(ProjectFile, "search_inline", lambda *_: None)  # The test counts the same search in a thread.
    monkeypatch.setattr(ScanBudget, "look", looking)
    monkeypatch.setattr(ScanBudget, "spend", spending)
    return work


@pytest.fixture
async def service(tmp_path: Path, work: Work) -> AsyncIterator[BundocService]:
    async with sqlite_engine(tmp_path / "bundoc", FakeKms(), BundocSettings(read_seconds=60)) as engine:
        yield BundocService(engine, bound=BUDGET, unbound=Budgets(seconds=60, documents=5_000_000))


def document(number: int) -> dict[str, Any]:
    return {
        "_id": f"d{number:08}",
        "owner": "ada",
        "kind": f"k{number % 5}",
        "n": number % 97,
        "at": f"2026-{1 + number % 12:02}-03T00:00:00Z",
        "tags": [f"t{number % 3}", f"t{number % 5}"],
        "title": f"milk {number} rare{number}",
        "ref": f"d{number // 2:08}",
    }


async def filled(service: BundocService, collections: list[str], numbers: range) -> None:
    for collection in collections:
        for start in range(numbers.start, numbers.stop, BATCH):
            part = range(start, min(start + BATCH, numbers.stop))
            writes = [{"op": "create", "collection": collection, "data": document(number)} for number in part]
            await service.commit(SERVER, msgspec.json.encode({"writes": writes}))


async def outcome(service: BundocService, caller: Caller, collection: str, asked: Asked, work: Work) -> Any:
    """Return the answer, or None if the budget of documents refused it. The counted work is the work of this answer."""
    try:
        if isinstance(asked, Continued):
            first = await outcome(service, caller, collection, asked.first, work)
            if first is None:
                return None
            assert first["next"]
            asked = msgspec.structs.replace(asked.first, cursor=first["next"])
        work.units = 0
        match asked:
            case Get():
                return (await service.get(caller, collection, asked.id, asked.expand)).id
            case Listed():
                page: Page = await service.list(caller, collection, asked.limit, asked.cursor)
            case Query():
                page = await service.query(caller, collection, asked)
            case Aggregation():
                page = await service.aggregate(caller, collection, asked)
    except QueryNeedsIndex as refused:
        return None if refused.extra["budget"]["of"] == "documents" else refused
    return msgspec.json.decode(page.body)


async def is_warned(service: BundocService, caller: Caller, collection: str, asked: Asked, work: Work) -> bool:
    """True if `explain` warns about the query, or about the query that gives the same answer."""
    asked = asked.first if isinstance(asked, Continued) else asked
    if isinstance(asked, Get):
        return False
    same = Query(limit=asked.limit) if isinstance(asked, Listed) else asked
    full = await outcome(service, caller, collection, msgspec.structs.replace(same, explain=True), work)
    return bool(full and full["explain"].get("warnings"))


@pytest.mark.parametrize("rule", RULES)
async def test_no_kind_of_query_has_a_cliff(service: BundocService, work: Work, rule: str) -> None:
    await service.put_collection(SERVER, "members", CollectionSpec())
    await service.commit(SERVER, b'{"writes":[{"op":"create","collection":"members","data":{"_id":"ada_ada"}}]}')
    schema = {"properties": {"ref": {"type": "string", "x-ref": "indexed"}}}
    rules = Rules(list=RULES[rule], get=RULES[rule])
    warned = await service.put_collection(SERVER, "plain", CollectionSpec((WORDS,), rules=rules))
    await service.put_collection(SERVER, "indexed", CollectionSpec((*KEYS, WORDS), schema=schema, rules=rules))
    assert ADA.user is not None
    owner = msgspec.structs.replace(ADA.user, claims={"owners": ["ada", "eve", "bob"]})
    explaining = msgspec.structs.replace(ADA, explain=True, user=owner)
    some = ("get", "list", "sort", "cursor", "query")
    asked = {name: one for name, one in kinds() if rule == "exact" or name.startswith(some)}
    found: dict[tuple[str, str, str], list[tuple[int, bool, bool]]] = {}
    before = 0
    for size in SIZES:
        await filled(service, ["plain", "indexed"], range(before, size))
        before = size
        for name, what in asked.items():
            for collection in ("plain", "indexed"):
                if collection == "plain" and "expand" in name:
                    continue
                for who, caller in (("server", SERVER), ("ada", explaining)):
                    if who == "server" and rule != "exact":
                        continue
                    answer = await outcome(service, caller, collection, what, work)
                    units = work.units
                    warnings = size == SMALLEST and await is_warned(service, caller, collection, what, work)
                    found.setdefault((name, collection, who), []).append((units, answer is not None, warnings))

    assert SIZES[-1] > BUDGET.documents
    assert warned.warnings
    cliffs = {
        where: line
        for where, line in found.items()
        if not line[0][1]
        or not (line[-1][1] or line[0][2])
        or (line[-1][1] and line[-1][0] > 100 * (line[0][0] + LEAST_WORK))
    }
    assert not cliffs
    refused = [where for where, line in found.items() if not line[-1][1]]
    assert refused
    assert all(who == "ada" for _, _, who in refused)
    if rule == "exact":
        assert ("count $eq", "indexed", "ada") not in refused
    assert ("sort by n", "indexed", "ada") not in refused or rule == "look_up"


def test_each_operator_and_parameter_has_a_kind_here() -> None:
    operators = {*parse.Reader().operators, *parse.COMPARISONS, "$and", "$or", "$nor", "$search"}
    tested = set(WHERE)

    assert operators - tested == set()
    assert set(VALUES) == set(aggregate.OPERATORS)
    assert {"$dateTrunc", "$each"} <= set(GROUPS)
    named = " ".join(name for name, _ in kinds())
    # These options request only the plan. The test above requests it with each kind.
    only_explained = {"explain", "explain_as"}
    for asked in (Query, Aggregation, Get, Listed):
        told = {"where": "list $eq", "values": "$sum", "group": "group by", "id": "get"}
        parameters = set(asked.__struct_fields__) - only_explained
        assert {one for one in parameters if told.get(one, one) not in named} == set()


def test_each_way_to_read_documents_has_a_kind_here() -> None:
    """The other methods read the change log, describe a collection, or change a collection."""
    elsewhere = {"changes", "collections", "collection", "misfits", "data_key", "test_rules", "stored_sizes"}
    writing = {"create", "put", "patch", "delete", "commit", "put_collection", "drop_collection", "rotate_data_key"}
    inner = {"drop_project", "stored_bytes"}
    methods = {name for name in vars(Bundoc) if not name.startswith("_")}

    assert methods - elsewhere - writing - inner == set(READS)
    assert {type(asked) for _, asked in kinds()} == {*READS.values(), Continued}
