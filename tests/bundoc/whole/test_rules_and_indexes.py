"""A list shows exactly the matching documents that `get` shows, for random rules, filters and indexes.

Before, a partial index was used instead of the rule. This was wrong for documents with lists.
"""

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, datetime
from typing import Any

import apsw
import msgspec
import pytest

from bunbase.bundoc.documents import StoredDocument, with_system_fields
from bunbase.bundoc.permissions.access import Access, Budget
from bunbase.bundoc.permissions.listing import narrowed
from bunbase.bundoc.query.budgets import Limits
from bunbase.bundoc.query.parse import parse_where
from bunbase.bundoc.query.predicate import matches
from bunbase.bundoc.query.rows import Reads
from bunbase.bundoc.query.search import Search
from bunbase.bundoc.query.sort import parse_sort, position
from bunbase.bundoc.query.text import parse_text
from bunbase.bundoc.query.words import text_at
from bunbase.bundoc.rules.ruleset import RuleSet
from bunbase.bundoc.service import BundocService
from bunbase.bundoc.sqlite_engine.tables import Table
from bunbase.contracts.bundoc.collections import CollectionSpec, IndexSpec, Rules
from bunbase.contracts.bundoc.problems import QueryNeedsIndex
from bunbase.contracts.caller import Caller
from tests.bundoc.permissions.asking import ADA, NOBODY, SERVER, C, asked, listed, put
from tests.bundoc.whole import drawn
from tests.bundoc.whole.drawn import CALLERS, WORDS, Draw, empty_connection, kept, rule_set, searching
from tests.seeds import seeds

NOW = datetime(2026, 1, 2, tzinfo=UTC)
DOCUMENTS, RULES_DRAWN, FILTERS = 24, 8, 3


def access_of(caller: Caller, rules: RuleSet) -> Access:
    return Access(caller, "docs", rules, NOW, Budget(1 << 60))


def shown_by_get(
    connection: apsw.Connection, table: Table, access: Access, documents: list[StoredDocument]
) -> list[StoredDocument]:
    def lookup(_collection: str, id: str) -> StoredDocument | None:
        return table.get(connection, id)

    return [one for one in documents if access.may("get", one.id, lookup, one)]


def fulfils(where: dict[str, Any], one: StoredDocument) -> bool:
    return matches(parse_where(msgspec.json.encode(where)), msgspec.json.decode(with_system_fields(one)))


def pages(connection: apsw.Connection, table: Table, search: Search, limit: int) -> list[str]:
    ids: list[str] = []
    after: bytes | None = None
    for _ in range(DOCUMENTS + 2):
        asked = msgspec.structs.replace(search, limit=limit, after=after, count=False)
        found = searching(connection, table, asked).found()
        ids += [one.id for one in found.items]
        if not found.more:
            return ids
        after = found.last
    raise AssertionError("the pages have no end")


def compare(
    connection: apsw.Connection, table: Table, search: Search, expected: list[StoredDocument], limit: int
) -> None:
    """Assert that each way to run the search finds the `expected` documents, which may be in any order."""
    in_order = sorted(expected, key=lambda one: position(search.order, msgspec.json.decode(with_system_fields(one))))
    ids = [one.id for one in in_order]

    found = searching(connection, table, msgspec.structs.replace(search, limit=100, count=True)).found()
    counted = searching(connection, table, msgspec.structs.replace(search, limit=0, count=True)).found()
    inline = searching(connection, table, msgspec.structs.replace(search, limit=100, count=True)).found_inline(Limits())
    apart = msgspec.structs.replace(search, reads=Reads(apart=True))
    folded = [row.id for row in searching(connection, table, apart).rows()]

    assert [one.id for one in found.items] == ids
    assert found.count == counted.count == len(ids)
    assert sorted(folded) == sorted(ids)
    assert pages(connection, table, search, limit) == ids
    assert inline is None or inline == found


