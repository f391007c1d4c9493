"""The role of a project's member decides about access to documents; the rules do not apply to members."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from bunbase.bundoc.service import BundocService
from bunbase.contracts.bundoc.collections import CollectionSpec
from bunbase.contracts.bundoc.documents import Aggregation, Precondition, Query
from bunbase.contracts.caller import Caller, CallerKind, Developer, Role
from bunbase.pkg.errors import Forbidden
from tests.rooms import member_caller, secret_caller

P = "prj_a"
ANY = Precondition()
COMMIT = b'{"writes":[{"op":"put","collection":"posts","id":"c","data":{}}]}'

Call = Callable[[BundocService, Caller], Awaitable[object]]

READS: dict[str, Call] = {
    "get": lambda bundoc, caller: bundoc.get(caller, "posts", "rye"),
    "list": lambda bundoc, caller: bundoc.list(caller, "posts", 20, None),
    "query": lambda bundoc, caller: bundoc.query(caller, "posts", Query(where=b'{"title":"Rye"}')),
    "aggregate": lambda bundoc, caller: bundoc.aggregate(caller, "posts", Aggregation(b'{"n":{"$count":true}}')),
}
WRITES: dict[str, Call] = {
    "create": lambda bundoc, caller: bundoc.create(caller, "posts", b"{}"),
    "put": lambda bundoc, caller: bundoc.put(caller, "posts", "a", b"{}", ANY),
    "patch": lambda bundoc, caller: bundoc.patch(caller, "posts", "rye", b'{"a":1}', ANY),
    "delete": lambda bundoc, caller: bundoc.delete(caller, "posts", "b", ANY),
    "commit": lambda bundoc, caller: bundoc.commit(caller, COMMIT),
}
FEED: dict[str, Call] = {"changes": lambda bundoc, caller: bundoc.changes(caller, 0, 20, 0.0)}


@pytest.fixture
async def bundoc(service: BundocService) -> BundocService:
    key = secret_caller(P)
    await service.put_collection(key, "posts", CollectionSpec())
    await service.put(key, "posts", "rye", b'{"title":"Rye"}', ANY)
    await service.put(key, "posts", "b", b"{}", ANY)
    return service


def token(*scopes: str) -> Caller:
    ada = Developer("usr_ada", "ada@example.com", admin=False, scopes=scopes)
    return Caller(CallerKind.DEVELOPER, project=P, developer=ada, role=Role.OWNER)


@pytest.mark.parametrize("role", list(Role))
async def test_every_member_reads_documents_that_no_rule_shows(bundoc: BundocService, role: Role) -> None:
    for read in READS.values():
        assert await read(bundoc, member_caller(P, role))


@pytest.mark.parametrize("role", [Role.OWNER, Role.ADMIN, Role.DEVELOPER])
async def test_members_from_the_role_developer_write_documents(bundoc: BundocService, role: Role) -> None:
    for write in (*WRITES.values(), *FEED.values()):
        await write(bundoc, member_caller(P, role))


@pytest.mark.parametrize("write", [*WRITES, "changes"])
async def test_a_viewer_writes_nothing(bundoc: BundocService, write: str) -> None:
    with pytest.raises(Forbidden):
        await {**WRITES, **FEED}[write](bundoc, member_caller(P, Role.VIEWER))


async def test_a_personal_token_needs_a_scope_for_documents(bundoc: BundocService) -> None:
    for read in READS.values():
        assert await read(bundoc, token("data:read"))
        with pytest.raises(Forbidden):
            await read(bundoc, token("data:write"))
    for write in WRITES.values():
        await write(bundoc, token("data:write"))
        with pytest.raises(Forbidden):
            await write(bundoc, token("data:read"))


async def test_a_developer_who_is_no_member_reaches_nothing(bundoc: BundocService) -> None:
    outsider = Caller(CallerKind.DEVELOPER, project=P, developer=Developer("usr_eve", "", admin=True, session="ses_1"))

    for call in (*READS.values(), *WRITES.values(), *FEED.values()):
        with pytest.raises(Forbidden):
            await call(bundoc, outsider)
