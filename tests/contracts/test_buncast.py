"""The contract of Buncast holds in this process and behind an internal port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from bunbase.buncast.module import MODULE
from bunbase.bundoc.module import MODULE as BUNDOC
from bunbase.contracts.buncast import (
    Buncast,
    ChannelRules,
    Channels,
    ChannelSpec,
    History,
    InvalidChannel,
    Join,
    MessageTooLarge,
    NewMessage,
    NoChannelStream,
    NoPresence,
    NotJoined,
    Position,
    Publication,
)
from bunbase.contracts.bundoc.documents import NO_PRECONDITION
from bunbase.contracts.bundoc.problems import RuleDenied
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.bunkms import Kms
from bunbase.contracts.caller import Caller, EndUser
from bunbase.contracts.idempotency import IdempotencyMismatch
from bunbase.pkg.clock import SystemClock
from bunbase.pkg.errors import Forbidden, InvalidInput
from bunbase.pkg.modules import Rooms
from bunbase.pkg.rules.refusal import InvalidRule
from bunbase.pkg.usage.batches import Amount, Batch, hour_of
from bunbase.pkg.usage.dimensions import Dimension
from tests.buncast.model import Held, ModelEdge, until
from tests.fakes import FakeKms
from tests.rooms import opened, publishable_caller, secret_caller, site

SECRET = secret_caller("prj_a")
VISITOR = publishable_caller("prj_a")
MEMBERSHIP = "auth != null && exists('members', params.room + '_' + auth.uid)"
SPECS = {
    "open/{room}": ChannelSpec(
        ChannelRules("true", "auth != null", "auth != null || message == null"), History(messages=3), presence=True
    ),
    "rooms/{room}": ChannelSpec(
        ChannelRules(MEMBERSHIP, MEMBERSHIP + " && size(message.text) < 10", MEMBERSHIP), presence=True
    ),
    "silent": ChannelSpec(ChannelRules("true", "true")),
}

Opened = Callable[[str], Awaitable[ModelEdge]]


@pytest.fixture
async def bundoc(tmp_path: Path) -> AsyncIterator[Bundoc]:
    async with opened(BUNDOC, Rooms({Kms: FakeKms()}), site(tmp_path)) as service:
        yield service


@pytest.fixture(params=["local", "remote"])
async def buncast(
    request: pytest.FixtureRequest, tmp_path: Path, database_url: str, bundoc: Bundoc
) -> AsyncIterator[Buncast]:
    async with opened(MODULE, Rooms({Bundoc: bundoc}), site(tmp_path, database_url), request.param) as service:
        await service.put_channels(SECRET, Channels(SPECS))
        yield service


@asynccontextmanager
async def opened_edge(buncast: Buncast, name: str = "edge") -> AsyncIterator[ModelEdge]:
    edge = ModelEdge(buncast, name)
    await edge.opened.wait()
    try:
        yield edge
    finally:
        await edge.stop()


@pytest.fixture
async def edge(buncast: Buncast) -> AsyncIterator[ModelEdge]:
    async with opened_edge(buncast) as edge:
        yield edge
        assert edge.failure is None


def user(uid: str) -> Caller:
    return publishable_caller("prj_a", EndUser(uid, None, "user", {}, f"ses_{uid}"))


async def say(buncast: Buncast, channel: str, *data: bytes, by: Caller = SECRET) -> list[int]:
    done = await buncast.publish(by, tuple([NewMessage(channel, one) for one in data]))
    return [one.offset for one in done.items]


def ended(held: Held) -> str:
    return "" if held.ended is None else str(held.ended["code"])


async def test_all_subscriptions_get_the_messages_of_a_channel_in_the_same_order(
    buncast: Buncast, edge: ModelEdge
) -> None:
    async with opened_edge(buncast, "another edge") as other:
        near = await edge.join(VISITOR, 1, Join("open/1"))
        far = await other.join(user("ada"), 1, Join("open/1"))
        publishers = [say(buncast, "open/1", *[b"%d" % n] * 5, by=user("ada")) for n in range(20)]
        offsets = await asyncio.gather(*publishers)

        await until(lambda: len(near.data) == len(far.data) == 100)
        assert near.data == far.data
        assert sorted(offset for some in offsets for offset in some) == list(range(1, 101))
        assert set(near.froms) == {"ada"}
        assert near.lost == far.lost == 0


async def test_a_channel_replays_what_it_keeps_and_tells_what_is_lost(buncast: Buncast, edge: ModelEdge) -> None:
    first = await edge.join(SECRET, 1, Join("open/1", since="start"))
    assert (first.data, first.lost) == ([], 0)
    await say(buncast, "open/1", b"1", b"2")
    await until(lambda: first.data == [1, 2])
    at = first.position
    await buncast.leave("edge", (1,))
    await say(buncast, "open/1", b"3", b"4", b"5")

    whole = await edge.join(SECRET, 2, Join("open/1", since=at))
    assert (whole.data, whole.lost) == ([3, 4, 5], 0)
    gap = await edge.join(SECRET, 3, Join("open/1", since=Position(at.epoch, 1)))
    assert (gap.data, gap.lost) == ([3, 4, 5], 1)
    strange = await edge.join(SECRET, 4, Join("open/1", since=Position("another", 2)))
    assert (strange.data, strange.lost) == ([3, 4, 5], 1)
    start = await edge.join(SECRET, 5, Join("open/1", since="start"))
    assert (start.data, start.lost) == ([3, 4, 5], 0)
    await buncast.replay("edge", 2, Position(at.epoch, 4))
    await until(lambda: whole.joined == 2)
    assert whole.data == [3, 4, 5]


async def test_a_message_that_nobody_hears_has_no_place(buncast: Buncast, edge: ModelEdge) -> None:
    assert await say(buncast, "silent", b"1", b"2") == [0, 0]
    held = await edge.join(SECRET, 1, Join("silent", since="start"))
    assert await say(buncast, "silent", b"3") == [1]
    await until(lambda: held.data == [3])


async def test_a_key_makes_a_repetition_harmless(buncast: Buncast, edge: ModelEdge) -> None:
    held = await edge.join(SECRET, 1, Join("open/1"))
    keyed = NewMessage("open/1", b'{"n":1}', key="k")
    first = (await buncast.publish(user("ada"), (keyed,))).items
    assert await say(buncast, "open/1", b"2") == [2]
    assert await buncast.publish(user("ada"), (keyed, keyed)) == Publication((*first, *first))
    assert (await buncast.publish(user("eve"), (keyed,))).items[0].offset == 3
    with pytest.raises(IdempotencyMismatch):
        await buncast.publish(user("ada"), (NewMessage("open/1", b"3", key="k"),))

    whole = (NewMessage("open/1", b"4"), NewMessage("silent", b"5"))
    done = await buncast.publish(SECRET, whole, "call")
    assert await buncast.publish(SECRET, whole, "call") == Publication(done.items, replayed=True)
    with pytest.raises(IdempotencyMismatch):
        await buncast.publish(SECRET, whole[:1], "call")
    await until(lambda: held.data == [{"n": 1}, 2, {"n": 1}, 4])


async def test_rules_decide_about_end_users(buncast: Buncast, edge: ModelEdge, bundoc: Bundoc) -> None:
    with pytest.raises(RuleDenied):
        await edge.join(user("ada"), 1, Join("rooms/7"))
    with pytest.raises(RuleDenied):
        await edge.join(user("ada"), 1, Join("unknown"))
    with pytest.raises(RuleDenied) as refused:
        await buncast.publish(VISITOR, (NewMessage("silent", b"1"), NewMessage("open/1", b"2")))
    assert refused.value.extra["message"] == 1
    await bundoc.put(SECRET, "members", "7_ada", b"{}", NO_PRECONDITION)

    await edge.join(user("ada"), 1, Join("rooms/7"))
    await say(buncast, "rooms/7", b'{"text":"hello"}', by=user("ada"))
    with pytest.raises(RuleDenied):
        await say(buncast, "rooms/7", b'{"text":"much too long"}', by=user("ada"))
    with pytest.raises(RuleDenied):
        await say(buncast, "rooms/8", b'{"text":"hello"}', by=user("ada"))


async def test_a_refusal_has_the_reason_for_those_who_may_know_it(
    buncast: Buncast, edge: ModelEdge, bundoc: Bundoc
) -> None:
    eve = user("eve")
    asking = msgspec.structs.replace(eve, explain=True)
    await bundoc.put(SECRET, "members", "8_eve", b"{}", NO_PRECONDITION)
    await edge.join(asking, 90, Join("open/1"))

    async def refused(caller: Caller, channel: str, data: bytes | None = None) -> RuleDenied:
        new = () if data is None else (NewMessage(channel, data),)
        asked = buncast.publish(caller, new) if new else buncast.join(caller, "edge", 91, Join(channel))
        with pytest.raises(RuleDenied) as found:
            await asked
        return found.value

    joined = await refused(asking, "rooms/7")
    assert (joined.extra["rule"], joined.extra["pattern"]) == ("subscribe", "rooms/{room}")
    values = {step["expr"]: step.get("value") for step in joined.extra["trace"]}
    assert values["params.room"] == "7"
    assert values["exists('members', params.room + '_' + auth.uid)"] is False

    published = await refused(asking, "rooms/8", b'{"text":"much too long"}')
    values = {step["expr"]: step.get("value") for step in published.extra["trace"]}
    assert (published.extra["rule"], published.extra["message"]) == ("publish", 0)
    assert (values["size(message.text)"], values["size(message.text) < 10"]) == (13, False)

    with pytest.raises(RuleDenied) as presence:
        await buncast.join(msgspec.structs.replace(VISITOR, explain=True), "edge", 92, Join("open/2", None, b"1"))
    assert {step["expr"]: step.get("value") for step in presence.value.extra["trace"]}["message"] == 1

    assert "no pattern matches" in (await refused(asking, "nowhere")).extra["trace"][0]["error"]
    hidden = await refused(eve, "rooms/7")
    assert set(hidden.extra) == {"rule", "channel"}
    assert "X-Bunbase-Explain" in str(hidden.detail)


async def test_a_subscription_ends_when_the_membership_is_deleted(
    buncast: Buncast, edge: ModelEdge, bundoc: Bundoc
) -> None:
    for uid in ("ada", "eve"):
        await bundoc.put(SECRET, "members", f"7_{uid}", b"{}", NO_PRECONDITION)
    ada = await edge.join(user("ada"), 1, Join("rooms/7", presence=b'{"name":"Ada"}', connection="a"))
    eve = await edge.join(user("eve"), 2, Join("rooms/7"))
    await until(lambda: eve.n == 1)

    await bundoc.delete(SECRET, "members", "7_ada", NO_PRECONDITION)

    await until(lambda: ended(ada) == "rule_denied")
    await until(lambda: eve.n == 0)
    await say(buncast, "rooms/7", b"1")
    await until(lambda: eve.data == [1])
    assert ada.data == []
    with pytest.raises(NotJoined):
        await buncast.replay("edge", 1, ada.position)


async def test_new_rules_end_the_subscriptions_that_they_deny(buncast: Buncast, edge: ModelEdge) -> None:
    held = await edge.join(VISITOR, 1, Join("open/1"))
    kept = await edge.join(user("ada"), 2, Join("open/1"))
    stricter = {**SPECS, "open/{room}": ChannelSpec(ChannelRules("auth != null"))}

    assert await buncast.put_channels(SECRET, Channels(stricter)) == Channels(stricter)

    await until(lambda: ended(held) == "rule_denied")
    assert await buncast.channels(SECRET) == Channels(stricter)
    # The connection saw the members, and the channel has no members any more.
    await until(lambda: ended(kept) == "rule_denied")
    rejoined = await edge.join(user("ada"), 3, Join("open/1"))
    assert rejoined.n is None


async def test_members_enter_update_and_leave(buncast: Buncast, edge: ModelEdge) -> None:
    seen = await edge.join(VISITOR, 1, Join("open/1"))
    assert (seen.n, seen.members) == (0, {})
    ada = await edge.join(user("ada"), 2, Join("open/1", presence=b'{"n": 1}', connection="a"))
    assert ada.members is not None
    assert ada.members[ada.m] == {"m": ada.m, "uid": "ada", "data": {"n": 1}}
    await until(lambda: seen.members == ada.members)

    await buncast.set_presence(user("ada"), "edge", 2, b'{"n":2}')
    await until(lambda: seen.members == {ada.m: {"m": ada.m, "uid": "ada", "data": {"n": 2}}})
    assert [set(frame) for frame in seen.frames] == [{"enter", "n"}, {"update", "n"}]

    await buncast.set_presence(user("ada"), "edge", 2, None)
    await until(lambda: seen.members == {})
    assert ada.ended is None
    await buncast.set_presence(user("ada"), "edge", 2, b"3")
    await until(lambda: seen.n == 1)
    with pytest.raises(RuleDenied):
        await buncast.set_presence(VISITOR, "edge", 1, b"1")


async def test_a_resumed_connection_stays_the_same_member(buncast: Buncast, edge: ModelEdge) -> None:
    seen = await edge.join(VISITOR, 1, Join("open/1"))
    first = await edge.join(user("ada"), 2, Join("open/1", presence=b"1", connection="a"))
    await until(lambda: seen.n == 1)
    await buncast.leave("edge", (2,), closed=True)

    stolen = await edge.join(user("eve"), 3, Join("open/1", presence=b"1", connection="c", resumes="a"))
    assert stolen.m != first.m
    second = await edge.join(user("ada"), 4, Join("open/1", presence=b"1", connection="b", resumes="a"))
    assert second.m == first.m
    await buncast.leave("edge", (3,))
    await until(lambda: seen.n == 1)
    assert list(seen.members or ()) == [first.m]
    await buncast.leave("edge", (4,), closed=True)
    await until(lambda: seen.n == 0)
    leaves = [frame["leave"] for frame in seen.frames if "leave" in frame]
    assert leaves == [[stolen.m], [first.m]]


async def test_a_recheck_decides_for_the_new_caller(buncast: Buncast, edge: ModelEdge, bundoc: Bundoc) -> None:
    await bundoc.put(SECRET, "members", "7_ada", b"{}", NO_PRECONDITION)
    held = await edge.join(user("ada"), 1, Join("rooms/7"))
    await edge.join(VISITOR, 2, Join("silent"))

    assert await buncast.recheck(user("ada"), "edge", (1, 2, 9)) == ()
    assert await buncast.recheck(VISITOR, "edge", (1, 2)) == (1,)
    await until(lambda: ended(held) == "rule_denied")


async def test_a_member_is_never_that_of_another_user_than_the_caller(buncast: Buncast, edge: ModelEdge) -> None:
    watcher = await edge.join(VISITOR, 1, Join("open/7"))
    await edge.join(user("ada"), 2, Join("open/7", None, b'{"name":"Ada"}', "c2"))
    await until(lambda: [one["uid"] for one in (watcher.members or {}).values()] == ["ada"])

    assert await buncast.recheck(user("eve"), "edge", (2,)) == ()
    await until(lambda: watcher.members == {})
    await buncast.set_presence(user("eve"), "edge", 2, b'{"name":"Eve"}')
    await until(lambda: [one["uid"] for one in (watcher.members or {}).values()] == ["eve"])
    await buncast.set_presence(user("bob"), "edge", 2, b'{"name":"Bob"}')

    await until(lambda: [one["uid"] for one in (watcher.members or {}).values()] == ["bob"])


async def test_a_new_stream_of_an_edge_ends_the_older_one(buncast: Buncast, edge: ModelEdge) -> None:
    await edge.join(VISITOR, 1, Join("silent"))
    async with opened_edge(buncast) as newer:
        held = await newer.join(VISITOR, 1, Join("silent"))
        await say(buncast, "silent", b"1")
        await until(lambda: held.data == [1])
        await until(edge.task.done)
    edge.failure = None


async def test_a_deleted_project_ends_its_subscriptions(buncast: Buncast, edge: ModelEdge) -> None:
    held = await edge.join(VISITOR, 1, Join("silent"))

    await buncast.drop_project("prj_a")
    await buncast.drop_project("prj_a")

    await until(lambda: ended(held) == "channel_project_deleted")
    assert await buncast.channels(SECRET) == Channels()


async def test_bad_input_is_refused(buncast: Buncast, edge: ModelEdge) -> None:
    for name in ("", "a\nb", "x" * 201):
        with pytest.raises(InvalidInput):
            await edge.join(SECRET, 1, Join(name))
        with pytest.raises(InvalidInput):
            await say(buncast, name, b"1")
    with pytest.raises(InvalidInput):
        await say(buncast, "silent", b"{")
    with pytest.raises(InvalidInput):
        await say(buncast, "silent")
    with pytest.raises(MessageTooLarge):
        await say(buncast, "silent", b'"' + b"x" * (32 << 10) + b'"')
    with pytest.raises(MessageTooLarge):
        await edge.join(SECRET, 1, Join("open/1", presence=b'"' + b"x" * (2 << 10) + b'"'))
    with pytest.raises(NoPresence):
        await edge.join(SECRET, 1, Join("silent", presence=b"1"))
    with pytest.raises(NoChannelStream):
        await buncast.join(SECRET, "no edge", 1, Join("silent"))
    with pytest.raises(NoChannelStream):
        await buncast.beat("no edge")
    with pytest.raises(NotJoined):
        await buncast.set_presence(SECRET, "edge", 7, b"1")
    await buncast.beat("edge")
    await buncast.leave("edge", (7,))
    with pytest.raises(Forbidden):
        await buncast.channels(VISITOR)
    with pytest.raises(Forbidden):
        await buncast.put_channels(VISITOR, Channels())
    with pytest.raises(InvalidChannel):
        await buncast.put_channels(SECRET, Channels({"a/{b": ChannelSpec()}))
    with pytest.raises(InvalidRule):
        await buncast.put_channels(SECRET, Channels({"a/{b}": ChannelSpec(ChannelRules("params.c == '1'"))}))


async def test_usage_counts_each_batch_once_and_each_published_message(buncast: Buncast) -> None:
    now = SystemClock().now()
    hour = hour_of(now)
    amounts = (
        Amount("prj_a", Dimension.RT_CONNECTION_SECONDS, hour, 90),
        Amount("prj_a", Dimension.RT_MESSAGES, hour, 7),
        Amount("prj_b", Dimension.RT_MESSAGES, hour, 1),
    )
    batch = Batch[None]("wrt_one", 1, amounts)

    first, again = [await buncast.add_live_usage(batch, now) for _ in range(2)]
    await buncast.publish(SECRET, (NewMessage("silent", b"1"), NewMessage("silent", b"2", "once")))
    await buncast.publish(SECRET, (NewMessage("silent", b"2", "once"),))

    assert (first.new, again.new) == (True, False)
    hours = await buncast.live_usage("prj_a", hour, 2)
    assert sum(one.published for one in hours) == 2  # These counts may belong to a different hour than the batch.
    assert (hours[-1].hour, hours[-1].connection_seconds, hours[-1].delivered) == (hour, 90, 7)
    assert await buncast.live_usage("prj_c", hour, 2) == ()
