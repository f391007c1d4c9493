from __future__ import annotations

import pytest

from bunbase.buncast.buckets import Bucket
from bunbase.buncast.edge import EdgeStream
from bunbase.buncast.sent_keys import KEPT_SECONDS, SentKeys
from bunbase.buncast.service import BuncastService
from bunbase.contracts.buncast import (
    ChannelRules,
    ChannelSpec,
    Join,
    Message,
    NewMessage,
    Published,
    PublishLimited,
    TooManyMembers,
)
from bunbase.contracts.caller import Caller, CallerKind, EndUser
from bunbase.pkg.idempotency import Attempt
from tests.buncast.model import ModelEdge
from tests.buncast.rooms import PROJECT, SECRET, opened_buncast
from tests.rooms import publishable_caller

OPEN = {"open/{x}": ChannelSpec(ChannelRules("true", "true", "true"), presence=True)}
RESULT = (Published("a", "e", 1),)
LARGE = b'"' + b"x" * 2000 + b'"'


def test_a_bucket_allows_its_rate_and_a_burst_of_one_second() -> None:
    bucket = Bucket(10, 0.0)
    assert bucket.has(10, 0.0)
    bucket.take(10)
    assert not bucket.has(1, 0.05)
    assert bucket.has(1, 0.11)
    assert not bucket.full(0.5)
    assert bucket.full(1.1)
    assert bucket.has(50, 2.0)  # When the bucket is full, more than the burst is allowed.
    bucket.take(50)
    assert not bucket.has(1, 5.9)


def test_keys_are_kept_for_two_minutes_and_are_bounded() -> None:
    keys = SentKeys(most=2, most_of_one=2)
    keys.keep(Attempt(b"1", b"r"), RESULT, "", 0.0)
    keys.keep(Attempt(b"2", b"r"), RESULT, "", 1.0)
    assert keys.find(Attempt(b"1", b"r"), 100.0) == RESULT
    with pytest.raises(PublishLimited):
        keys.check_room("", 1, 100.0)
    keys.check_room("", 0, 100.0)
    keys.check_room("", 1, KEPT_SECONDS)
    assert keys.find(Attempt(b"1", b"r"), KEPT_SECONDS) is None
    assert len(keys) == 1


async def test_an_edge_that_reads_too_slowly_loses_its_stream() -> None:
    stream = EdgeStream("edge", 0.0, max_bytes=1000)
    for offset in range(3):
        stream.put(Message("c", offset, b"x" * 100))
    assert await stream.next(1) == tuple([Message("c", offset, b"x" * 100) for offset in range(3)])
    assert await stream.next(0.001) == ()

    for offset in range(4):
        stream.put(Message("c", offset, b"x" * 100))

    assert await stream.next(1) is None
    assert stream.behind


def user(uid: str) -> Caller:
    return publishable_caller(PROJECT, EndUser(uid, None, "user", {}, f"ses_{uid}"))


def visitor(ip: str) -> Caller:
    return Caller(CallerKind.PUBLISHABLE, project=PROJECT, ip=ip)


async def publish(service: BuncastService, caller: Caller, count: int, key: str = "") -> bool:
    """Return False if a limit refuses the messages."""
    messages = [NewMessage(f"open/{n}", b"1", f"{key}-of-a-call-{n:06}" if key else "") for n in range(count)]
    try:
        await service.publish(caller, tuple(messages))
    except PublishLimited:
        return False
    return True


ONE, SAME, OTHER = visitor("2001:db8::1"), visitor("2001:db8::2"), visitor("2001:db8:1::1")
CALLERS = [(user("ada"), user("ada"), user("bob")), (ONE, SAME, OTHER), (ONE, SAME, user("bob"))]


@pytest.mark.parametrize(("first", "same", "other"), CALLERS)
async def test_one_caller_cannot_use_up_the_message_keys_of_all(first: Caller, same: Caller, other: Caller) -> None:
    async with opened_buncast(OPEN, caller_message_keys=10, project_message_keys=22) as service:
        assert await publish(service, first, 10, "a")
        assert not await publish(service, same, 1, "b")
        assert await publish(service, same, 10)  # These messages have no keys.
        assert await publish(service, other, 10, "c")
        assert not await publish(service, SECRET, 3, "d")  # The project has used all of its keys.
        assert await publish(service, SECRET, 2, "d")


