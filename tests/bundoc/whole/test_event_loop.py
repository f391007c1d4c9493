"""No turn of the event loop exceeds its limit, whatever callers send or store.

ATTACKS lists each operation on documents with input that would make it slow. A new operation must be added. The tests
count bytes and calls, never seconds; `bench/run hostile` shows seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final, cast

import msgspec
import pytest

from bunbase.bundoc.definition import Terms
from bunbase.bundoc.documents import StoredDocument
from bunbase.bundoc.permissions.access import Access, Budget
from bunbase.bundoc.permissions.reading import read_document
from bunbase.bundoc.routes import fast
from bunbase.bundoc.routes.collections import _read, _written
from bunbase.bundoc.rules.ruleset import RuleSet
from bunbase.bundoc.service import BundocService
from bunbase.bundoc.settings import BundocSettings
from bunbase.bundoc.sqlite_engine.engine import SqliteEngine
from bunbase.bundoc.transfer.service import TransferService
from bunbase.contracts.bundoc.backups import ImportMode
from bunbase.contracts.bundoc.collections import CollectionSpec, IndexSpec, MisfitQuery, Rules
from bunbase.contracts.bundoc.documents import NO_PRECONDITION, Aggregation, Highlight, Query
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.caller import EndUser
from bunbase.contracts.fast_routes import FastRequest
from bunbase.contracts.functions.triggers import ChangeOp, DataTrigger
from bunbase.functions.triggers.filters import matching
from bunbase.pkg.clock import SystemClock
from bunbase.pkg.errors import Problem
from bunbase.pkg.ndjson import ImportLine
from tests.bundoc.engines import sqlite_engine
from tests.fakes import FakeKms
from tests.metered_loop import MeteredLoop
from tests.rooms import publishable_caller, secret_caller

# One turn reads at most this many bytes of JSON, or does work that takes the same time: usually a few ms, at most 25
# ms.
MOST_BYTES: Final = 512 << 10
# One turn makes at most this many calls of Python and C functions, which take at most 10 ms.
MOST_CALLS: Final = 20_000

P: Final = "prj_a"
NUMBERS: Final = list(range(1000))
CLAIMS: Final = {"numbers": NUMBERS}
SERVER: Final = secret_caller(P)
ADA: Final = publishable_caller(P, EndUser("ada", "ada@example.com", "", CLAIMS, ""))
CURIOUS: Final = msgspec.structs.replace(ADA, explain=True)

SLOW: Final = "(a|b|ab){1,300}c"  # RE2 runs all 1204 instructions of this pattern at every byte.
TEXT: Final = "ab" * (60 << 10)
SMALL_OBJECTS: Final = [{"x": number} for number in range(20_000)]
SEARCHED: Final = "word " * 20_000

MATCHES: Final = f'doc.t.matches("{SLOW}")'
LONG: Final = " && ".join(f"doc.f{number} == null" for number in range(150))
LOOPS: Final = "doc.n.all(a, doc.n.all(b, a + b >= 0))"
CLAIMED: Final = "auth.claims.numbers.all(a, auth.claims.numbers.all(b, a + b >= 0)) && doc.x == 1"
LOOKS_UP: Final = " || ".join(f'get("large", "d{number}").t == doc.x' for number in range(5))
COMPARES: Final = " || ".join(["doc.o == doc.p"] * 100)
TURNS: Final = f"doc.n.all(a, {' && '.join(['a + 1 > 0'] * 250)})"
TIMES: Final = "doc.d.all(a, duration(a) < duration(a) || timestamp(a) < now || true)"

# `advice` might plan an order by each of these fields.
RANGES: Final = {f"f{number}": {"$gte": -1} for number in range(48)}

NESTED: Final[list[Any]] = [{"b": {"b": {"b": {"b": {}}}}}] * 1000

RULED: Final = {
    "matching": MATCHES,
    "long": LONG,
    "looping": LOOPS,
    "claimed": CLAIMED,
    "looking_up": LOOKS_UP,
    "comparing": COMPARES,
    "turning": TURNS,
    "timing": TIMES,
}


def encoded(value: Any) -> bytes:
    return msgspec.json.encode(value)


@asynccontextmanager
async def hostile(directory: Path) -> AsyncIterator[BundocService]:
    """Yield a service with a project whose documents, rules and schemas make reads slow."""
    async with sqlite_engine(directory, FakeKms(), BundocSettings(read_seconds=0.2)) as engine:
        service = BundocService(engine)
        words = IndexSpec(("words",), "words", type="text")
        to = {"properties": {"to": {"type": "string", "x-ref": "large"}}}
        await service.put_collection(SERVER, "large", CollectionSpec((words,), Rules(list="true", get="true")))
        await service.put_collection(SERVER, "refers", CollectionSpec(schema=to, rules=Rules(get="true", list="true")))
        for number in range(5):
            large = {"t": TEXT, "o": SMALL_OBJECTS, "p": SMALL_OBJECTS, "n": NUMBERS, "words": SEARCHED, "x": 0}
            await service.put(SERVER, "large", f"d{number}", encoded(large), NO_PRECONDITION)
            await service.put(SERVER, "refers", f"d{number}", encoded({"to": f"d{number}"}), NO_PRECONDITION)
        masks = Rules(list="true", get="true", create="true", hidden={f"a.b.b.b.b.c{n}": "true" for n in range(50)})
        await service.put_collection(SERVER, "masked", CollectionSpec(rules=masks))
        await service.put(SERVER, "masked", "d1", encoded({"a": NESTED}), NO_PRECONDITION)
        fields = [f"f{number}" for number in range(10)]
        specs = tuple([IndexSpec(("x", name), f"x_{name}") for name in fields])
        specs += tuple([IndexSpec((name, "x"), name) for name in fields])
        await service.put_collection(SERVER, "indexed", CollectionSpec(specs, rules=Rules(list="true")))
        for collection, rule in RULED.items():
            hidden = {f"f{number}": rule for number in range(10)}
            rules = Rules(list=rule, get=rule, create="true", update=rule.replace("doc.", "next."), hidden=hidden)
            await service.put_collection(SERVER, collection, CollectionSpec(rules=rules))
            await service.put(SERVER, collection, "d1", encoded(large), NO_PRECONDITION)
            short = {f"f{number}": None for number in range(150)} | {"t": "a", "n": NUMBERS, "x": 1, "o": 1, "p": 2}
            short["d"] = ["1h" * 32] * 600
            await service.put(SERVER, collection, "d2", encoded(short), NO_PRECONDITION)
        yield service


Attack = Callable[[BundocService], Awaitable[Any]]


def asks(where: Any, collection: str = "large", caller: Any = ADA, **more: Any) -> Attack:
    return lambda service: service.query(caller, collection, Query(encoded(where), **more))


def gets(collection: str, id: str, caller: Any = ADA) -> Attack:
    return lambda service: service.get(caller, collection, id)


def sums(where: Any, collection: str = "large") -> Attack:
    aggregation = Aggregation(b'{"s":{"$sum":"x"}}', encoded(where), ("x",))
    return lambda service: service.aggregate(ADA, collection, aggregation)


def creates(document: Any, caller: Any = ADA) -> Attack:
    return lambda service: service.create(caller, "long", encoded(document))


def patches(patch: Any, collection: str = "matching") -> Attack:
    return lambda service: service.patch(ADA, collection, "d1", encoded(patch), NO_PRECONDITION)


def commits(*writes: Any) -> Attack:
    return lambda service: service.commit(ADA, encoded({"writes": writes}))


def defines(spec: CollectionSpec) -> Attack:
    return lambda service: service.put_collection(SERVER, "defined", spec)


async def describes_at_length(service: BundocService) -> None:
    body = encoded({"schema": {"properties": {f"n{number}": {} for number in range(20_000)}}})
    await _read(body, CollectionSpec, "a description")


async def shows_a_long_description(service: BundocService) -> None:
    schema = {"properties": {f"n{number}": {"type": "string"} for number in range(1500)}}
    await service.put_collection(SERVER, "shown", CollectionSpec(schema=schema))
    await _written(await service.collection(SERVER, "shown"))


async def asks_for_the_first_time(service: BundocService) -> None:
    """Read with rules that are not compiled yet, as after a file was opened."""
    assert isinstance(service.engine, SqliteEngine)
    file = service.engine.files.ready(P)
    assert file is not None
    table = file.tables["long"]
    table.terms = Terms(table.terms.definition)
    await service.get(ADA, "long", "d2")


async def sends_a_query(service: BundocService) -> None:
    body = encoded({"where": {}, "select": ["x"] * 400_000})
    await fast.query(cast(Bundoc, service), ADA, FastRequest(("large",), {}, {}, body))


async def imports(service: BundocService) -> None:
    line = encoded({"o": SMALL_OBJECTS[:600]})
    lines = tuple(ImportLine(number, line) for number in range(1, 201))
    await TransferService(service.engine, service).import_documents(SERVER, "imported", ImportMode.CREATE, lines)


async def triggers(service: BundocService) -> None:
    trigger = DataTrigger("large", (ChangeOp.UPDATE,), where={"t": {"$regex": SLOW}})
    await matching(cast(Bundoc, service), SERVER, trigger, [f"d{number}" for number in range(50)])


async def tries_rules(service: BundocService) -> None:
    rules = {"list": MATCHES, "get": MATCHES, "hidden": {"x": LOOPS}}
    case = {"collection": "large", "op": "get", "doc": {"t": TEXT, "n": NUMBERS, "o": SMALL_OBJECTS[:5000]}}
    await service.test_rules(SERVER, encoded({"cases": [case] * 2, "rules": {"large": rules}}))


async def tries_kept_rules(service: BundocService) -> None:
    case = {"collection": "looking_up", "op": "get", "doc": {"t": TEXT, "x": 1}}
    await service.test_rules(SERVER, encoded(case))


ATTACKS: Final[dict[str, Attack]] = {
    **{f"get, a rule {name}, {id}": gets(name, id) for name in RULED for id in ("d1", "d2")},
    **{f"explained get, a rule {name}": gets(name, "d1", CURIOUS) for name in ("matching", "long")},
    **{f"list, a rule {name}": asks({}, name) for name in RULED},
    **{f"count, a rule {name}": asks({}, name, count=True) for name in ("matching", "long")},
    **{f"aggregate, a rule {name}": sums({}, name) for name in ("matching", "claimed")},
    **{f"patch, a rule {name}": patches({"t": TEXT}, name) for name in ("matching", "long")},
    "list of large documents": asks({}, limit=50),
    "a pattern": asks({"t": {"$regex": SLOW}}, limit=1),
    "a pattern, short page": asks({"_id": "d1", "t": {"$regex": SLOW}}, limit=1),
    "six patterns": asks({"$or": [{"t": {"$regex": SLOW + str(number)}} for number in range(6)]}),
    "patterns that are large": asks({"$or": [{"t": {"$regex": r"\pL\pN\pL" + str(n)}} for n in range(3)]}),
    "a pattern that is too large": asks({"t": {"$regex": r"\pL{1,300}"}}),
    "a pattern, counted": asks({"t": {"$regex": SLOW}}, count=True),
    "a pattern, aggregated": sums({"t": {"$regex": SLOW}}),
    "objects": asks({"$and": [{"o": {"$ne": {"x": number}}} for number in range(190)]}),
    "objects, one document": asks({"_id": "d1", "$and": [{"o": {"$ne": [number]}} for number in range(190)]}),
    "values": asks({"$and": [{"o": {"$ne": number}} for number in range(190)]}),
    "a few values, large documents": asks({"$and": [{"o": {"$ne": number}} for number in range(5)]}, limit=5),
    "elements": asks({"o": {"$elemMatch": {"x": -1}}}, limit=5),
    "deep paths": asks({"$or": [{f"a{number}.b.c.d.e.f.g.h": 1} for number in range(190)]}),
    "a filter of many filters": asks({"$and": [{}] * 20_000}),
    "a filter of empty lists": asks({"$and": [{"a": {"$in": []}}] * 3000}),
    "a filter with a long list": asks({"a": {"$eq": [0] * 30_000}}),
    "a filter with a deep list": asks({"a": [[[0], [0]]] * 5000}),
    "a long filter": asks({"a": "x" * 60_000}),
    "a filter that is too long": asks({"a": "x" * (1 << 20)}),
    "too many terms": asks({"a": {"$in": list(range(10_000))}}),
    "ranges beside many indexes": asks(RANGES, "indexed", sort=("f0",), limit=1),
    "ranges beside many indexes, explained": asks(RANGES, "indexed", CURIOUS, sort=("f0",), limit=1, explain=True),
    "some small fields": asks({}, "masked", SERVER, select=tuple(f"a.b.b.b.b.c{n}" for n in range(100))),
    "a mask": gets("masked", "d1"),
    "a masked answer": lambda service: service.create(ADA, "masked", encoded({"a": NESTED})),
    "some fields": asks({}, select=("o.x", "p.x"), limit=5),
    "words": asks({"$search": "word"}, limit=5),
    "words, shown": asks({"$search": "word"}, limit=5, score=True, highlight=Highlight(("words",))),
    "words in a list rule": asks({"$search": {"query": "word", "fields": ["words"]}}, limit=5),
    "expand": asks({}, "refers", expand=("to",)),
    "expand one": lambda service: service.get(ADA, "refers", "d1", ("to",)),
    "create": creates({"o": SMALL_OBJECTS}, SERVER),
    "create under rules": creates({"o": SMALL_OBJECTS}),
    "create deeply": creates({"o": [[[[[[0]]]]]] * 20_000}, SERVER),
    "merge patch": patches({"o": SMALL_OBJECTS}),
    "operators": patches({"$addToSet": {"o": {"$each": SMALL_OBJECTS}}, "$set": {f"f{n}.x": n for n in range(500)}}),
    "conditions": patches({"$pull": {"o": {"x": {"$nin": list(range(150))}}}, "$set": {"o.$[].y": 1}}),
    "patterns in updates": commits(
        *[
            {"op": "patch", "collection": "long", "id": "d1", "data": {"$pull": {"x": {"$regex": SLOW + str(number)}}}}
            for number in range(100)
        ]
    ),
    "a commit": commits(*[{"op": "patch", "collection": "long", "id": "d1", "data": {"x": TEXT}}] * 5),
    "a commit of many": commits(*[{"op": "patch", "collection": "looping", "id": "d2", "data": {"x": 1}}] * 300),
    "many hidden rules": defines(CollectionSpec(rules=Rules(get=LONG, hidden={f"h{n}": LONG for n in range(20)}))),
    "patterns in rules": defines(CollectionSpec(rules=Rules(get=" || ".join([r'doc.a.matches("\\pL{1,9}")'] * 50)))),
    "a long schema": defines(CollectionSpec(schema={"properties": {f"n{n}": {"pattern": "a+b"} for n in range(1200)}})),
    "long index filters": defines(
        CollectionSpec(tuple(IndexSpec(("a",), f"i{n}", where={"b": {"$in": list(range(150))}}) for n in range(20)))
    ),
    "misfits": lambda service: service.misfits(
        SERVER, "large", MisfitQuery(schema={"properties": {"o": {"items": {}}}})
    ),
    "values of an aggregate": lambda service: service.aggregate(
        ADA, "large", Aggregation(encoded({f"v{n}": {"$count": True} for n in range(40_000)}), b"{}", ())
    ),
    "a description": describes_at_length,
    "a description that is shown": shows_a_long_description,
    "the first time": asks_for_the_first_time,
    "the body of a query": sends_a_query,
    "an import": imports,
    "a trigger's where": triggers,
    "rules/test": tries_rules,
    "rules/test of kept rules": tries_kept_rules,
}


def test_no_turn_of_the_event_loop_does_more_than_its_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each attack succeeds or is refused, and the server serves other callers meanwhile."""
    for name, steps in (("MAX_STEPS", 50_000), ("CALL_STEPS", 100_000), ("SCAN_STEPS", 100_000)):
        for module in (
            "pkg.rules.inputs",
            "bundoc.permissions.access",
            "bundoc.service",
        ):  # the limits are lower, because work in threads is not measured here
            monkeypatch.setattr(f"bunbase.{module}.{name}", steps, raising=False)
    with asyncio.Runner(loop_factory=MeteredLoop) as runner:
        too_much = runner.run(attacked(tmp_path / "bundoc"))

    assert not too_much


async def attacked(directory: Path) -> dict[str, tuple[int, int]]:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, MeteredLoop)
    too_much = {}
    async with hostile(directory) as service:
        for name, attack in ATTACKS.items():

            async def attempt(attack: Attack = attack) -> None:
                with suppress(Problem):
                    await attack(service)

            await loop.watched(attempt())
            if loop.longest_bytes > MOST_BYTES or loop.longest_calls > MOST_CALLS:
                too_much[name] = (loop.longest_bytes, loop.longest_calls)
    return too_much


def test_the_meter_counts_the_work_of_the_event_loop() -> None:
    """The rule is evaluated in the event loop, as an earlier version did."""

    async def asked_at_once() -> None:
        stored = StoredDocument("d1", 1, "", "", encoded({"t": TEXT[:10_000]}))  # The budget would deny a longer text.
        access = Access(ADA, "c", RuleSet(Rules(get=MATCHES)), SystemClock().now(), Budget())
        with suppress(Problem):
            read_document(access, "d1", lambda _collection, _id: stored)

    with asyncio.Runner(loop_factory=MeteredLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, MeteredLoop)
        runner.run(loop.watched(asked_at_once()))

    assert loop.longest_bytes > MOST_BYTES
