"""Live queries of Bundoc work in the same way in this process and through an internal port."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from bunbase.bundoc.live.rounds import Late, RoundTime
from bunbase.bundoc.module import MODULE
from bunbase.contracts.bundoc.backups import JobState
from bunbase.contracts.bundoc.collections import CollectionSpec, Rules
from bunbase.contracts.bundoc.documents import NO_PRECONDITION
from bunbase.contracts.bundoc.live import Barrier, Behind, LiveQuery, NoLiveStream
from bunbase.contracts.bundoc.problems import RuleDenied
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.bunkms import Kms
from bunbase.contracts.caller import Caller, EndUser
from bunbase.contracts.storage import Storage
from bunbase.pkg.modules import Rooms
from tests.bundoc.backups.backed_up import NoFiles, ended
from tests.bundoc.live.model import Held, ModelEdge, whole
from tests.fakes import FakeKms
from tests.rooms import member_caller, opened, publishable_caller, secret_caller, site

CALLER = secret_caller("prj_a")
DEADLINE_SECONDS = 20.0


@pytest.fixture(params=["local", "remote"])
async def bundoc(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bundoc]:
    async with opened(MODULE, Rooms({Kms: FakeKms(), Storage: NoFiles()}), site(tmp_path), request.param) as service:
        yield service


@pytest.fixture
async def edge(bundoc: Bundoc) -> AsyncIterator[ModelEdge]:
    edge = ModelEdge(bundoc, "gateway", ignore)
    await edge.opened.wait()
    yield edge
    await edge.stop()


def ignore(_edge: ModelEdge, _barrier: Barrier) -> None:
    """The tests check the results of the edge, and not the barriers."""


def user(role: str) -> Caller:
    return publishable_caller("prj_a", EndUser("ada", None, role, {}, "ses_1"))


async def watched(bundoc: Bundoc, edge: ModelEdge, caller: Caller, number: int, query: LiveQuery) -> Held:
    held = edge.held[number] = Held(query, caller, [])
    await bundoc.watch(caller, edge.name, number, query)
    await until(lambda: held.started)
    return held


async def until(true: Callable[[], bool]) -> None:
    last = time.monotonic() + DEADLINE_SECONDS
    while not true():
        assert time.monotonic() < last, "it did not happen"
        await asyncio.sleep(0.005)


async def test_a_live_query_follows_writes_and_a_restore(bundoc: Bundoc, edge: ModelEdge) -> None:
    owner = member_caller("prj_a")
    await bundoc.put(CALLER, "posts", "a", b'{"n":1}', NO_PRECONDITION)
    made = await ended(bundoc, owner, await bundoc.create_backup(owner))
    held = await watched(bundoc, edge, CALLER, 1, LiveQuery("posts", sort=("-n",), limit=2, count=True))
    epoch = edge.at.partition(".")[0]

    await bundoc.put(CALLER, "posts", "b", b'{"n":2}', NO_PRECONDITION)
    await until(lambda: held.n == 2)
    assert [id for id, _ in held.docs] == ["b", "a"]
    assert held.docs[0][1] == (await bundoc.get(CALLER, "posts", "b")).body

    restored = await ended(bundoc, owner, await bundoc.restore_backup(owner, owner, made.backup))
    assert restored.state is JobState.DONE
    await until(lambda: held.n == 1)
    assert [id for id, _ in held.docs] == ["a"]
    assert edge.at.partition(".")[0] != epoch

    await bundoc.put(CALLER, "posts", "c", b'{"n":3}', NO_PRECONDITION)
    await until(lambda: [id for id, _ in held.docs] == ["c", "a"])


async def test_a_watch_is_refused_decided_again_and_forgotten(bundoc: Bundoc, edge: ModelEdge) -> None:
    await bundoc.put_collection(CALLER, "posts", CollectionSpec(rules=Rules(list="auth.role != 'banned'")))
    await bundoc.put(CALLER, "posts", "a", b"{}", NO_PRECONDITION)
    with pytest.raises(RuleDenied):
        await bundoc.watch(user("user"), edge.name, 9, LiveQuery("notes"))
    with pytest.raises(NoLiveStream):
        await bundoc.watch(user("user"), "another", 1, LiveQuery("posts"))
    held = await watched(bundoc, edge, user("user"), 1, LiveQuery("posts"))
    assert len(held.docs) == 1

    assert await bundoc.recheck(user("editor"), edge.name, (1, 2)) == ()
    assert await bundoc.recheck(user("banned"), edge.name, (1,)) == (1,)
    await until(lambda: held.docs == [])

    await bundoc.unwatch(edge.name, (1, 7))
    await watched(bundoc, edge, user("user"), 1, LiveQuery("posts"))


async def test_a_dear_watch_falls_behind_and_its_result_comes_apart(
    bundoc: Bundoc, edge: ModelEdge, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bundoc.put_collection(CALLER, "posts", CollectionSpec(rules=Rules(list="exists('gates', doc.gate)")))
    await bundoc.put(CALLER, "gates", "g", b"{}", NO_PRECONDITION)
    dear = await watched(bundoc, edge, user("user"), 1, LiveQuery("posts", count=True))
    cheap = await watched(bundoc, edge, CALLER, 2, LiveQuery("posts", count=True))
    monkeypatch.setattr(RoundTime, "lack", lambda _self, _job: Late.DEAR)

    await bundoc.put(CALLER, "posts", "a", b'{"gate":"g"}', NO_PRECONDITION)
    await until(lambda: dear.behind and cheap.n == 1)
    found = await bundoc.results(user("user"), (LiveQuery("posts", count=True), LiveQuery("posts", limit=0)))

    assert f"{found.epoch}.{found.seq}" == edge.at
    assert [id for id, _ in whole(found.results[0].body)[0]] == ["a"]
    assert found.results[1].problem is not None
    assert found.results[1].problem["code"] == "invalid_input"
    assert edge.behind == [Behind((1,), dear=True)]


async def test_a_deleted_project_ends_its_live_queries(bundoc: Bundoc, edge: ModelEdge) -> None:
    await watched(bundoc, edge, CALLER, 1, LiveQuery("posts"))

    await bundoc.drop_project("prj_a")

    await until(lambda: 1 in edge.ended)
    assert edge.ended[1]["code"] == "watched_project_deleted"
