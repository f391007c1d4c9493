"""A seeded generator of random documents, rules, indexes and filters that often match each other.

The documents have few names and few values, with lists at every level, dotted paths, null, missing fields, empty
strings and large numbers.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from random import Random
from typing import Any, Final, NamedTuple

import apsw
import msgspec

from bunbase.bundoc.documents import StoredDocument
from bunbase.bundoc.query.parse import parse_where
from bunbase.bundoc.query.search import Search
from bunbase.bundoc.query.sort import parse_sort
from bunbase.bundoc.query.sql import condition
from bunbase.bundoc.rules.ruleset import RuleSet
from bunbase.bundoc.sqlite_engine.index_tables import create_index, finish_index, index_tables
from bunbase.bundoc.sqlite_engine.searching import Searching
from bunbase.bundoc.sqlite_engine.sql_functions import prepare
from bunbase.bundoc.sqlite_engine.tables import Table, add_table, create_format, table_of
from bunbase.contracts.bundoc.collections import IndexSpec, Rules
from bunbase.contracts.bundoc.problems import InvalidQuery
from bunbase.contracts.caller import Caller, EndUser
from bunbase.pkg.rules.refusal import InvalidRule
from tests.rooms import publishable_caller

CLAIMS: Final[dict[str, Any]] = {"n": 1, "many": ["a", "b", 1, True], "none": [], "of": {"a": 1}, "text": ""}
CALLERS: Final = (
    publishable_caller("prj_a"),
    publishable_caller("prj_a", EndUser("a", "a@example.com", "user", CLAIMS, "s")),
)
TIMES: Final = [f"2026-01-0{day}T00:00:00.000Z" for day in (1, 2, 3)]

SCALARS: Final[list[Any]] = [None, True, False, 0, 1, 1.0, 2, -1, 0.5, "", "a", "ab", "b", "a\x00", "x" * 600]
RARE: Final[list[Any]] = [2**53, 2**53 + 1, 2**63 - 1, -(2**63), 2**63, 2**64, 1e300, -0.0, "é", "x" * 600 + "y"]
LITERALS: Final[list[Any]] = [None, True, False, 0, 1, 1.5, -1, "", "a", "ab", "b"]
NAMES: Final = ["owner", "pub", "a", "o", "tags"]
PATHS: Final = ["owner", "pub", "a", "o.p", "o.q", "tags", "o", "o.p.q"]
SYSTEM: Final = ["_id", "_rev", "_created"]
WORDS: Final = ["fox", "hen", "dog", "cat"]
OPERATORS: Final = [
    *("$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$all", "$exists", "$size"),
    *("$startsWith", "$regex", "$not", "$elemMatch", "$type", "$mod"),
]
TESTS: Final = [
    *("{0} != {1}", "{0} < {1}", "{0} >= {1}", "auth.uid in {0}", "{1} in {0}", "has({0})", "!has({0})"),
    *("{0}.startsWith('')", "!{0}.startsWith('a')", "{0}.endsWith('b')", "{0}.contains('')", "!{0}"),
    *("{0}.matches('^a')", "size({0}) > 1", "{0}.exists(t, t == {1})", "{0}[0] == {1}", "{0} == doc._id"),
    *("exists('docs', {0})", "get('docs', 'd01').owner == {0}", "auth != null", "auth == null", "true"),
    *("doc._rev == 1", "doc._created > '2026-01-01T00:00:00.000Z'", "doc._id in ['d01', 'd02', 'd03']"),
    *("{0} == auth.claims.text", "{0} in auth.claims.none", "{0} in auth.claims.of", "{0} == auth.claims.gone"),
]


class Atom(NamedTuple):
    """A field and a value that the documents, rules, indexes and filters of one draw have in common."""

    path: str
    value: Any


class Draw:
    """Draws documents, rules, indexes and filters that belong together.

    `lists`: the fields that may contain lists; an index without lists can be used in more ways.
    """

    def __init__(self, seed: int, paths: list[str] = PATHS) -> None:
        self.random = Random(seed)
        self.lists = {name for name in NAMES if self.chance(0.4)}
        self.paths = paths
        self.atoms = [Atom(self.random.choice(paths), self.random.choice(LITERALS[1:])) for _ in range(3)]

    def chance(self, of: float) -> bool:
        return self.random.random() < of

    def one_of(self, *these: Any) -> Any:
        return self.random.choice(these)

    def scalar(self) -> Any:
        return self.random.choice(SCALARS if self.chance(0.9) else RARE)

    def value(self, depth: int = 0) -> Any:
        kind = self.random.random() + depth * 0.2
        if kind > 0.4 or depth > 3:
            return self.scalar()
        if kind > 0.2:
            return [self.value(depth + 1) for _ in range(self.random.randrange(3))]
        return {name: self.value(depth + 1) for name in ("p", "q") if self.chance(0.7)}

    def fields(self) -> dict[str, Any]:
        made: dict[str, Any] = {name: self._field(name) for name in NAMES if self.chance(0.8)}
        for atom in self.atoms:
            if self.chance(0.6):
                self._put(made, atom)
        made["text"] = " ".join(self.random.choice(WORDS) for _ in range(3))
        return made

    def _field(self, name: str) -> Any:
        if name in self.lists:
            return self.value()
        return {"p": self.scalar(), "q": self.scalar()} if name == "o" else self.scalar()

    def _put(self, made: dict[str, Any], atom: Atom) -> None:
        """Put the value at the path, either directly or inside lists, where a filter finds the value, too."""
        value = atom.value
        parts = atom.path.split(".")
        for part in reversed(parts):
            if parts[0] in self.lists and self.chance(0.2):
                value = self.one_of([value], [value, 7], [[value]], [7, value])
            value = {part: value}
        made.update(value)

    def stored(self, number: int) -> StoredDocument:
        body = msgspec.json.encode(self.fields())
        return StoredDocument(f"d{number:02}", self.one_of(1, 2), self.random.choice(TIMES), TIMES[-1], body)

    def rule(self, depth: int = 0) -> str:
        """Return a random rule; an index can prove half of its single conditions."""
        if self.chance(0.3) and depth < 3:
            shape = self.one_of("({} && {})", "({} && {})", "({} || {})", "(!({}) && {})", "({} ? {} : false)")
            return str(shape.format(self.rule(depth + 1), self.rule(depth + 1)))
        if self.chance(0.6):
            atom = self.random.choice(self.atoms)
            said = json.dumps(atom.value)
            shapes = ["doc.{0} == {1}", "doc.{0} == {1}", "doc.{0} in [{1}, 'b', 1]"]
            shapes += ["doc.{0}"] if atom.value is True else ["auth.uid == doc.{0}", "doc.{0} in auth.claims.many"]
            return str(self.random.choice(shapes).format(atom.path, said))
        place = f"doc.{self.random.choice(self.paths)}"
        return str(self.random.choice(TESTS).format(place, json.dumps(self.random.choice(LITERALS))))

    def test_of(self, depth: int = 0) -> Any:
        if depth > 2 or self.chance(0.4):
            return self.value(2)
        name = self.random.choice(OPERATORS)
        match name:
            case "$eq" | "$ne":
                return {name: self.value(2)}
            case "$gt" | "$gte" | "$lt" | "$lte":
                return {name: self.random.choice(SCALARS[1:])}
            case "$in" | "$nin" | "$all":
                pattern = [{"$regex": "^a"}] if self.chance(0.2) else []
                return {name: pattern + [self.value(2) for _ in range(self.random.randrange(4))]}
            case "$exists":
                return {name: self.one_of(True, False, 1)}
            case "$type":
                return {name: self.one_of("string", "number", "array", "null", ["int", "bool"])}
            case "$mod":
                return {name: [2, self.one_of(0, 1)]}
            case "$size":
                return {name: self.random.randrange(3)}
            case "$startsWith":
                return {name: self.one_of("", "a", "b", "x")}
            case "$regex":
                return {name: self.one_of("^a", "b$", "")}
            case "$not":
                inner = self.test_of(depth + 1)
                has_operator = isinstance(inner, dict) and inner and next(iter(inner)).startswith("$")
                return {name: inner if has_operator else {"$eq": 1}}
            case _:
                return {name: self.one_of({"p": self.test_of(depth + 1)}, {"$gte": 1}, {"$startsWith": ""})}

    def where(self, depth: int = 0) -> dict[str, Any]:
        if depth < 2 and self.chance(0.2):
            name = self.one_of("$and", "$or", "$nor")
            return {name: [self.where(depth + 1) for _ in range(self.one_of(1, 2))]}
        found: dict[str, Any] = {}
        for _ in range(self.one_of(0, 0, 1, 1, 2) if depth == 0 else 1):
            if self.chance(0.15):
                tests: list[Any] = [{"$gt": "d05"}, {"$in": ["d01", "d02"]}, "d03", {"$gte": TIMES[1]}, 1, {"$lte": 1}]
                found[self.random.choice(SYSTEM)] = self.random.choice(tests)
            elif self.chance(0.4):
                found |= self.pinned()
            else:
                found[self.random.choice(self.paths)] = self.test_of()
        return found

    def pinned(self) -> dict[str, Any]:
        path, value = self.random.choice(self.atoms)
        return {path: self.one_of(value, value, {"$in": [value, "b"]}, {"$in": [value]}, {"$gte": value})}

    def index(self, number: int) -> IndexSpec:
        if self.chance(0.3):  # The order contains the documents that a rule allows, in another order.
            path, value = self.random.choice(self.atoms)
            plain = [name for name in ("owner", "pub", "a", "tags") if name not in self.lists]
            return IndexSpec((self.one_of("-_created", *plain),), f"i{number}", where={path: value})
        said = self.where() if self.chance(0.3) else self.pinned() if self.chance(0.4) else None
        if self.chance(0.15):
            return IndexSpec(
                tuple(self.random.sample(["text", "tags", "o.p"], 2)), f"i{number}", type="text", where=said
            )
        names = [atom.path for atom in self.atoms if self.chance(0.4)]
        names += self.random.sample([*self.paths, "_created"], self.one_of(0, 1, 1, 2))
        signed = tuple("-" * self.random.randrange(2) + name for name in dict.fromkeys(names or ["-_created"]))
        return IndexSpec(tuple(name.replace("--", "-") for name in signed), f"i{number}", where=said)

    def sort(self, specs: Sequence[IndexSpec] = ()) -> tuple[str, ...]:
        """Return a random order; in half of the cases it is the order of an index after some of its fields."""
        keyed = [spec.fields for spec in specs if spec.type != "text"]
        if keyed and self.chance(0.5):
            fields = self.random.choice(keyed)[self.one_of(0, 0, 1, 2) :]
            turned = self.chance(0.3)
            return tuple(f"-{name}".replace("--", "") if turned else name for name in fields)
        names = self.random.sample([*self.paths, "_created", "_id"], self.one_of(0, 0, 1, 1, 2))
        return tuple("-" * self.random.randrange(2) + name for name in names)


def is_taken(said: Any) -> bool:
    try:
        condition(parse_where(msgspec.json.encode(said)))
        parse_sort(())
    except InvalidQuery:
        return False
    return True


def rule_set(source: str) -> RuleSet | None:
    """Return the rules, or None if their types do not fit."""
    try:
        return RuleSet(Rules(list=source, get=source))
    except InvalidRule:
        return None


def empty_connection() -> apsw.Connection:
    connection = apsw.Connection(":memory:")
    prepare(connection)
    create_format(connection)
    connection.execute("BEGIN")
    return connection


def kept(
    connection: apsw.Connection, documents: list[StoredDocument], specs: list[IndexSpec], name: str = "docs"
) -> Table:
    """Return a collection with the documents; half of them are stored before the indexes are created."""
    number = add_table(connection, name, TIMES[0]).number
    table = table_of(connection, number)
    for one in documents[::2]:
        table.insert(connection, one)
    for spec in specs:
        create_index(connection, number, spec)
    table = table_of(connection, number)
    for one in documents[::2]:
        for made in table.indexes:
            made.add(connection, one)
    for one in documents[1::2]:
        table.insert(connection, one)
    for made in index_tables(connection, number):
        finish_index(connection, made.number)
    return table_of(connection, number)


def searching(connection: apsw.Connection, table: Table, search: Search) -> Searching:
    def lookup(_collection: str, id: str) -> StoredDocument | None:
        return table.get(connection, id)

    return Searching(connection, table, search, lookup)


def named(caller: Caller) -> str:
    return caller.user.uid if caller.user else "nobody"