@pytest.mark.parametrize(("first", "same", "other"), CALLERS)
async def test_one_caller_cannot_use_up_the_messages_of_all(
    first: Caller, same: Caller, other: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(BuncastService, "monotonic", staticmethod(lambda: now[0]))
    async with opened_buncast(OPEN, caller_messages_per_second=10, project_messages_per_second=1000) as service:
        assert await publish(service, first, 10)
        assert not await publish(service, same, 10)
        assert await publish(service, other, 10)
        assert await publish(service, SECRET, 100)

        now[0] += 0.5
        await service.trim()
        assert service.projects[PROJECT].project.callers != {}
        assert not await publish(service, first, 6)
        assert await publish(service, first, 5)
        now[0] += 1.0  # the buckets are full again
        await service.trim()

        assert service.projects[PROJECT].project.callers == {}


@pytest.mark.parametrize(("first", "same", "other"), CALLERS)
async def test_one_caller_cannot_fill_the_members_of_all(first: Caller, same: Caller, other: Caller) -> None:
    data = b'"' + b"x" * 2000 + b'"'
    async with opened_buncast(OPEN, caller_members_mib=1, members_mib=2) as service:
        edge = ModelEdge(service, "edge")
        await edge.opened.wait()
        entered = 0
        while service.projects[PROJECT].project.members_size.bytes < (1 << 20) - 2302:
            one = (first, same)[entered % 2]
            await service.join(one, "edge", entered, Join(f"open/{entered}", None, data, f"c{entered}"))
            entered += 1
        with pytest.raises(TooManyMembers, match="one user or address"):
            await service.join(same, "edge", 1000, Join("open/1000", None, data, "too many"))
        await service.join(other, "edge", 1001, Join("open/1", None, data, "another"))

        size = service.projects[PROJECT].project.members_size
        assert size.count == entered + 1
        await service.leave("edge", tuple(range(1002)))
        assert (size.bytes, size.count, dict(size.by_caller)) == (0, 0, {})
        await edge.stop()


def full(service: BuncastService) -> bool:
    return service.projects[PROJECT].project.members_size.bytes > (1 << 20) - 2302


async def fill_members(service: BuncastService, caller: Caller) -> int:
    """Enter members with 2 KB of data until the limit refuses another member. Return the number of members."""
    entered = 0
    while not entered or not full(service):
        await service.join(caller, "edge", entered, Join(f"open/{entered}", None, LARGE, f"c{entered}"))
        entered += 1
    return entered


@pytest.mark.parametrize("limits", [{"caller_members_mib": 1}, {"caller_members_mib": 2, "members_mib": 1}])
async def test_a_caller_without_room_can_still_change_its_members_and_continue_them(limits: dict[str, int]) -> None:
    ada = user("ada")
    async with opened_buncast(OPEN, **limits) as service:
        edge = ModelEdge(service, "edge")
        await edge.opened.wait()
        entered = await fill_members(service, ada)
        size = service.projects[PROJECT].project.members_size
        before = size.bytes, size.count

        await service.set_presence(ada, "edge", 0, LARGE.replace(b"x", b"y"))
        await service.leave("edge", (1,), closed=True)
        await service.join(ada, "edge", 1001, Join("open/1", None, LARGE, "again", resumes="c1"))
        assert (size.bytes, size.count) == before

        with pytest.raises(TooManyMembers):
            await service.join(ada, "edge", 1002, Join("open/2", None, LARGE, "another"))
        await service.set_presence(ada, "edge", 0, b'"short"')
        await service.leave("edge", (*range(entered), 1001))
        await edge.stop()


async def test_a_message_is_repeated_with_its_key_although_the_caller_has_no_room_for_more_keys() -> None:
    ada, first = user("ada"), (NewMessage("open/0", b"1", "of-a-call-000000"),)
    async with opened_buncast(OPEN, caller_message_keys=2) as service:
        edge = ModelEdge(service, "edge")
        await edge.opened.wait()
        await service.join(ada, "edge", 1, Join("open/0"))
        published = await service.publish(ada, first)
        assert await publish(service, ada, 1, "another")
        assert not await publish(service, ada, 1, "one-too-many")

        assert (await service.publish(ada, first)).items == published.items
        with pytest.raises(PublishLimited):  # the key of the call is new
            await service.publish(ada, first, "whole")
        await edge.stop()
