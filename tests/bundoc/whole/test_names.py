"""Names with control characters are refused everywhere; SQLite and Python read a text in the same way."""

from __future__ import annotations

import random
import re
from collections.abc import Awaitable, Callable
from typing import Any

import apsw
import msgspec
import pytest

from bunbase.bundoc.definition import check_spec
from bunbase.bundoc.documents import new_document
from bunbase.bundoc.query.parse import parse_path
from bunbase.bundoc.query.predicate import MISSING, reached
from bunbase.bundoc.query.sql import _json_path
from bunbase.bundoc.service import BundocService
from bunbase.bundoc.sqlite_engine.engine import SqliteEngine
from bunbase.bundoc.transfer.service import TransferService
from bunbase.contracts.bundoc.backups import ImportMode
from bunbase.contracts.bundoc.collections import CollectionSpec, IndexSpec, Rules
from bunbase.contracts.bundoc.documents import NO_PRECONDITION, Aggregation, Highlight, Query
from bunbase.contracts.bundoc.problems import InvalidDocument, InvalidQuery, InvalidSchema
from bunbase.pkg.control_characters import holds_control
from bunbase.pkg.errors import InvalidInput, Problem
from bunbase.pkg.ndjson import ImportLine
from bunbase.pkg.rules.refusal import InvalidRule
from tests.rooms import publishable_caller, secret_caller
from tests.seeds import seeds

SERVER = secret_caller("prj_a")
C = "notes"
BODIES = (
    rb'{"x\u0000":1}',
    rb'{"\u001f":1}',
    rb'{"a":{"b\n":1}}',
    rb'{"a":[[{"b\t":1}]]}',
    rb'{"a":[1,{"b":{"\u0000":1}}]}',
    b'{"x\x7f":1}',
    rb'{"x\u007f":1}',
)
Ask = Callable[[BundocService, bytes], Awaitable[Any]]


async def create(service: BundocService, body: bytes) -> None:
    await service.create(SERVER, C, body)


async def put(service: BundocService, body: bytes) -> None:
    await service.put(SERVER, C, "a", body, NO_PRECONDITION)


async def patch(service: BundocService, body: bytes) -> None:
    await service.patch(SERVER, C, "a", body, NO_PRECONDITION)


async def set_(service: BundocService, body: bytes) -> None:
    await service.patch(SERVER, C, "a", b'{"$set":%b}' % body, NO_PRECONDITION)


async def push(service: BundocService, body: bytes) -> None:
    await service.patch(SERVER, C, "a", b'{"$push":{"list":%b}}' % body, NO_PRECONDITION)


async def each(service: BundocService, body: bytes) -> None:
    await service.patch(SERVER, C, "a", b'{"$addToSet":{"list":{"$each":[%b]}}}' % body, NO_PRECONDITION)


async def commit(service: BundocService, body: bytes) -> None:
    write = b'{"op":"put","collection":"notes","id":"a","data":%b}' % body
    await service.commit(SERVER, b'{"writes":[%b]}' % write)


@pytest.mark.parametrize("ask", [create, put, patch, set_, push, each, commit])
async def test_a_name_with_a_control_character_is_refused(service: BundocService, ask: Ask) -> None:
    """Every kind of write refuses the name."""
    await service.put(SERVER, C, "a", b'{"list":[]}', NO_PRECONDITION)

    for body in BODIES:
        with pytest.raises(InvalidDocument, match="control characters"):
            await ask(service, body)

    assert (await service.get(SERVER, C, "a")).rev == 1


async def test_an_import_refuses_names_with_control_characters_line_by_line(
    service: BundocService, engine: SqliteEngine
) -> None:
    """The import accepts the other lines."""
    lines = tuple(ImportLine(number, body) for number, body in enumerate((*BODIES, b'{"x":"\\u0000\\n"}'), 1))

    for mode in ImportMode:
        done = await TransferService(engine, service).import_documents(SERVER, C, mode, lines)
        assert (done.imported, done.failed) == (1, len(BODIES))
        assert {error.code for error in done.errors} == {"invalid_document"}


