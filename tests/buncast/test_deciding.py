"""Repeated decisions of rules: the callers take turns, and each document is read only once."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from bunbase.buncast.deciding import Pending
from bunbase.buncast.edge import EdgeStream, Subscription
from bunbase.buncast.service import BuncastService
from bunbase.buncast.settings import BuncastSettings
from bunbase.contracts.buncast import ChannelRules, Channels, ChannelSpec, Join
from bunbase.contracts.bundoc.documents import ChangeEntry, Changes, Document
from bunbase.contracts.bundoc.problems import DocumentNotFound
from bunbase.contracts.caller import Caller, EndUser
from bunbase.pkg.clock import SystemClock
from tests.buncast.model import ModelEdge, until
from tests.buncast.rooms import PROJECT, SECRET, FakeStore
from tests.rooms import publishable_caller

MANY = 400


def user(uid: str) -> Caller:
    return publishable_caller(PROJECT, EndUser(uid, None, "user", {}, f"ses_{uid}"))


class FakeBundoc:
    """`reads`: the documents that were read, in their order. `ids`: the documents that exist."""

    def __init__(self) -> None:
        self.reads: list[str] = []
        self.ids = {"ada", "eve"}
        self.news: asyncio.Queue[tuple[ChangeEntry, ...]] = asyncio.Queue()
        self.seq = 0

    async def get(self, _caller: Caller, _collection: str, id: str) -> Document:
        self.reads.append(id)
        await asyncio.sleep(0)
        if id not in self.ids:
            raise DocumentNotFound("There is none.")
        return cast(Document, type("Found", (), {"body": b"{}"}))

    async def changes(self, _caller: Caller, _since: int, _limit: int, wait: float) -> Changes:
        return Changes(await self.news.get() if wait else (), self.seq)

    def change(self, *ids: str) -> None:
        entries = tuple([cast(Any, type("Change", (), {"collection": "profiles", "id": id})) for id in ids])
        self.news.put_nowait(entries)


async def test_a_member_who_loses_its_right_does_not_wait_for_the_channels_of_others() -> None:
    bundoc = FakeBundoc()
    service = BuncastService(cast(Any, FakeStore()), cast(Any, bundoc), SystemClock(), BuncastSettings())
    rule = ChannelRules("exists('profiles', auth.uid)", "true")
    await service.put_channels(SECRET, Channels({"rooms/{room}": ChannelSpec(rule)}))
    edge = ModelEdge(service, "edge")
    await edge.opened.wait()
    for number in range(MANY):
        await edge.join(user("eve"), number, Join(f"rooms/{number}"))
    ada = await edge.join(user("ada"), MANY, Join("rooms/0"))
    bundoc.reads.clear()

    bundoc.ids.remove("ada")
    bundoc.change("eve", "ada")
    await until(lambda: ada.ended is not None)
    await service.projects[PROJECT].settled()

    assert bundoc.reads.index("ada") <= 3, "the decisions of the other user came first"
    assert bundoc.reads.count("eve") <= MANY / 4, "each of them read the document"
    await edge.stop()
    await service.close()


def test_callers_take_turns() -> None:
    edge, pending = EdgeStream("edge", 0.0), Pending()
    made = [Subscription(edge, number, user(uid), "a", "c") for number, uid in enumerate(["eve"] * 5 + ["ada", "bob"])]
    for one in made:
        pending.add(one)
        pending.add(one)
    pending.discard(made[1])

    assert [one.number for one in pending.take(4)] == [0, 5, 6, 2]
    assert [one.number for one in pending.take(9)] == [3, 4]
    assert len(pending) == 0