def compare_words(
    connection: apsw.Connection, table: Table, search: Search, shown: list[StoredDocument], word: str
) -> None:
    """Assert that a text search finds exactly the shown documents with the word in fields of the text index."""
    sought = msgspec.structs.replace(search, text=parse_text(word), by_score=not search.order.fields)
    try:
        one = searching(connection, table, msgspec.structs.replace(sought, limit=100, count=True))
    except QueryNeedsIndex:
        return
    assert one.text is not None
    paths = one.text.definition.fields
    texts = {each.id: drawn_text(each, paths) for each in shown}
    expected = {each.id for each in shown if word in texts[each.id].split()}

    found = one.found()

    assert {each.id for each in found.items} == expected
    assert found.count == len(expected)
    assert set(pages(connection, table, sought, 3)) == expected
    assert set(one.scores) == expected


def drawn_text(one: StoredDocument, fields: tuple[str, ...]) -> str:
    return " ".join(text_at(msgspec.json.decode(with_system_fields(one)), tuple(field.split("."))) for field in fields)


@pytest.mark.explore
@pytest.mark.parametrize("seed", seeds(6))
def test_a_list_agrees_with_get_for_all_indexes(seed: int) -> None:
    draw = Draw(seed)
    connection = empty_connection()
    documents = [draw.stored(number) for number in range(DOCUMENTS)]
    specs = [draw.index(number) for number in range(6)]
    specs = [spec for spec in specs if spec.where is None or drawn.is_taken(spec.where)]
    table = kept(connection, documents, specs)
    bare = kept(connection, documents, [], "bare")
    drawn_rules = (draw.rule() for _ in itertools.count())
    sources = list(itertools.islice(((s, r) for s in drawn_rules if (r := rule_set(s)) is not None), RULES_DRAWN))
    for source, rules in sources:
        for caller in CALLERS:
            access = access_of(caller, rules)
            shown = shown_by_get(connection, table, access, documents)
            for _ in range(FILTERS):
                where, order, limit = draw.where(), draw.sort(specs), draw.one_of(1, 2, 5, 9)
                if draw.chance(0.2) and specs and (taken := draw.random.choice(specs).where):
                    where = {**taken, **where}
                if not drawn.is_taken(where):
                    continue
                search = Search(where=parse_where(msgspec.json.encode(where)), order=parse_sort(order))
                bound = asyncio.run(narrowed(search, access))
                there = [one for one in documents if fulfils(where, one)]
                note = (source, drawn.named(caller), where, order, specs)
                try:
                    allowed = [one for one in there if one in shown]
                    assert not bound.nothing or not allowed
                    if not bound.nothing:
                        compare(connection, table, bound, allowed, limit)
                        compare_words(connection, table, bound, allowed, draw.random.choice(WORDS))
                    compare(connection, table, search, there, limit)
                    compare_words(connection, table, search, there, draw.random.choice(WORDS))
                    if draw.chance(0.3):
                        compare(connection, bare, search, there, limit)
                except AssertionError:
                    print(*note, sep="\n")
                    raise
    connection.close()


PUBLIC, MINE = "doc.pub == true", "auth.uid == doc.owner"
NEWEST = ("-_created",)


