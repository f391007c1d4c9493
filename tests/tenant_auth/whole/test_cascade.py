"""The documents of a deleted user are deleted after the user, also when the process dies in between."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import pytest

from bunbase.bundoc.service import BundocService
from bunbase.contracts.bundoc.documents import Query
from bunbase.contracts.bundoc.problems import DocumentReferenced
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.bunkms import Kms
from bunbase.contracts.caller import Caller
from bunbase.contracts.functions.problems import FunctionNotFound
from bunbase.contracts.functions.service import Functions
from bunbase.contracts.functions.triggers import NewJob
from bunbase.contracts.tenant_auth.bulk import BulkAction, BulkChange
from bunbase.contracts.tenant_auth.users import NewUser
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.errors import InvalidInput, Unreachable
from bunbase.pkg.modules import Rooms
from bunbase.tenant_auth.module import MODULE
from bunbase.tenant_auth.service import TenantAuthService
from tests.bundoc.engines import sqlite_engine
from tests.fakes import FakeKms
from tests.pkg.waiting import until_true
from tests.rooms import opened, secret_caller, site
from tests.tenant_auth.people import BAKERY, LIBRARY, change_settings, without_password

SERVER: Final = secret_caller(BAKERY)


class FakeFunctions:
    """A fake of Functions that keeps the jobs. If `away` is true, the room cannot be reached."""

    def __init__(self) -> None:
        self.jobs: list[NewJob] = []
        self.away = False

    async def enqueue(self, caller: Caller, new: NewJob) -> None:
        if self.away:
            raise Unreachable("functions are away")
        if new.function == "unknown":
            raise FunctionNotFound
        assert caller.project == BAKERY
        self.jobs.append(new)


class Interrupted(BaseException):
    """Takes the place of kill -9: nothing of the process runs after this exception."""


class Documents:
    """Bundoc, with a count of its commits, and a failure before the commit that a test chooses."""

    def __init__(self, bundoc: BundocService) -> None:
        self.query = bundoc.query
        self.bundoc = bundoc
        self.commits = 0
        self.before: Callable[[bytes], Awaitable[None]] | None = None

    async def commit(self, caller: Caller, body: bytes) -> Any:
        self.commits += 1
        if self.before is not None:
            await self.before(body)
        return await self.bundoc.commit(caller, body)

    async def add(self, collection: str, documents: list[dict[str, Any]], project: str = BAKERY) -> None:
        for start in range(0, len(documents), 500):
            writes = [
                {"op": "create", "collection": collection, "data": document}
                for document in documents[start : start + 500]
            ]
            await self.bundoc.commit(secret_caller(project), json.dumps({"writes": writes}).encode())

    async def left(self, collection: str, project: str = BAKERY) -> int:
        page = await self.bundoc.query(secret_caller(project), collection, Query(limit=1, count=True))
        return int(json.loads(page.body)["count"])


@pytest.fixture
async def documents(tmp_path: Path, kms: FakeKms) -> AsyncIterator[Documents]:
    async with sqlite_engine(tmp_path / "bundoc", kms) as engine:
        yield Documents(BundocService(engine))


@pytest.fixture
def functions() -> FakeFunctions:
    return FakeFunctions()


@pytest.fixture
async def room(
    tmp_path: Path,
    database_url: str,
    clock: ManualClock,
    kms: FakeKms,
    documents: Documents,
    functions: FakeFunctions,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[TenantAuthService]:
    monkeypatch.setattr("bunbase.tenant_auth.service.cascade.BATCH", 10)
    rooms = Rooms({Kms: kms, Bundoc: documents, Functions: functions})
    async with opened(MODULE, rooms, site(tmp_path, database_url, clock)) as service:
        yield service


async def waiting(room: TenantAuthService) -> int:
    return int(await room.stores.db.value("SELECT count(*) FROM outbox"))


async def test_documents_of_users_who_left_are_deleted_and_a_function_hears_of_each(
    room: TenantAuthService, documents: Documents, functions: FakeFunctions, clock: ManualClock
) -> None:
    await change_settings(
        room, deletion={"collections": {"posts": "meta.author", "gone": "x", "profiles": "_id"}, "function": "bye"}
    )
    eve = await without_password(room, "eve@example.com", clock)
    ids = [(await room.create_user(SERVER, NewUser(f"{n}@example.com"))).id for n in range(3)]
    uids = [eve.end_user().uid, *ids]
    for uid in (*uids, "usr_kept"):
        await documents.add("posts", [{"meta": {"author": uid}, "n": n} for n in range(45 if uid == ids[0] else 3)])
        await documents.add("profiles", [{"_id": uid, "name": "x"}])
    await documents.add("posts", [{"meta": {"author": ids[0]}}], LIBRARY)

    await room.delete_me(eve)
    await room.delete_user(SERVER, ids[0])
    await room.change_users(SERVER, BulkChange(BulkAction.DELETE, tuple(ids[1:])))

    async def done() -> bool:
        left = (await documents.left("posts"), await documents.left("profiles"))
        return (await waiting(room), left) == (0, (3, 1))

    await until_true(done)
    assert await documents.left("posts", LIBRARY) == 1
    assert {job.key for job in functions.jobs} == {f"deleted:{uid}" for uid in uids}
    assert functions.jobs[0].payload["event"] == "user_deleted"


async def test_a_deletion_that_was_cut_off_goes_on_with_the_rest(
    room: TenantAuthService, documents: Documents, functions: FakeFunctions
) -> None:
    await change_settings(room, deletion={"collections": {"posts": "author"}, "function": "bye"})
    id = (await room.create_user(SERVER, NewUser("eve@example.com"))).id
    await documents.add("posts", [{"author": id} for _ in range(35)])
    functions.away = True
    await room.delete_user(SERVER, id)

    async def tried() -> bool:
        return bool(await room.stores.db.value("SELECT max(attempts) FROM outbox"))

    await until_true(tried)
    assert await documents.left("posts") == 35
    functions.away = False

    async def cut_off(_body: bytes) -> None:
        if documents.commits == 3:
            raise Interrupted

    documents.before = cut_off
    await room.stores.db.execute("UPDATE outbox SET due_at = now()")
    with pytest.raises(Interrupted):
        await room.stores.outbox.relay(room.cascade.deliver)
    assert (await documents.left("posts"), await waiting(room)) == (15, 1)
    documents.before = None
    await room.stores.outbox.relay(room.cascade.deliver)
    assert (await documents.left("posts"), await waiting(room)) == (0, 0)


async def test_documents_that_cannot_be_deleted_stay_and_hold_up_nothing(
    room: TenantAuthService, documents: Documents
) -> None:
    await change_settings(room, deletion={"collections": {"posts": "author"}, "function": "unknown"})
    id = (await room.create_user(SERVER, NewUser("eve@example.com"))).id
    await documents.add("posts", [{"_id": f"p{n}", "author": id} for n in range(15)])

    async def referenced(body: bytes) -> None:
        if b'"p7"' in body:
            raise DocumentReferenced("p7 is referenced")

    documents.before = referenced
    await room.delete_user(SERVER, id)

    async def done() -> bool:
        return (await waiting(room), await documents.left("posts")) == (0, 1)

    await until_true(done)


async def test_nothing_follows_by_default_and_wrong_names_are_refused(
    room: TenantAuthService, documents: Documents
) -> None:
    id = (await room.create_user(SERVER, NewUser("eve@example.com"))).id
    await room.delete_user(SERVER, id)
    assert (await waiting(room), documents.commits) == (0, 0)
    for wrong in (
        {"collections": {"Posts": "author"}},
        {"collections": {"posts": "a b"}},
        {"collections": {"posts": "$where"}},
        {"collections": {"posts/../x": "author"}},
        {"function": "no name"},
    ):
        with pytest.raises(InvalidInput):
            await change_settings(room, deletion=wrong)