async def test_a_truncated_field_name_does_not_make_a_caller_the_owner(service: BundocService) -> None:
    """A document of Bob with the field `owner\\0` and Ann's id in it is refused."""
    rules = Rules(list="doc.owner == 'ann'", create="next.owner == 'bob'", get="true")
    await service.put_collection(SERVER, C, CollectionSpec(rules=rules))

    with pytest.raises(InvalidDocument):
        await service.create(publishable_caller("prj_a"), C, rb'{"owner\u0000":"ann","owner":"bob"}')


@pytest.mark.parametrize("name", ["x\0", "x\ny", "\x7f"])
async def test_a_query_with_a_control_character_in_a_name_is_refused(service: BundocService, name: str) -> None:
    """SQLite would cut the name off at U+0000 and read another field."""
    await service.put(SERVER, C, "a", b'{"x":1}', NO_PRECONDITION)
    queries = (
        Query(where=msgspec.json.encode({name: 1})),
        Query(where=msgspec.json.encode({"x": {"$elemMatch": {name: 1}}})),
        Query(sort=(name,)),
        Query(select=(name,)),
        Query(expand=(name,)),
        Query(where=b'{"$search":"x"}', highlight=Highlight((name,))),
    )
    for query in queries:
        with pytest.raises(InvalidQuery):
            await service.query(SERVER, C, query)
    for aggregation in (
        Aggregation(values=b'{"n":{"$count":true}}', group=(name,)),
        Aggregation(values=msgspec.json.encode({"n": {"$sum": name}})),
        Aggregation(values=msgspec.json.encode({name: {"$count": True}})),
    ):
        with pytest.raises(InvalidQuery):
            await service.aggregate(SERVER, C, aggregation)


@pytest.mark.parametrize("name", ["x\0", "x\ny", "\x7f"])
async def test_a_definition_with_a_control_character_in_a_name_is_refused(service: BundocService, name: str) -> None:
    """Indexes, expiry settings, rules and schemas all contain names."""
    for spec in (
        CollectionSpec((IndexSpec((name,)),)),
        CollectionSpec((IndexSpec((name,), "words", type="text"),)),
        CollectionSpec((IndexSpec(("x",), where={name: 1}),)),
        CollectionSpec(expires=name),
        CollectionSpec(rules=Rules(hidden={f"a.{name}": "true"})),
    ):
        with pytest.raises(InvalidInput):
            await service.put_collection(SERVER, C, spec)
    schemas: tuple[dict[str, Any], ...] = (
        {"properties": {name: {}}},
        {"properties": {"a": {"required": ["b", name]}}},
        {"properties": {"a": {"items": {"properties": {name: {"type": "string", "x-ref": "users"}}}}}},
        {"dependentRequired": {name: ["a"]}},
    )
    for schema in schemas:
        with pytest.raises(InvalidSchema):
            check_spec(CollectionSpec(schema=schema))
    said = msgspec.json.encode(name).decode()
    for rule in (f"doc[{said}] == 1", f"auth != null && !(doc.a[{said}] == auth.uid)"):
        for rules in (Rules(get=rule), Rules(hidden={"a": rule})):
            with pytest.raises(InvalidRule):
                check_spec(CollectionSpec(rules=rules))


STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
LETTER = re.compile(r"\\.|[axé]")

NAMES = ("a", "x", "x y", "a-b", "é", "e\u0301", "__proto__", "constructor", "length", "0", "-1", "#", "[0]", "*", "🌍")
ODD = ('"', "\\", "a.b", "$x", "", "a\\u0062", "\u2028", "'", "x\u2400", "]", '"].x')
VALUES: tuple[Any, ...] = (
    0, -0.0, 1.5, 5e-324, 1e308, 2**53 + 1, -(2**63), 2**63, 10**30, True, False, None,
    "", "\0", "a\0b", "🌍", '"', "\\u0041", "null", [], {}, [[]], [None], [{"a": 1}, [{"a": 2}]],
)  # fmt: skip