@pytest.mark.parametrize(
    ("rule", "spec", "fields", "denied"),
    [
        (PUBLIC, IndexSpec(NEWEST, where={"pub": True}), {"pub": True}, {"pub": [True]}),
        (PUBLIC, IndexSpec(NEWEST, where={"pub": True}), {"pub": True}, {"pub": [False, True]}),
        ("doc.pub", IndexSpec(NEWEST, where={"pub": True}), {"pub": True}, {"pub": [True]}),
        ("doc.o.pub == true", IndexSpec(NEWEST, where={"o.pub": True}), {"o": {"pub": True}}, {"o": [{"pub": True}]}),
        ("doc.o.pub == true", IndexSpec(NEWEST, where={"o.pub": True}), {"o": {"pub": True}}, {"o": {"pub": [True]}}),
        ("doc.s in ['a', 'b']", IndexSpec(NEWEST, where={"s": {"$in": ["a", "b"]}}), {"s": "b"}, {"s": ["a"]}),
        ("doc.s in ['a', 'b']", IndexSpec(NEWEST, where={"s": "a"}), {"s": "a"}, {"s": ["a"]}),
        (f"{MINE} && {PUBLIC}", IndexSpec(("owner",), where={"pub": True}), {"owner": "ada", "pub": True},
         {"owner": "ada", "pub": [True]}),
        (f"{MINE} && {PUBLIC}", IndexSpec(("pub",), where={"owner": "ada"}), {"owner": "ada", "pub": True},
         {"owner": ["ada"], "pub": True}),
        (f"{MINE} || {PUBLIC}", IndexSpec(NEWEST, where={"$or": [{"owner": "ada"}, {"pub": True}]}), {"owner": "ada"},
         {"owner": ["ada"], "pub": [True]}),
        (MINE, IndexSpec(("owner",)), {"owner": "ada"}, {"owner": ["ada"]}),
        (PUBLIC, IndexSpec(NEWEST, where={"pub": {"$gte": True}}), {"pub": True}, {"pub": [True]}),
        (PUBLIC, IndexSpec(NEWEST, where={"pub": {"$ne": False}}), {"pub": True}, {"pub": [True]}),
        (PUBLIC, IndexSpec(("title",), type="text", where={"pub": True}), {"pub": True}, {"pub": [True]}),
    ],
)  # fmt: skip
async def test_a_partial_index_does_not_replace_the_rule(
    service: BundocService, rule: str, spec: IndexSpec, fields: dict[str, Any], denied: dict[str, Any]
) -> None:
    """A filter also matches elements of a list, but a rule does not. The index is built before or after the writes."""
    await service.put_collection(SERVER, C, CollectionSpec((spec,), rules=Rules(list=rule, get=rule)))

    async def seen_by_ada() -> tuple[list[str], int]:
        where = b'{"$search":"fox"}' if spec.type == "text" else None
        page = await asked(service, ADA, where=where, count=True, sort=() if where else NEWEST)
        if not where:
            assert sorted(await listed(service, ADA)) == sorted(item["_id"] for item in page["items"])
        return [item["_id"] for item in page["items"]], page["count"]

    await put(service, "a", title="fox", **fields)
    assert await seen_by_ada() == (["a"], 1)
    await put(service, "b", title="fox", **denied)
    assert await seen_by_ada() == (["a"], 1)
    await service.put_collection(SERVER, C, CollectionSpec(()))
    await service.put_collection(SERVER, C, CollectionSpec((spec,)))
    assert await seen_by_ada() == (["a"], 1)


async def test_a_document_with_an_empty_string_is_listed_if_get_shows_it(service: BundocService) -> None:
    """Before, the rule `list: !doc.t.startsWith("draft")` did not list documents with `t: ""`."""
    rule = '!doc.t.startsWith("draft") && !doc.t.endsWith("!")'
    await service.put_collection(SERVER, C, CollectionSpec(rules=Rules(list=rule, get=rule)))
    for id, text in (("a", ""), ("b", "draft 1"), ("c", "done")):
        await put(service, id, t=text)

    assert await listed(service, NOBODY) == ["a", "c"]


async def test_every_string_starts_with_the_empty_string_with_and_without_an_index(service: BundocService) -> None:
    """Before, `$startsWith: ""` found the empty string only with a partial index."""
    spec = IndexSpec(("b",), where={"a": {"$startsWith": ""}})
    await service.put_collection(SERVER, C, CollectionSpec((spec,)))
    for id, text in (("d0", ""), ("d1", "x"), ("d2", 7)):
        await put(service, id, a=text, b=1)

    for where in ({"a": {"$startsWith": ""}}, {"a": {"$startsWith": ""}, "b": {"$gte": 0}}):
        page = await asked(service, SERVER, where=msgspec.json.encode(where), count=True)
        assert ([item["_id"] for item in page["items"]], page["count"]) == (["d0", "d1"], 2)
    page = await asked(service, SERVER, where=msgspec.json.encode({"a": {"$not": {"$startsWith": ""}}}))
    assert [item["_id"] for item in page["items"]] == ["d2"]
