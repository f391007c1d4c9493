"""The edge of channels, with a home that restarts, streams that break, and sessions that are blocked for a while."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bunbase.buncast.module import MODULE
from bunbase.contracts.buncast import (
    Buncast,
    ChannelRules,
    Channels,
    ChannelSpec,
    History,
    Joined,
    NewMessage,
    NotJoined,
)
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.caller import Caller, EndUser
from bunbase.gateway.live import channels as live_channels
from bunbase.gateway.live.channels import LiveChannels
from bunbase.gateway.live.joins import ChannelJoin, JoinMessage, PublishMessage
from bunbase.gateway.live.problems import UserChanged
from bunbase.gateway.live.settings import LiveSettings
from bunbase.gateway.live.usage import ConnectionUsage
from bunbase.gateway.live.writer import Writer
from bunbase.pkg.clock import SystemClock
from bunbase.pkg.errors import Problem, Unreachable
from bunbase.pkg.modules import Rooms
from bunbase.pkg.shares import Turns
from tests.buncast.model import until
from tests.rooms import opened, publishable_caller, secret_caller, site

SECRET = secret_caller("prj_a")
SPEC = ChannelSpec(ChannelRules("true", "true", "true"), History(messages=3), presence=True)


class Home:
    """A fake of Buncast. After a restart, it has only the definitions of channels."""

    def __init__(self, tmp_path: Path, database_url: str) -> None:
        self.where = site(tmp_path, database_url)
        self.stack = AsyncExitStack()
        self.service: Any = None
        self.failing: dict[str, bool] = {}  # These calls fail once.

    async def start(self) -> None:
        rooms = Rooms({Bundoc: None})
        self.service = await self.stack.enter_async_context(opened(MODULE, rooms, self.where))

    async def stop(self) -> None:
        service, self.service = self.service, None
        for edge in list(service.edges.values()):
            edge.close()
        await self.stack.aclose()

    def __getattr__(self, name: str) -> Any:
        if self.service is None or self.failing.pop(name, False):
            raise Unreachable("The home is down.")
        return getattr(self.service, name)


class FakeSession:
    """A session without a transport. `got`: the messages for the client."""

    def __init__(self, hall: FakeHall, name: str, caller: Caller) -> None:
        self.hall = hall
        self.id, self.resumes = name, ""
        self.caller = caller
        self.joins: dict[int, ChannelJoin] = {}
        self.blocked = 0
        self.closed = False
        self.got: list[dict[str, Any]] = []
        hall.sessions[self] = None

    def may_get(self, _now: float) -> bool:
        return not self.blocked

    def put(self, message: bytes) -> None:
        self.got.append(json.loads(message))

    def refuse(self, id: int | None, problem: Problem) -> None:
        self.got.append({"t": "error", "id": id, "problem": problem.body()})

    async def join(self, channel: str, **more: Any) -> ChannelJoin:
        join = ChannelJoin(self, JoinMessage(1, channel, **more))  # type: ignore[arg-type]  # a fake session
        self.joins[1] = join
        await self.hall.channels.begin(join)
        await until(lambda: bool(self.of("joined")))
        return join

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [one for one in self.got if one["t"] == kind]

    @property
    def data(self) -> list[Any]:
        """The data of all messages, replayed or not."""
        found = []
        for one in self.got:
            found += [each["data"] for each in one["messages"]] if one["t"] == "joined" else []
            found += [one["data"]] if one["t"] == "msg" else []
        return found


class FakeHall:
    def __init__(self, home: Home) -> None:
        self.sessions: dict[Any, None] = {}
        self.tasks: set[asyncio.Task[None]] = set()
        self.settings = LiveSettings()
        self.writer = Writer()
        self.usage = ConnectionUsage(home.add_live_usage, SystemClock())
        self.channels = LiveChannels(self, home)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    def check_feed(self) -> None:
        """In these tests, the feeds of revocations never fail."""


@pytest.fixture
async def home(tmp_path: Path, database_url: str) -> AsyncIterator[Home]:
    home = Home(tmp_path, database_url)
    await home.start()
    await home.put_channels(SECRET, Channels({"{room}": SPEC}))
    yield home
    await home.stop()


@pytest.fixture
async def hall(home: Home) -> AsyncIterator[FakeHall]:
    hall = FakeHall(home)
    follow = asyncio.create_task(hall.channels.follow())
    await hall.channels.open.wait()
    yield hall
    follow.cancel()
    await asyncio.gather(follow, *hall.tasks, return_exceptions=True)


def user(uid: str) -> Caller:
    return publishable_caller("prj_a", EndUser(uid, None, "user", {}, f"ses_{uid}"))


async def publish(buncast: Buncast, *data: int) -> None:
    await buncast.publish(SECRET, tuple([NewMessage("room", b"%d" % one) for one in data]))


async def test_complaint_29_after_a_restart_of_the_home_clients_are_told_that_messages_are_lost(
    home: Home, hall: FakeHall
) -> None:
    ada, eve = FakeSession(hall, "a", user("ada")), FakeSession(hall, "e", user("eve"))
    await ada.join("room", presence=msgspec.Raw(b'{"n":1}'))
    await eve.join("room")
    await publish(home, 1, 2)
    await until(lambda: ada.data == eve.data == [1, 2])

    await home.stop()
    await until(lambda: not hall.channels.open.is_set())
    await home.start()

    await until(lambda: len(ada.of("joined")) == len(eve.of("joined")) == 2)
    assert [one["lost"] for one in ada.of("joined")] == [False, True]
    await until(lambda: eve.of("joined")[1]["n"] == 1 or any(one["n"] == 1 for one in eve.of("members")))
    await publish(home, 3)
    await until(lambda: ada.data == eve.data == [1, 2, 3])


async def test_after_a_break_joins_come_back_in_turns_and_each_project_has_its_share(
    home: Home, hall: FakeHall, monkeypatch: pytest.MonkeyPatch
) -> None:
    """2,000 sessions with 100 channels each made 200,000 tasks at once."""
    slow, release, most, asked = publishable_caller("prj_slow"), asyncio.Event(), 8, [0]
    hall.channels.returns.turns = Turns(most)
    sessions = [FakeSession(hall, f"s{number}", slow) for number in range(20)]
    for session in sessions:
        for id in range(50):
            session.joins[id] = ChannelJoin(session, JoinMessage(id, f"room_{id}"))  # type: ignore[arg-type]
    ada = FakeSession(hall, "a", user("ada"))
    join = home.service.join

    async def held(caller: Caller, *others: Any) -> Any:
        if caller is slow:
            asked[0] += 1
            await release.wait()
            raise NotJoined("no such channel")
        return await join(caller, *others)

    monkeypatch.setattr(home.service, "join", held)
    await ada.join("room")

    home.service.edges[hall.channels.edge].close()

    await until(lambda: len(ada.of("joined")) == 2)
    await until(lambda: asked[0] > 0)
    assert len(hall.tasks) <= most + 2  # the tasks of the places, and two for a project that waits
    assert asked[0] <= most // 2
    release.set()
    await until(lambda: asked[0] == 20 * 50)
    await until(lambda: not hall.channels.returns.waiting and hall.channels.returns.turns.idle)


async def test_complaint_28_members_of_an_edge_that_is_gone_leave_and_those_of_a_broken_stream_stay(
    home: Home, hall: FakeHall
) -> None:
    other = FakeHall(home)
    following = asyncio.create_task(other.channels.follow())
    await other.channels.open.wait()
    watcher = FakeSession(hall, "w", user("eve"))
    await watcher.join("room")
    ada, bob = FakeSession(hall, "a", user("ada")), FakeSession(other, "b", user("bob"))
    m = (await ada.join("room", presence=msgspec.Raw(b"1"))) and ada.of("joined")[0]["m"]
    await bob.join("room", presence=msgspec.Raw(b"2"))
    await until(lambda: watcher.of("members") != [] and watcher.of("members")[-1]["n"] == 2)

    home.service.edges[hall.channels.edge].close()
    await until(lambda: len(ada.of("joined")) == 2)
    assert ada.of("joined")[1]["m"] == m
    assert ada.of("joined")[1]["lost"] is False

    following.cancel()  # The other process is killed.
    began = time.monotonic()
    await until(lambda: watcher.of("members")[-1]["n"] == 1)
    assert time.monotonic() - began > 3  # The member stays in the list until its lease ends.
    left = [name for one in watcher.of("members") for name in one.get("leave", ())]
    assert left == [bob.of("joined")[0]["m"]]


async def test_a_member_leaves_although_the_first_call_that_tells_it_is_lost(
    home: Home, hall: FakeHall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_channels, "AGAIN_SECONDS", 0.01)
    ada, eve = FakeSession(hall, "a", user("ada")), FakeSession(hall, "e", user("eve"))
    await ada.join("room", presence=msgspec.Raw(b"1"))
    await eve.join("room")
    assert eve.of("joined")[0]["n"] == 1

    home.failing["leave"] = True
    hall.channels.end_all(ada, UserChanged())  # type: ignore[arg-type]  # a fake session

    await until(lambda: eve.of("members") != [] and eve.of("members")[-1]["n"] == 0)
    assert not home.failing


async def test_a_blocked_session_gets_what_it_missed_or_is_told_what_is_lost(home: Home, hall: FakeHall) -> None:
    ada, eve = FakeSession(hall, "a", user("ada")), FakeSession(hall, "e", user("eve"))
    await ada.join("room")
    await eve.join("room")
    await publish(home, 1)
    await until(lambda: ada.data == [1])

    ada.blocked = 1
    await publish(home, 2, 3)
    await until(lambda: eve.data == [1, 2, 3])
    assert ada.data == [1]
    ada.blocked = 0
    hall.channels.catch_up(ada)  # type: ignore[arg-type]  # a fake session
    await until(lambda: ada.data == [1, 2, 3])
    assert ada.of("joined")[-1]["lost"] is False

    ada.blocked = 1
    await publish(home, 4, 5, 6, 7)
    await until(lambda: eve.data[-1] == 7)
    ada.blocked = 0
    hall.channels.catch_up(ada)  # type: ignore[arg-type]  # a fake session
    await until(lambda: ada.data == [1, 2, 3, 5, 6, 7])
    assert ada.of("joined")[-1]["lost"] is True
    await publish(home, 8)
    await until(lambda: ada.data[-1] == eve.data[-1] == 8)


async def test_an_answer_that_was_decided_for_the_caller_before_is_not_delivered(home: Home, hall: FakeHall) -> None:
    ada = FakeSession(hall, "a", user("ada"))
    join = await ada.join("room")
    on_its_way = Joined(join.number, join.handle, join.epoch, 5, True, b'"messages":["of before"],"lost":false')
    ada.got.clear()

    await hall.channels.recheck(ada)  # type: ignore[arg-type]  # a fake session
    home.service.edges[hall.channels.edge].put(on_its_way)
    await until(lambda: bool(ada.of("joined")))
    await publish(home, 1)
    await until(lambda: ada.data == [1])

    assert len(ada.of("joined")) == 1


async def test_a_message_without_an_echo_is_answered_at_its_place(home: Home, hall: FakeHall) -> None:
    ada, eve = FakeSession(hall, "a", user("ada")), FakeSession(hall, "e", user("eve"))
    await ada.join("room")
    await eve.join("room")

    for id in range(2, 22):
        message = PublishMessage(id, "room", msgspec.Raw(b"%d" % id), echo=id % 2 == 0)
        await hall.channels.publish(ada, message)  # type: ignore[arg-type]  # a fake session
        await publish(home, 100)
    await until(lambda: len(eve.data) == 40)

    await until(lambda: len(ada.of("ok")) == 20)
    silent = {one["offset"] for one in ada.of("ok") if one["id"] % 2}
    placed = [one for one in ada.got if one["t"] == "msg" or (one["t"] == "ok" and one["offset"] in silent)]
    offsets = [one["offset"] for one in placed]
    assert offsets == list(range(1, 41))
    assert hall.channels.silent == {}


class NeverSearched(dict[int, Any]):
    """A dict whose entries are found by their keys alone."""

    def items(self) -> Any:
        raise AssertionError("the work would grow with the messages of all clients")

    __iter__ = values = items


async def test_a_message_without_an_echo_is_answered_if_its_publisher_leaves_and_no_join_searches_all_of_them(
    home: Home, hall: FakeHall
) -> None:
    ada, eve = FakeSession(hall, "a", user("ada")), FakeSession(hall, "e", user("eve"))
    join, other = await ada.join("room"), await eve.join("room")
    hall.channels.silent = NeverSearched()
    for id in (2, 3):
        message = PublishMessage(id, "room", msgspec.Raw(b"1"), echo=False)
        await hall.channels.publish(ada, message)  # type: ignore[arg-type]  # a fake session

    del ada.joins[join.id]
    hall.channels.forget(join)
    hall.channels._broke()
    hall.channels.leave(eve)  # type: ignore[arg-type]  # a fake session

    assert sorted(one["id"] for one in ada.of("ok")) == [2, 3]
    assert (len(hall.channels.silent), other.number) == (0, 0)
