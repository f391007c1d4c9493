"""A list whose look-ups happen once shows exactly the documents for which the rule is true, evaluated one by one."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random
from typing import Any, Final

import msgspec
import pytest

from bunbase.bundoc.documents import ID, StoredDocument, with_system_fields
from bunbase.bundoc.permissions.access import Access, Budget
from bunbase.bundoc.permissions.listing import narrow
from bunbase.bundoc.query.parse import parse_where
from bunbase.bundoc.query.predicate import matches
from bunbase.bundoc.query.search import Search
from bunbase.bundoc.query.sort import parse_sort
from bunbase.bundoc.rules.ruleset import RuleSet
from bunbase.bundoc.sqlite_engine.searching import Searching
from bunbase.contracts.bundoc.collections import IndexSpec, Rules
from tests.bundoc.permissions.asking import C, user
from tests.bundoc.whole.drawn import empty_connection, kept
from tests.seeds import seeds

NOW: Final = datetime(2026, 1, 2, tzinfo=UTC)
CREATED: Final = "2026-01-01T00:00:00.000Z"
COMPOSED, DECOMPOSED, ZERO, LONG = "\u00e9", "e\u0301", "a\u0000b", "x" * 700
TEXTS: Final = ("a", "b", "", "A", COMPOSED, DECOMPOSED, ZERO, LONG, "true", "1", "d03", "\U0001f600")
VALUES: Final[tuple[Any, ...]] = (
    *TEXTS,
    *(
        True,
        False,
        None,
        1,
        1.0,
        0,
        -0.0,
        2**53 + 1,
        ["a"],
        ["a", "b"],
        [["a"]],
        [],
        {},
        {"p": "a"},
        [{"p": "a"}],
        [True],
    ),
)
PATHS: Final = ("room", "o.p", "flag", "n")
KEYS: Final = (
    *("{f}", "{f} + auth.uid", "auth.uid + {f}", "{f} + '_' + {g} + auth.uid", "string({f}) + auth.uid", "auth.uid"),
    *("lowerAscii({f}) + auth.uid", "({f} == 'a' ? 'b' : {f}) + auth.uid", "doc._id", "doc._id + auth.uid"),
    *("string({f} == {g}) + auth.uid", "doc['room'] + auth.uid", "[{f}][0] + auth.uid", "{{'k': {f}}}.k + auth.uid"),
    *("get('members', {f} + auth.uid).next + auth.uid", "doc._created + auth.uid", "string({f} in ['a']) + auth.uid"),
    *(
        "{f} + {f}",
        "({f} == 'a' ? 'a' : 'b') + auth.uid",
        "({f} + [])[0] + auth.uid",
        "string(size({f})) + auth.uid",
        "string(has(doc.o.p)) + auth.uid",
    ),
)
COMMON_KEYS: Final = ("{f} + auth.uid", "string({f}) + auth.uid", "({f} == 'a' ? 'a' : 'b') + auth.uid")
COMMON_PARTS: Final = (
    "exists('members', {k})",
    "!exists('members', {k})",
    "get('members', {k}).role == 'owner'",
    "{f} != 'b'",
)
PARTS: Final = (
    *(
        "exists('members', {k})",
        "!exists('members', {k})",
        "get('members', {k}).role == {f}",
        "{f} in get('members', {k})",
    ),
    *("auth.uid in get('members', {k}).people", "get('members', {k}).role != 'owner'", "get('members', {k}).flag"),
    *(
        "timestamp(get('members', {k}).until) > now",
        "has(get('members', {k}).role)",
        "get('members', {k})._id == {f} + auth.uid",
    ),
    *(
        "exists('members', {k}) == exists('members', {l})",
        "exists({f}, {k})",
        "(exists('members', {k}) ? {f} == 'a' : {g})",
    ),
    *(
        "get('members', {k}).people[0] == auth.uid",
        "(get('members', {k}).flag || {f} == 'a') == true",
        "!({f} == 'a' && exists('members', {k}))",
    ),
    *(
        "[exists('members', {k})].all(e, e)",
        "get('members', {k}) == get('members', {l})",
        "exists(request.collection, {k})",
    ),
    *(
        "get('members', {k}).level > 1",
        "-get('members', {k}).level < -1",
        "get('members', {k}).people.exists(p, p == auth.uid)",
    ),
    *(
        "{f} == 'a'",
        "{f} != {g}",
        "{f}",
        "!{f}",
        "has(doc.o.p)",
        "doc.n > 0",
        "size({f}) > 0",
        "auth.role == 'admin'",
        "{f} in ['a', true]",
    ),
)


class Draw:
    """Draws documents, memberships, rules and filters that often meet."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.near = "room"  # The filter and the rule of one case share this field.

    def field(self) -> str:
        return "doc." + self.random.choice((self.near, self.near, self.near, *PATHS))

    def rule(self, depth: int = 0) -> str:
        if depth < 3 and self.random.random() < 0.4:
            return f"({self.rule(depth + 1)} {self.random.choice(('&&', '||'))} {self.rule(depth + 1)})"
        f, g = self.field(), self.field()
        key, other = (
            self.random.choice((*KEYS, *COMMON_KEYS * 5)).format(f=self.random.choice((f, self.field())), g=g)
            for _ in range(2)
        )
        return self.random.choice((*PARTS, *COMMON_PARTS * 5)).format(f=f, g=g, k=key, l=other)

    def where(self) -> dict[str, Any]:
        self.near = self.random.choice(PATHS)
        tests: list[dict[str, Any]] = []
        others = [path for path in (*PATHS, "o", "_id", "_created") if path != self.near]
        for path in (self.near, *self.random.sample(others, self.random.choice((0, 0, 0, 1, 2)))):
            value: Any = self.random.choice(("a", "a", "a", True, 0, self.random.choice(VALUES)))
            value = {
                "_id": "d03",
                "_created": CREATED,
                "flag": self.random.random() < 0.5,
                "n": self.random.choice((0, 0, "a")),
            }.get(path, value)
            tests.append({path: self.random.choice((value, {"$eq": value}, {"$in": [value]}))})
        return tests[0] if len(tests) == 1 else {"$and": tests}

    def stored(self, number: int) -> StoredDocument:
        fields: dict[str, Any] = {
            name: self.random.choice(("a", "a", "b", True, ["a"], ["a", True], 0, -0.0, self.random.choice(VALUES)))
            for name in ("room", "flag", "n")
            if self.random.random() < 0.85
        }
        if self.random.random() < 0.8:
            fields["o"] = self.random.choice(({"p": self.random.choice(("a", "b", ["a"], True))}, *VALUES))
        return StoredDocument(f"d{number:02}", 1, CREATED, CREATED, msgspec.json.encode(fields))

    def members(self) -> dict[str, StoredDocument]:
        found: dict[str, StoredDocument] = {}
        once = [*TEXTS, "false", "1.0", "0", "d03", CREATED, "aa", "bb"]
        for id in sorted(
            {
                *once,
                *[text + "u" for text in once],
                *["u" + text for text in once],
                *["a_" + t + "u" for t in once],
            }
        ):
            if ID.fullmatch(id) and self.random.random() < 0.6:
                body = {
                    "role": self.random.choice(("owner", "a", 1, True)),
                    "people": self.random.choice((["u"], ["u", "v"], "u", {"u": 1}, [])),
                    "until": self.random.choice(("2026-01-01T00:00:00Z", "2026-01-03T00:00:00Z", 1)),
                    **{"flag": self.random.choice((True, False, "a")), "level": self.random.choice((1, 2, 2.0, "2"))},
                    **{"next": self.random.choice(TEXTS), "a": 1},
                }
                found[id] = StoredDocument(id, 1, CREATED, CREATED, msgspec.json.encode(body))
        return found


