"""Random histories of members: at each frame, the client's list of members is exactly right."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from bunbase.buncast.presence import FEWER_MEMBERS, FRAME_SECONDS, Member, MembersSize, Presence
from bunbase.contracts.buncast import SHOWN_MEMBERS
from tests.seeds import seeds

GRACE = 2.0


class Watcher:
    """A client. `members`: its list of members, None while the list is too long."""

    def __init__(self, presence: Presence) -> None:
        body = self._read(presence.body())
        self.n: int = body["n"]
        self.members: dict[str, Any] | None = None
        if "members" in body:
            self.members = {one["m"]: (one["uid"], one["data"]) for one in body["members"]}

    def hear(self, frame: bytes) -> set[str]:
        body = self._read(frame)
        self.n = body["n"]
        if "members" in body:
            self.members = {one["m"]: (one["uid"], one["data"]) for one in body["members"]}
        elif body.keys() == {"n"}:
            self.members = None
        elif self.members is not None:
            for one in (*body.get("enter", ()), *body.get("update", ())):
                self.members[one["m"]] = (one["uid"], one["data"])
            for m in body.get("leave", ()):
                self.members.pop(m, None)
        return set(body)

    def _read(self, body: bytes) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(b"{" + body + b"}")
        return found


def shown(presence: Presence) -> dict[str, Any]:
    return {one.name: (one.uid, json.loads(one.data)) for one in presence.members.values()}


@pytest.mark.explore
@pytest.mark.parametrize("seed", seeds(15))
def test_a_client_holds_exactly_the_members_after_each_frame(seed: int) -> None:
    draw = random.Random(seed)
    presence, now, told = Presence(MembersSize()), 0.0, -1.0
    watchers = [Watcher(presence)]
    owned: dict[str, Member] = {}

    for step in range(300):
        now += draw.choice([0, 0.05, 0.3])
        act = draw.random()
        if act < 0.4:
            connection = f"c{step}"
            resumes = draw.choice([*owned, "never"])
            owned[connection] = presence.enter(connection, draw.choice(["ada", "eve", None]), connection, resumes, b"1")
        elif owned and act < 0.6:
            connection = draw.choice(list(owned))
            if owned[connection].owner == connection:
                presence.update(owned[connection], b"%d" % draw.randrange(5))
        elif owned:
            connection = draw.choice(list(owned))
            member = owned.pop(connection)
            if member.owner == connection and act < 0.8:
                presence.linger(member, now + GRACE)
            elif member.owner == connection:
                presence.leave(member)
        if len(watchers) < 4 and draw.random() < 0.1:
            watchers.append(Watcher(presence))
        if (frame := presence.tick(now)) is not None:
            assert now >= told + FRAME_SECONDS
            told = now
            for watcher in watchers:
                watcher.hear(frame)
                assert watcher.members == shown(presence)
                assert watcher.n == len(presence.members)
        assert presence.total.bytes == sum(member.size for member in presence.members.values())

    for member in list(presence.members.values()):
        presence.linger(member, now + GRACE)
    frame = presence.tick(now + GRACE + FRAME_SECONDS)
    assert presence.members == {}
    assert not presence.busy
    assert frame is None or watchers[0].hear(frame) <= {"leave", "n"}


def test_an_update_is_neither_a_leave_nor_an_enter() -> None:
    presence = Presence(MembersSize())
    member = presence.enter(1, "ada", "c", "", b"1")
    watcher = Watcher(presence)
    presence.tick(0.0)

    presence.update(member, b"2")
    frame = presence.tick(1.0)

    assert frame is not None
    assert watcher.hear(frame) == {"update", "n"}
    presence.update(member, b"2")
    assert presence.tick(2.0) is None


def test_of_very_many_members_only_the_number_is_told() -> None:
    presence = Presence(MembersSize())
    watcher = Watcher(presence)
    members = [presence.enter(n, None, f"c{n}", "", b"1") for n in range(SHOWN_MEMBERS + 1)]
    assert presence.tick(1.0) == b'"n":501'
    assert presence.body() == b'"n":501'
    watcher.hear(b'"n":501')

    presence.leave(members.pop())
    assert presence.tick(2.0) == b'"n":500'
    while len(members) > FEWER_MEMBERS:
        presence.leave(members.pop())
    frame = presence.tick(3.0)

    assert frame is not None
    watcher.hear(frame)
    assert watcher.members == shown(presence)
