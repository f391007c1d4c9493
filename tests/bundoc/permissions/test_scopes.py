"""The scopes of a secret key limit every kind of access to documents."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

import msgspec
import pytest

from bunbase.bundoc.service import BundocService
from bunbase.bundoc.sqlite_engine.engine import SqliteEngine
from bunbase.bundoc.transfer.service import TransferService
from bunbase.contracts.bundoc.backups import ImportMode
from bunbase.contracts.bundoc.collections import CollectionSpec
from bunbase.contracts.bundoc.documents import NO_PRECONDITION, Aggregation, Query
from bunbase.contracts.bundoc.problems import DocumentNotFound, RuleDenied, UniqueViolation
from bunbase.contracts.caller import Caller, CallerKind, Developer, EndUser, Role
from bunbase.contracts.scopes import InsufficientScope
from bunbase.pkg.ndjson import ExportPart, ImportLine
from tests.rooms import secret_caller

PROJECT = "prj_bakery"
SERVER = secret_caller(PROJECT)
COUNTED = Aggregation(b'{"n":{"$count":true}}')
REFERS = {"properties": {"author": {"type": "string", "x-ref": "people"}}}


def key(*scopes: str) -> Caller:
    return Caller(CallerKind.SECRET, project=PROJECT, scopes=scopes)


def in_place_of_eve(*scopes: str) -> Caller:
    """Return a key that acts as a user (X-Bunbase-As)."""
    eve = EndUser("usr_eve", None, "user", {}, "", act="key_1")
    return Caller(CallerKind.PUBLISHABLE, project=PROJECT, user=eve, act="key_1", scopes=scopes)


def commit_of(*writes: dict[str, Any]) -> bytes:
    return msgspec.json.encode({"writes": writes})


async def drained(parts: AsyncIterator[ExportPart]) -> bytes:
    return b"".join([part.lines async for part in parts])


@pytest.fixture
async def filled(service: BundocService) -> BundocService:
    await service.put_collection(SERVER, "people", CollectionSpec())
    await service.put_collection(SERVER, "posts", CollectionSpec(schema=REFERS))
    await service.create(SERVER, "people", b'{"_id":"ada","name":"Ada"}')
    await service.create(SERVER, "posts", b'{"_id":"p1","author":"ada"}')
    return service


Way = Callable[[BundocService, TransferService, Caller], Awaitable[Any]]
PUT = {"op": "put", "collection": "posts", "id": "p2", "data": {}}
READS: dict[str, Way] = {
    "get": lambda service, _, caller: service.get(caller, "posts", "p1"),
    "list": lambda service, _, caller: service.list(caller, "posts", 10, None),
    "query": lambda service, _, caller: service.query(caller, "posts", Query()),
    "aggregate": lambda service, _, caller: service.aggregate(caller, "posts", COUNTED),
    "collection": lambda service, _, caller: service.collection(caller, "posts"),
    "export": lambda _, transfer, caller: drained(transfer.export_documents(caller, "posts", "")),
}
READS_OF_ALL: dict[str, Way] = {
    "changes": lambda service, _, caller: service.changes(caller, 0, 10, 0),
    "collections": lambda service, _, caller: service.collections(caller),
    "export of all": lambda _, transfer, caller: drained(transfer.export_documents(caller, None, "")),
}
WRITES: dict[str, Way] = {
    "create": lambda service, _, caller: service.create(caller, "posts", b"{}"),
    "put": lambda service, _, caller: service.put(caller, "posts", "p2", b"{}", NO_PRECONDITION),
    "patch": lambda service, _, caller: service.patch(caller, "posts", "p1", b'{"a":1}', NO_PRECONDITION),
    "delete": lambda service, _, caller: service.delete(caller, "posts", "p1", NO_PRECONDITION),
    "commit": lambda service, _, caller: service.commit(caller, commit_of(PUT)),
    "import": lambda _, transfer, caller: transfer.import_documents(
        caller, "posts", ImportMode.SKIP, (ImportLine(1, b'{"_id":"p3"}'),)
    ),
}
SETTINGS: dict[str, Way] = {
    "put_collection": lambda service, _, caller: service.put_collection(caller, "posts", CollectionSpec()),
    "test_rules": lambda service, _, caller: service.test_rules(caller, b'{"collection":"posts","op":"list","doc":{}}'),
    "drop_collection": lambda service, _, caller: service.drop_collection(caller, "posts"),
}


@pytest.mark.parametrize(
    ("scopes", "ways", "allowed"),
    [
        (("data:posts:read",), READS, True),
        (("data:posts:read",), READS_OF_ALL, False),
        (("data:posts:read",), WRITES, False),
        (("data:posts:read",), SETTINGS, False),
        (("data:people:read",), READS, False),
        (("data:read",), READS | READS_OF_ALL, True),
        (("read",), READS | READS_OF_ALL, True),
        (("data:posts:write",), WRITES, True),
        (("data:posts:write",), READS | READS_OF_ALL | SETTINGS, False),
        (("data:people:write", "data:read"), WRITES, False),
        (("users:read", "functions:invoke"), READS | READS_OF_ALL | WRITES | SETTINGS, False),
        (("settings",), SETTINGS, True),
        (("settings",), READS | READS_OF_ALL | WRITES, False),
        (("write",), READS | READS_OF_ALL | WRITES | SETTINGS, True),
    ],
)
async def test_each_way_to_documents_needs_its_scope(
    filled: BundocService, engine: SqliteEngine, scopes: tuple[str, ...], ways: dict[str, Way], allowed: bool
) -> None:
    transfer = TransferService(engine, filled)
    for name, way in ways.items():
        try:
            await way(filled, transfer, key(*scopes))
            answered = True
        except InsufficientScope:
            answered = False

        assert answered is allowed, name


@pytest.mark.parametrize(
    ("scopes", "reads", "writes"),
    [
        (("data:posts:read",), True, False),
        (("data:posts:write",), False, True),
        (("data:people:read", "data:people:write"), False, False),
        (("users:write", "functions:invoke"), False, False),
        (("write",), True, True),
    ],
)
async def test_in_the_place_of_a_user_a_key_needs_its_scopes_and_the_rules(
    filled: BundocService, engine: SqliteEngine, scopes: tuple[str, ...], reads: bool, writes: bool
) -> None:
    transfer, caller = TransferService(engine, filled), in_place_of_eve(*scopes)
    open_to_eve = dict.fromkeys(("get", "list", "create", "update", "delete"), 'auth.uid == "usr_eve"')
    closed = dict.fromkeys(open_to_eve, "false")
    ways = {name: READS[name] for name in ("get", "list", "query", "aggregate")}
    ways |= {name: WRITES[name] for name in ("create", "put", "patch", "commit", "delete")}
    for rules, allowed in ((closed, False), (open_to_eve, True)):
        await filled.put_collection(SERVER, "posts", msgspec.convert({"rules": rules}, CollectionSpec))
        for name, way in ways.items():
            scoped = reads if name in READS else writes
            if scoped and allowed:
                await way(filled, transfer, caller)
            elif scoped:
                with suppress(RuleDenied, DocumentNotFound):
                    assert "p1" not in str(await way(filled, transfer, caller)), name
            else:
                with pytest.raises(InsufficientScope):
                    await way(filled, transfer, caller)


async def test_in_the_place_of_a_user_expand_needs_the_scope_of_the_other_collection(filled: BundocService) -> None:
    readable = msgspec.convert({"rules": {"get": "true", "list": "true"}}, CollectionSpec)
    for collection in ("posts", "people"):
        await filled.put_collection(SERVER, collection, readable)
    query = Query(expand=("author",))

    alone = msgspec.json.decode((await filled.query(in_place_of_eve("data:posts:read"), "posts", query)).body)
    both = msgspec.json.decode((await filled.query(in_place_of_eve("data:read"), "posts", query)).body)

    assert alone["items"][0]["_expand"] == {}
    assert both["items"][0]["_expand"]["author"]["name"] == "Ada"


async def test_in_the_place_of_a_user_a_writer_that_may_not_read_gets_only_the_system_fields(
    filled: BundocService,
) -> None:
    rules = {"get": "true", "update": "true"}
    await filled.put_collection(SERVER, "posts", msgspec.convert({"rules": rules}, CollectionSpec))

    patched = await filled.patch(in_place_of_eve("data:write"), "posts", "p1", b'{"title":"new"}', NO_PRECONDITION)

    assert set(msgspec.json.decode(patched.body)) == {"_id", "_rev", "_created", "_updated"}


async def test_expand_leaves_out_documents_of_other_collections(filled: BundocService) -> None:
    query = Query(expand=("author",))

    alone = msgspec.json.decode((await filled.query(key("data:posts:read"), "posts", query)).body)
    both = msgspec.json.decode(
        (await filled.get(key("data:posts:read", "data:people:read"), "posts", "p1", ("author",))).body
    )

    assert alone["items"][0]["_expand"] == {}
    assert both["_expand"]["author"]["name"] == "Ada"


async def test_a_commit_needs_the_scope_of_every_write_and_names_the_write(filled: BundocService) -> None:
    caller = key("data:posts:write")
    elsewhere = {"op": "put", "collection": "people", "id": "bob", "data": {}}
    check = {"op": "check", "collection": "posts", "id": "p1", "if_rev": 1}

    for body, place in ((commit_of(PUT, elsewhere), 1), (commit_of(check, PUT), 0)):
        with pytest.raises(InsufficientScope) as refused:
            await filled.commit(caller, body)
        assert refused.value.extra["write"] == place

    with pytest.raises(InsufficientScope):
        await filled.get(key("data:people:read"), "posts", "p2")
    assert b'"p2"' not in (await filled.list(SERVER, "posts", 10, None)).body


async def test_a_writer_that_may_not_read_gets_only_the_system_fields(filled: BundocService) -> None:
    writer = key("data:posts:write")

    patched = await filled.patch(writer, "posts", "p1", b'{"title":"new"}', NO_PRECONDITION)

    assert set(msgspec.json.decode(patched.body)) == {"_id", "_rev", "_created", "_updated"}
    assert msgspec.json.decode((await filled.get(SERVER, "posts", "p1")).body)["author"] == "ada"


async def test_a_writer_that_may_not_read_does_not_learn_which_document_has_a_unique_value(
    filled: BundocService,
) -> None:
    unique = msgspec.convert({"indexes": [{"fields": ["slug"], "unique": True}]}, CollectionSpec)
    await filled.put_collection(SERVER, "posts", unique)
    await filled.create(SERVER, "posts", b'{"_id":"secret-id","slug":"rye"}')

    with pytest.raises(UniqueViolation) as refused:
        await filled.create(key("data:posts:write"), "posts", b'{"slug":"rye"}')

    assert "secret-id" not in str(refused.value.body())


async def test_a_members_token_needs_the_scope_for_exports_too(filled: BundocService, engine: SqliteEngine) -> None:
    transfer = TransferService(engine, filled)
    ada = Developer("usr_ada", "ada@example.com", False, "", ("logs:read",))
    caller = Caller(CallerKind.DEVELOPER, project=PROJECT, developer=ada, role=Role.OWNER)

    with pytest.raises(InsufficientScope):
        await drained(transfer.export_documents(caller, None, ""))