def shown(connection: Any, table: Any, search: Search, lookup: Any) -> tuple[set[str], int | None]:
    settled = search.settled(lookup)
    if settled.nothing:
        return set(), 0
    found = Searching(connection, table, settled, lookup).found()
    return {one.id for one in found.items}, found.count


@pytest.mark.explore
@pytest.mark.parametrize("seed", seeds(3))
def test_a_list_shows_the_documents_for_which_the_rule_is_true(seed: int) -> None:
    draw, connection = Draw(seed), empty_connection()
    documents = [draw.stored(number) for number in range(40)]
    indexes = [IndexSpec(("room", "flag"), "i0"), IndexSpec(("o.p",), "i1"), IndexSpec(("n", "-_created"), "i2")]
    table = kept(connection, documents, indexes)
    settled = agreed = 0
    for _ in range(250):
        where, source, members = parse_where(msgspec.json.encode(draw.where())), draw.rule(), draw.members()
        rules = RuleSet(Rules(list=source))
        access = Access(user("u"), C, rules, NOW, Budget(1 << 60))

        def lookup(collection: str, id: str, members: dict[str, StoredDocument] = members) -> StoredDocument | None:
            return members.get(id) if collection in ("members", "a", C) else None

        search = narrow(Search(where=where, order=parse_sort(()), limit=100, count=True), access, access.about("list"))
        expected = {
            one.id
            for one in documents
            if matches(where, msgspec.json.decode(with_system_fields(one))) and access.may("list", one.id, lookup, one)
        }

        seen = (set(), 0) if search.nothing else shown(connection, table, search, lookup)

        assert seen == (expected, len(expected)), (source, where)
        settled += search.settle is not None and search.settled(lookup).settlement is not None
        agreed += bool(expected)
    assert settled > 5
    assert agreed > 5
    connection.close()
