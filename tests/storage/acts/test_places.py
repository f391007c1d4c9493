"""Uploads that wait for a place: in order, for a limited time, and no place is lost."""

from __future__ import annotations

import asyncio

import pytest

from bunbase.contracts.storage import TooManyUploads
from bunbase.storage.acts import places
from bunbase.storage.acts.places import Places

LONG = 60.0


class Room:
    """Has `free` places, and notes who got one."""

    def __init__(self, free: int) -> None:
        self.places = Places()
        self.free = free
        self.entered: list[int] = []

    async def enter(self, number: int, seconds: float = LONG) -> None:
        def take() -> None:
            if not self.free:
                raise TooManyUploads("full")
            self.free -= 1
            self.entered.append(number)

        await self.places.enter("prj_a", seconds, take)

    def leave(self) -> None:
        self.free += 1
        self.places.free("prj_a")

    def tasks(self, *numbers: int) -> list[asyncio.Task[None]]:
        return [asyncio.create_task(self.enter(number)) for number in numbers]


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
