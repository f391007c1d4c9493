"""Filter, order, search and groups of a caller are never evaluated for denied documents.

The first test counts the documents for which the filter is evaluated, for each operator, route, rule and index. The
second compares two collections that differ only in hidden data: both must have the same answers and refusals, in the
same number of steps of SQLite.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import apsw
import msgspec
import pytest

from bunbase.bundoc.documents import StoredDocument
from bunbase.bundoc.permissions.listing import narrowed
from bunbase.bundoc.query import groups
from bunbase.bundoc.query.budgets import Budgets, Limits
from bunbase.bundoc.query.condition import Condition
from bunbase.bundoc.query.parse import parse_where
from bunbase.bundoc.query.rows import Row
from bunbase.bundoc.query.search import Search
from bunbase.bundoc.query.sort import parse_sort
from bunbase.bundoc.query.sql import condition
from bunbase.bundoc.reading import querying, text_answers
from bunbase.bundoc.service import BundocService
from bunbase.bundoc.sqlite_engine import project_file, scanning, text_tables
from bunbase.bundoc.sqlite_engine.engine import SqliteEngine
from bunbase.bundoc.sqlite_engine.searching import Searching
from bunbase.bundoc.sqlite_engine.sql_functions import prepare
from bunbase.contracts.bundoc.collections import CollectionSpec, IndexSpec, Rules
from bunbase.contracts.bundoc.documents import Aggregation, Highlight
from bunbase.contracts.bundoc.problems import QueryNeedsIndex
from tests.bundoc.permissions.asking import ADA, EVE, SERVER, C, asked, put
from tests.bundoc.whole import drawn
from tests.bundoc.whole.drawn import CALLERS, Draw, empty_connection, rule_set
from tests.bundoc.whole.test_rules_and_indexes import access_of, shown_by_get
from tests.seeds import seeds

PAST: Final = "2020-01-01T00:00:00Z"
OPERATORS: Final[list[dict[str, Any]]] = [
    {"n": 1},
    {"n": {"$ne": 1}},
    {"n": {"$gt": 0}},
    {"n": {"$gte": 1, "$lt": 9}},
    {"n": {"$in": [1, 2]}},
    {"n": {"$nin": [3]}},
    {"n": {"$exists": True}},
    {"n": {"$not": {"$gt": 5}}},
    {"n": None},
    {"tags": {"$all": ["x"]}},
    {"tags": {"$size": 2}},
    {"tags": ["x", "y"]},
    {"tags": {"$elemMatch": {"$gte": "x"}}},
    {"rows": {"$elemMatch": {"k": 1}}},
    {"rows.k": 1},
    {"o": {"k": 1}},
    {"title": {"$regex": "fox"}},
    {"title": {"$regex": "^fo"}},
    {"title": {"$startsWith": "fo"}},
    {"_rev": {"$gte": 1}},
    {"_created": {"$gte": "2020"}},
    {"_updated": {"$gte": "2020"}},
    {"_id": {"$gte": "d"}},
    {"$or": [{"n": 1}, {"title": "x"}]},
    {"$and": [{"n": 1}, {"title": {"$ne": "x"}}]},
    {"$nor": [{"n": 2}]},
]
FIELDS: Final[dict[str, Any]] = {"n": 1, "tags": ["x", "y"], "rows": [{"k": 1}], "o": {"k": 1}, "title": "fox hen"}
RULES: Final = [
    "auth.uid == doc.owner",
    "auth.uid == doc.owner && doc.draft != true",
    "auth.uid in doc.members",
    'auth.uid in get("teams", doc.team).members',
    'doc.public == true || auth.uid in get("teams", doc.team).members',
    "auth.uid == doc.owner && size(doc.members) == 1",
]
INDEXES: Final = [
    (),
    (IndexSpec(("n",), "n"), IndexSpec(("tags",), "tags"), IndexSpec(("title",), "title"), IndexSpec(("-_updated",))),
    (IndexSpec(("owner", "n"), "owner_n"), IndexSpec(("owner", "-title"), "owner_title")),
    (IndexSpec(("title",), "some", where={"n": 1}), IndexSpec(("owner",), "mine", where={"n": {"$gt": 0}})),
]
WORDS: Final = IndexSpec(("title",), "words", type="text")


class Asked:
    """The ids of the documents on which a filter was evaluated, and the numbers of the rows that got a score."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.numbers: list[int] = []

    def note(self, id: Any) -> int:
        self.ids.append(str(id))
        return 1

    def taken(self) -> set[str]:
        ids, self.ids = set(self.ids), []
        return ids


