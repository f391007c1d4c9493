"""Random histories of rings (bounded lists of messages), compared with a model that keeps every message."""

from __future__ import annotations

import random
from typing import Any

import pytest

from bunbase.buncast.channel import ReadyMessage
from bunbase.buncast.definitions import Definitions
from bunbase.buncast.project import Project
from bunbase.buncast.ring import CHANNEL_BYTES, MAX_RING_BYTES, MESSAGE_BYTES, Ring, Shelf
from bunbase.buncast.settings import BuncastSettings
from bunbase.contracts.buncast import ChannelSpec, History, Position
from tests.seeds import seeds


class ModelRing:
    """All messages of one channel, with their times, and the number of old messages that the ring has dropped."""

    def __init__(self) -> None:
        self.all: list[tuple[float, bytes]] = []
        self.gone = 0

    def trim(self, now: float, history: History) -> None:
        while self.gone < len(self.all) and self._too_much(now, history):
            self.gone += 1

    def _too_much(self, now: float, history: History) -> bool:
        kept = self.all[self.gone :]
        size = sum(len(body) + MESSAGE_BYTES for _, body in kept)
        return len(kept) > history.messages or kept[0][0] <= now - history.seconds or size > MAX_RING_BYTES


@pytest.mark.explore
@pytest.mark.parametrize("seed", seeds(30))
def test_a_ring_replays_exactly_what_it_keeps_and_tells_what_is_lost(seed: int) -> None:
    draw = random.Random(seed)
    history = History(draw.choice([1, 3, 50]), draw.choice([1, 10, 100]))
    shelf = Shelf(1 << 40, forget)
    ring, model, now = Ring("c", "e", shelf), ModelRing(), 0.0

    for _ in range(150):
        now += draw.choice([0, 0.1, 1, 5])
        if draw.random() < 0.7:
            body = b"x" * draw.choice([1, 100, MAX_RING_BYTES // 4])
            ring.offset += 1
            ring.add(body, now, history)
            model.all.append((now, body))
        ring.trim(now, history)
        model.trim(now, history)

        since = draw.randrange(-1, len(model.all) + 2)
        replay = ring.replay(Position(draw.choice(["e", "e", "e", "f"]), since))
        kept = tuple(body for _, body in model.all[model.gone :])
        known = 0 <= since <= len(model.all) and not replay.lost
        if known:
            assert since >= model.gone
            assert replay.messages == tuple(body for _, body in model.all[since:])
        else:
            assert replay.lost
            assert replay.messages in (kept, kept[max(0, since - model.gone) :])
        assert ring.replay("start").messages == kept
        assert ring.replay(None).messages == ()
        assert ring.bytes == sum(len(body) + MESSAGE_BYTES for body in kept)
        assert shelf.bytes == ring.bytes + (CHANNEL_BYTES if kept else 0)


@pytest.mark.explore
@pytest.mark.parametrize("seed", seeds(5))
def test_the_rings_of_a_project_drop_its_oldest_messages_first(seed: int) -> None:
    draw = random.Random(seed)
    room = 40 * (MESSAGE_BYTES + 100) + 5 * CHANNEL_BYTES
    emptied: list[str] = []
    shelf = Shelf(room, emptied.append)
    rings = [Ring(f"c{n}", f"e{n}", shelf) for n in range(5)]
    history = History(1000, 3600)
    sent: list[tuple[Ring, int, int]] = []

    for now in range(200):
        ring = draw.choice(rings)
        body = b"x" * draw.randrange(200)
        ring.offset += 1
        ring.add(body, now, history)
        sent.append((ring, ring.offset, len(body) + MESSAGE_BYTES))
        kept = _newest(sent, room)
        assert shelf.bytes == _size(kept) <= room
        for one in rings:
            assert len(one) == sum(owner is one for owner, _, _ in kept)
    for one in rings:
        one.clear()
    assert (shelf.bytes, len(shelf)) == (0, 0)


def _newest(sent: list[tuple[Any, int, int]], room: int) -> list[tuple[Any, int, int]]:
    kept: list[tuple[Any, int, int]] = []
    for one in reversed(sent):
        if _size([*kept, one]) > room:
            break
        kept.append(one)
    return kept


def _size(kept: list[tuple[Any, int, int]]) -> int:
    return sum(size for _, _, size in kept) + CHANNEL_BYTES * len({id(owner) for owner, _, _ in kept})


def forget(_name: str) -> None:
    """Do nothing, because the ring has no channel."""


def test_a_ring_without_a_history_keeps_nothing() -> None:
    shelf = Shelf(1000, forget)
    ring = Ring("c", "e", shelf)
    ring.offset += 1
    ring.add(b"x", 1.0, None)

    assert (len(ring), shelf.bytes) == (0, 0)
    assert ring.replay(Position("e", 0)).lost
    assert not ring.replay(Position("e", 1)).lost


def test_a_channel_whose_last_message_makes_room_for_others_is_forgotten() -> None:
    most = 100
    settings = BuncastSettings(history_mib=1)
    channels = Definitions({"r/{x}": ChannelSpec(history=History(1, 3600))})
    project = Project("prj_a", channels, settings, lambda: 0.0, lambda: None)

    for number in range(5000):
        channel = project.opened(f"r/{number}")
        channel.publish(ReadyMessage(b"x" * most, "", 0), 0.0)

    assert len(project.channels) == len(project.shelf) <= (1 << 20) // CHANNEL_BYTES
    assert "r/4999" in project.channels
    assert project.shelf.bytes <= 1 << 20
