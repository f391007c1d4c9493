"""Uploads that wait for a place: in order, for a limited time, and no place is lost."""

from __future__ import annotations

import asyncio

import pytest

from bunbase.contracts.storage import TooManyUploads
from bunbase.storage.acts import places
from bunbase.storage.acts.places import Places
from bunbase.storage.shares import Holder

LONG = 60.0
SERVER, LIMITED = Holder("key key_1"), Holder("key key_2", is_outsider=True)


class Room:
    """Has `free` places, and notes who got one. `share`: the places that one holder may have."""

    def __init__(self, free: int, share: int = 1000) -> None:
        self.places = Places()
        self.free = free
        self.entered: list[int] = []
        self.held: list[Holder] = []
        self.share = share

    async def enter(self, number: int, seconds: float = LONG, holder: Holder = SERVER) -> None:
        def take() -> None:
            if not self.free or self.held.count(holder) >= self.share:
                raise TooManyUploads("full")
            self.free -= 1
            self.held.append(holder)
            self.entered.append(number)

        await self.places.enter("prj_a", holder, seconds, take)

    def leave(self, holder: Holder = SERVER) -> None:
        self.free += 1
        self.held = self.held[:-1] if holder not in self.held else _without(self.held, holder)
        self.places.free("prj_a")

    def tasks(self, *numbers: int) -> list[asyncio.Task[None]]:
        return [asyncio.create_task(self.enter(number)) for number in numbers]


def _without(held: list[Holder], holder: Holder) -> list[Holder]:
    at = held.index(holder)
    return held[:at] + held[at + 1 :]


async def turn() -> None:
    """Let all tasks run until they wait."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_uploads_get_places_in_the_order_of_their_arrival() -> None:
    room = Room(1)
    tasks = room.tasks(0, 1, 2, 3)
    await turn()
    assert room.entered == [0]

    for count in (2, 3, 4):
        room.leave()
        await turn()
        assert room.entered == list(range(count))

    await asyncio.gather(*tasks)
    assert room.places.waiting == {}


async def test_an_upload_that_must_not_wait_is_refused_at_once() -> None:
    with pytest.raises(TooManyUploads):
        await Room(0).enter(1, 0.0)


async def test_a_wait_has_a_deadline_and_a_queue_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "MAX_WAITING", 2)
    room = Room(0)
    with pytest.raises(TooManyUploads, match="in time"):
        await room.enter(0, 0.001)
    tasks = room.tasks(1, 2)
    await turn()

    with pytest.raises(TooManyUploads, match="wait"):
        await room.enter(3)

    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert room.places.waiting == {}


async def test_a_woken_upload_that_was_given_up_passes_its_place_on() -> None:
    room = Room(0)
    first, second, third = room.tasks(1, 2, 3)
    await turn()

    room.leave()
    first.cancel()
    await turn()
    assert room.entered == [2]
    second.cancel()  # it has a place already
    room.leave()
    await turn()

    assert room.entered == [2, 3]
    await asyncio.gather(first, second, third, return_exceptions=True)
    assert room.places.waiting == {}


async def test_a_holder_that_waits_for_its_share_does_not_keep_the_places_of_others() -> None:
    room = Room(3, share=1)
    own = [asyncio.create_task(room.enter(number, LONG, LIMITED)) for number in (1, 2, 3)]
    await turn()
    assert room.entered == [1]

    other = asyncio.create_task(room.enter(4))
    await turn()
    assert room.entered == [1, 4]  # at once, because the others wait only for their own share
    late = asyncio.create_task(room.enter(5))
    await turn()
    room.leave()
    await turn()
    assert room.entered == [1, 4, 5]  # the place passes by the two that may not take it
    room.leave(LIMITED)
    await turn()
    assert room.entered == [1, 4, 5, 2]

    own[2].cancel()
    await asyncio.gather(*own, other, late, return_exceptions=True)
    assert room.places.waiting == {}


async def test_one_holder_fills_only_its_share_of_the_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "MAX_WAITING", 8)
    room = Room(0)
    tasks = [asyncio.create_task(room.enter(number, LONG, LIMITED)) for number in range(2)]
    await turn()

    with pytest.raises(TooManyUploads, match="wait"):
        await room.enter(3, LONG, LIMITED)
    tasks.append(asyncio.create_task(room.enter(4)))
    await turn()

    assert not any(task.done() for task in tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