@pytest.fixture
def spy(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Record each document for which SQL or Python evaluates a part of the caller's query."""
    asked = Asked()
    monkeypatch.setattr(scanning, "condition", _noting(condition))
    monkeypatch.setattr(project_file, "prepare", _preparing(prepare, asked))
    monkeypatch.setattr(text_tables, "_local_score", _scoring(text_tables._local_score, asked))
    placed, folded, marked = Searching.position, groups.grouped, text_answers.highlights

    def position(self: Searching, document: StoredDocument) -> bytes:
        asked.note(document.id)
        return placed(self, document)

    def grouped(rows: Iterator[Row], *more: Any) -> Any:
        return folded((one for one in rows if asked.note(one.id)), *more)

    def highlights(words: Any, wanted: Any, documents: list[Any]) -> Any:
        for one in documents:
            asked.note(one["_id"])
        return marked(words, wanted, documents)

    monkeypatch.setattr(Searching, "position", position)
    monkeypatch.setattr(querying, "grouped", grouped)
    monkeypatch.setattr(text_answers, "highlights", highlights)
    return asked


def _noting(compiled: Callable[[Any], Condition]) -> Callable[[Any], Condition]:
    def noting(where: Any) -> Condition:
        test = compiled(where)
        return Condition(f"(CASE WHEN asked_about(d.id) THEN {test.sql} ELSE 0 END)", test.params)

    return noting


def _preparing(prepared: Callable[..., None], asked: Asked) -> Callable[..., None]:
    def preparing(connection: apsw.Connection, *watch: Any) -> None:
        prepared(connection, *watch)
        connection.create_scalar_function("asked_about", lambda *of: asked.note(of[0]), 1)

    return preparing


def _scoring(score: Callable[..., float], asked: Asked) -> Callable[..., float]:
    def scoring(left: Callable[[], float], api: apsw.FTS5ExtensionApi, *weights: Any) -> float:
        asked.numbers.append(api.rowid)
        return score(left, api, *weights)

    return scoring


async def filled(service: BundocService, rule: str, indexes: tuple[IndexSpec, ...]) -> None:
    """Create twelve documents with equal contents. Ada may see d1, d5 and d9, but d1 has expired."""
    await service.put_collection(SERVER, "teams", CollectionSpec(rules=Rules()))
    await put(service, "red", "teams", members=["ada"])
    await put(service, "blue", "teams", members=["eve"])
    spec = CollectionSpec((*indexes, WORDS), rules=Rules(list=rule, get=rule), expires="ends")
    await service.put_collection(SERVER, C, spec)
    for number in range(12):
        whose: dict[str, Any] = {"owner": "eve", "members": ["eve"], "team": "blue", "public": False}
        if number % 4 == 1:
            whose = {"owner": "ada", "members": ["ada"], "team": "red", "public": False}
        ends = {"ends": PAST} if number == 1 else {}
        await put(service, f"d{number}", draft=False, **FIELDS, **whose, **ends)


@pytest.mark.parametrize(
    ("rule", "indexes"),
    [(rule, indexes) for one, rule in enumerate(RULES) for two, indexes in enumerate(INDEXES) if (one + two) % 2],
)
async def test_the_filter_is_never_evaluated_on_denied_documents(
    spy: Asked, service: BundocService, rule: str, indexes: tuple[IndexSpec, ...]
) -> None:
    await filled(service, rule, indexes)
    allowed = {"d5", "d9"}
    counts = b'{"n":{"$count":true}}'
    for where in OPERATORS:
        sent = msgspec.json.encode(where)
        searched = msgspec.json.encode({**where, "$search": "fox"})
        for _ in (
            await asked(service, ADA, where=sent),
            await asked(service, ADA, where=sent, limit=60, count=True, sort=("title", "-n")),
            await asked(service, ADA, where=searched, count=True, score=True, highlight=Highlight(("title",))),
            await service.aggregate(ADA, C, Aggregation(b'{"s":{"$sum":"n"},"m":{"$max":"title"}}', sent, ("tags",))),
        ):
            assert spy.taken() <= allowed, where
    for where in OPERATORS[::5]:
        for sent in (msgspec.json.encode(where), msgspec.json.encode({**where, "$search": "fox"})):
            await service.aggregate(ADA, C, Aggregation(counts, sent))
            assert spy.taken() <= allowed, where
    for sort in (("n",), ("-_updated",), ("-title",), ("_rev", "o"), ("-_id",), ("-_created",)):
        page = await asked(service, ADA, sort=sort, limit=1)
        await asked(service, ADA, sort=sort, limit=1, cursor=page["next"])
        assert spy.taken() <= allowed
    assert set(spy.numbers) <= {6, 10}  # These are the rows of d5 and d9.

    whole = await asked(service, EVE, where=b'{"n":1}', limit=60)
    assert len(whole["items"]) == 9
    assert spy.taken() <= {item["_id"] for item in whole["items"]}  # The spy works: it records only shown documents.


async def test_expanded_documents_are_counted_only_if_they_are_shown(service: BundocService) -> None:
    """A refusal because of the size of expanded documents would reveal the size of hidden documents."""
    author = {"type": "array", "items": {"type": "string", "x-ref": "users"}}
    await service.put_collection(SERVER, "users", CollectionSpec(rules=Rules(get="doc.open == true")))
    spec = CollectionSpec(schema={"properties": {"authors": author}}, rules=Rules(list="true", get="true"))
    await service.put_collection(SERVER, C, spec)
    names = [f"u{number}" for number in range(12)]
    for name in names:
        await put(service, name, "users", open=name == "u3", text="x" * 900_000)
    await put(service, "d1", authors=names)

    (item,) = (await asked(service, ADA, expand=("authors",)))["items"]

    assert [one["_id"] for one in item["_expand"]["authors"]] == ["u3"]


@pytest.mark.parametrize("where", [b"{}", b'{"n":{"$gte":0}}', b'{"$search":"fox"}', b'{"title":{"$regex":"fox"}}'])
@pytest.mark.parametrize("rule", [RULES[0], RULES[2], RULES[3]])
async def test_no_refusal_reveals_how_many_documents_are_denied(engine: SqliteEngine, rule: str, where: bytes) -> None:
    service = BundocService(engine, bound=Budgets(2), unbound=Budgets(2))
    await filled(service, rule, INDEXES[1])

    for sort in ((), ("title",)):
        page = await asked(service, ADA, where=where, sort=sort, count=True)
        assert (sorted(item["_id"] for item in page["items"]), page["count"]) == (["d5", "d9"], 2)
        with pytest.raises(QueryNeedsIndex):
            await asked(service, EVE, where=where, sort=sort, count=True)


RULED: Final = ["owner", "pub"]
FREE: Final = ["a", "o.p", "tags"]
SINGLE_RULES, FILTERS = 4, 8
AT_THE_END: Final = 3  # SQLite takes extra steps to see if any key follows the last key of a range.


def steps_and_answer(documents: list[StoredDocument], specs: list[IndexSpec], search: Search) -> tuple[Any, ...]:
    """Return the results of a search in each way to run it, and SQLite's steps for each statement."""
    connection = empty_connection()
    table = drawn.kept(connection, documents, specs)
    spent: list[tuple[str, int]] = []

    def note(event: dict[str, Any]) -> None:
        sql = re.sub(r"\s+", " ", event["sql"])
        spent.append((sql, event["stmt_status"]["SQLITE_STMTSTATUS_VM_STEP"]))

    def outcome(work: Callable[[Searching], Any], asked: Search) -> Any:
        try:
            return work(drawn.searching(connection, table, asked))
        except QueryNeedsIndex as problem:
            return problem.detail, problem.extra

    connection.trace_v2(apsw.SQLITE_TRACE_PROFILE, note)
    found = outcome(Searching.found, msgspec.structs.replace(search, count=True))
    answers = (
        found,
        outcome(Searching.found, msgspec.structs.replace(search, count=True, limit=0)),
        outcome(lambda one: one.found_inline(Limits(3, 6)), search),
        outcome(lambda one: [row.id for row in one.rows()], search),
        outcome(Searching.found, msgspec.structs.replace(search, after=getattr(found, "last", None) or None)),
    )
    connection.trace_v2(0)
    met = connection.execute("SELECT many FROM indexes ORDER BY name").fetchall()
    connection.close()
    return answers, spent, met


@pytest.mark.explore
@pytest.mark.parametrize("seed", seeds(6))
def test_hidden_documents_change_neither_answers_nor_refusals_nor_steps(seed: int) -> None:
    """`other` differs from `documents` only in denied documents, in fields that the rule does not use."""
    draw, whole = Draw(seed, RULED), Draw(seed + 1, RULED + FREE)
    draw.lists &= set(RULED)
    whole.lists, whole.atoms = draw.lists, [*draw.atoms, *whole.atoms]
    documents = [draw.stored(number) for number in range(20)]
    caller = CALLERS[1]
    for _ in range(SINGLE_RULES):
        while (rules := rule_set(source := draw.rule())) is None:
            pass
        access = access_of(caller, rules)
        connection = empty_connection()
        shown = shown_by_get(connection, drawn.kept(connection, documents, []), access, documents)
        connection.close()
        other = [one if one in shown else changed(draw, one) for one in documents]
        specs = [spec for number in range(4) if (spec := whole.index(number)).type != "text"]
        pinned, free = draw.random.choice(draw.atoms), draw.random.sample(FREE, 2)
        specs.append(IndexSpec((pinned.path, *free), "pinned"))
        specs.append(IndexSpec(tuple(free), "some", where={pinned.path: pinned.value}))
        specs = [spec for spec in specs if spec.where is None or drawn.is_taken(spec.where)]
        for _ in range(FILTERS):
            where, sort = whole.where(), whole.sort(specs)
            if not drawn.is_taken(where):
                continue
            search = Search(parse_where(msgspec.json.encode(where)), parse_sort(sort), limit=draw.one_of(1, 3, 20))
            bound = asyncio.run(narrowed(msgspec.structs.replace(search, max_scan=draw.one_of(2, 5, 100)), access))
            if bound.nothing or bound.bound is None:
                continue
            one, two = steps_and_answer(documents, specs, bound), steps_and_answer(other, specs, bound)
            if one[2] != two[2]:
                continue  # A denied document put a list into an index. docs/rules.md says that callers can see this.
            assert one[0] == two[0], (source, where, sort, specs)
            for (sql, some), (same, others) in zip(one[1], two[1], strict=True):
                assert sql == same
                assert abs(some - others) <= AT_THE_END, (source, where, sort, specs, sql)


def changed(draw: Draw, one: StoredDocument) -> StoredDocument:
    fields = msgspec.json.decode(one.body)
    new = {name: value for name, value in draw.fields().items() if name not in RULED}
    kept = {name: value for name, value in fields.items() if name in RULED}
    return msgspec.structs.replace(one, body=msgspec.json.encode({**new, **kept}))


@pytest.mark.parametrize("source", ["doc.pub in auth.claims.none", "doc.owner == 'a' && doc.pub in auth.claims.none"])
def test_a_rule_that_allows_nothing_reads_no_index(source: str) -> None:
    """Before, such a query read any partial index, because an impossible condition implies every filter."""
    rules = rule_set(source)
    assert rules is not None

    assert asyncio.run(narrowed(Search(), access_of(CALLERS[1], rules))).nothing