def nasty(chance: random.Random, levels: int = 4) -> Any:
    """Return JSON that two readers could interpret differently."""
    if levels == 0 or chance.random() < 0.3:
        return chance.choice(VALUES)
    if chance.random() < 0.25:
        return [nasty(chance, levels - 1) for _ in range(chance.randint(0, 3))]
    return {chance.choice(NAMES + ODD): nasty(chance, levels - 1) for _ in range(chance.randint(0, 4))}


def escaped(chance: random.Random, text: str) -> str:
    """Return the text with some letters of strings written as escapes."""

    def one(match: re.Match[str]) -> str:
        return f"\\u{ord(match[0][-1]):04x}" if len(match[0]) == 1 and chance.random() < 0.3 else match[0]

    return STRING.sub(lambda string: LETTER.sub(one, string[0]), text)


@pytest.mark.parametrize("seed", seeds(10))
@pytest.mark.explore
def test_sqlite_and_python_read_a_stored_document_in_the_same_way(seed: int) -> None:
    """For every path that a query may name, SQLite and Python find the same type and value."""
    chance = random.Random(seed)
    connection = apsw.Connection(":memory:")
    for _ in range(20):
        document = {chance.choice(NAMES): nasty(chance) for _ in range(4)}
        text = escaped(chance, msgspec.json.encode(document).decode())
        if chance.random() < 0.3:
            # The name `a` may occur twice. If it does, the last value counts.
            text = text[:-1] + (',"a":1}' if len(text) > 2 else '"a":1}')
        try:
            _, body = new_document(text.encode())
        except Problem:
            continue
        ours = msgspec.json.decode(body)
        for path in paths(ours):
            agree(connection, body, ours, path)


def paths(value: Any, above: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if not isinstance(value, dict) or len(above) > 7:
        return []
    found = [(*above, name) for name in (*value, "missing") if is_path(".".join((*above, name)), len(above) + 1)]
    return [*found, *(path for name in value for path in paths(value[name], (*above, name)))]


def is_path(dotted: str, parts: int) -> bool:
    try:
        return len(parse_path(dotted, "")) == parts
    except InvalidQuery:
        return False


def agree(connection: apsw.Connection, body: bytes, ours: Any, path: tuple[str, ...]) -> None:
    (expected,) = list(reached(ours, path)) or [MISSING]
    sql = "SELECT json_type(?1, ?2), json_extract(?1, ?2), ?1 -> ?2"
    row: Any = connection.execute(sql, (body.decode(), _json_path(path))).fetchall()[0]
    type, value, json = row
    if expected is MISSING:
        assert type is None, (body, path)
    elif isinstance(expected, dict | list):
        assert (type, msgspec.json.decode(json)) == ("array" if isinstance(expected, list) else "object", expected)
    elif isinstance(expected, bool) or expected is None:
        assert type == msgspec.json.encode(expected).decode()
    elif isinstance(expected, str):
        assert (type, value) == ("text", expected), (body, path)
    else:
        assert type in ("integer", "real")
        assert value == (float(expected) if abs(expected) >= 2**63 and expected != -(2**63) else expected), (body, path)


def test_every_escape_of_a_control_character_in_a_name_is_recognized() -> None:
    """The test tries upper and lower case, short escapes, and names in nested objects."""
    assert holds_control("\x1f")
    for name in (r"\u0000", r"\u001F", r"\u001f", r"\b", r"\f", r"\n", r"\r", r"\t", r"\u007F", "\x7f", r"\\\u0009"):
        with pytest.raises(InvalidDocument):
            new_document(f'{{"a":[[{{"{name}":1}}]]}}'.encode())
    for name in (r"\\n", r"\\u0000", r"\u0080", r"\u00e9", r"\"", "\u2400"):
        assert new_document(f'{{"a":[[{{"{name}":"\\u0000\\n\\u007f"}}]]}}'.encode())
