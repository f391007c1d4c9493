"""A model of an edge. The model knows only the events of contracts/bundoc/live.py, and builds results from them."""

from __future__ import annotations

import asyncio
from binascii import crc32
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, cast

import msgspec

from bunbase.contracts.bundoc.live import Barrier, Behind, Check, Diff, Ended, Live, LiveEvent, LiveQuery, Started

Docs = list[tuple[str, bytes]]  # The id and the body of each document, in the order of the query.


class Body(msgspec.Struct):
    docs: list[msgspec.Raw] | None = None
    resumed: bool = False
    gone: list[str] = []
    put: list[tuple[int, msgspec.Raw]] = []
    n: int | None = None


class WithId(msgspec.Struct):
    id: str = msgspec.field(name="_id")


class WithRev(WithId):
    rev: int = msgspec.field(name="_rev")


class Held:
    """The result of one watch. `said`: the bytes that arrived for the watch since the last barrier."""

    def __init__(self, query: LiveQuery, caller: Any, docs: Docs) -> None:
        self.query = query
        self.caller = caller
        self.docs = docs
        self.n: int | None = None
        self.group = self.v = ""
        self.turn = 0
        self.started = False
        self.settled = False  # True if the call of `watch` has returned.
        self.waiting = False  # True while the watch waits for the answer to a recheck.
        self.checks = 0
        self.trace: list[str] = []
        self.lacks = False  # True if differences of the previous group are missing.
        self.unsure = False  # True if the next events may still belong to the previous caller.
        self.behind = False  # True if the result is older than the next barriers.
        self.said: list[bytes] = []
        self.before: set[str] = set()  # The ids that were held since the last barrier.


class ModelEdge:
    """A model of one edge.

    The model calls `on_barrier` at each barrier, and `on_behind` with the watches that are behind.

    `ended`: the problem of each watch that has ended. `behind`: the events of this kind.
    """

    def __init__(
        self,
        live: Live,
        name: str,
        on_barrier: Callable[[ModelEdge, Barrier], None],
        on_behind: Callable[[ModelEdge, Behind], None] | None = None,
    ) -> None:
        self.live = live
        self.name = name
        self.on_barrier = on_barrier
        self.on_behind = on_behind
        self.behind: list[Behind] = []
        self.held: dict[int, Held] = {}
        self.ended: dict[int, dict[str, Any]] = {}
        self.checks: list[Check] = []
        self.at = ""
        self.opened = asyncio.Event()
        self.reading = asyncio.create_task(self._read())

    async def stop(self) -> None:
        self.reading.cancel()
        await asyncio.wait([self.reading])

    async def _read(self) -> None:
        events_of = cast(AsyncGenerator[tuple[LiveEvent, ...], None], self.live.live(self.name))
        async with aclosing(events_of) as stream:
            async for events in stream:
                self.opened.set()
                for event in events:
                    self.apply(event)

    def apply(self, event: LiveEvent) -> None:
        match event:
            case Started():
                self._start(event)
            case Diff():
                for held in self.held.values():
                    if held.group == event.group:
                        self._follow(held, event)
            case Check():
                self._check(event)
            case Behind():
                self._fall_behind(event)
            case Ended():
                self.ended[event.number] = event.problem
                self.held.pop(event.number, None)
            case Barrier():
                self.at = f"{event.epoch}.{event.seq}"
                self.on_barrier(self, event)

    def _fall_behind(self, event: Behind) -> None:
        self.behind.append(event)
        for number in event.numbers:
            if (held := self.held.get(number)) is not None:
                held.started, held.behind, held.group = False, True, ""
                held.trace.append("behind")
        if self.on_behind is not None:
            self.on_behind(self, event)

    def _start(self, event: Started) -> None:
        held = self.held.get(event.number)
        if held is None:
            return  # The watch was withdrawn meanwhile.
        if held.waiting:
            held.said.clear()  # The event came for the previous caller.
        held.group, held.turn, held.v = event.group, event.turn, event.v
        held.started, held.lacks = True, False
        held.waiting = held.waiting and event.checks < held.checks
        body = _read(event.body)
        if body.docs is not None:
            held.docs, _ = whole(event.body)
        else:
            assert body.resumed
            _change(held, body)
        held.n = body.n
        held.trace.append(f"started {event.group[:4]} checks {event.checks} at {event.seq}")
        held.said.append(event.body)

    def _follow(self, held: Held, event: Diff) -> None:
        if event.turn <= held.turn:
            return
        if event.turn != held.turn + 1:
            assert held.waiting, f"a gap: {event.turn} after {held.turn}"
            held.lacks = True
            return
        held.turn = event.turn
        held.trace.append(f"diff at {event.seq}")
        body = _read(event.body)
        _change(held, body)
        held.n = held.n if body.n is None else body.n
        held.said.append(event.body)

    def _check(self, event: Check) -> None:
        self.checks.append(event)
        for held in self.held.values():
            if held.group == event.group and held.turn == event.turn and not held.lacks:
                found = (len(held.docs), crc32(b"".join([b"%b %d\n" % _revision(body) for _, body in held.docs])))
                assert found == (event.documents, event.crc), f"the check fails: {event}, {held.docs}, {held.trace}"


def whole(body: bytes) -> tuple[Docs, int | None]:
    """Return the documents and the count of a whole result."""
    found = _read(body)
    assert found.docs is not None
    return [(_id(one), bytes(one)) for one in found.docs], found.n


def _revision(body: bytes) -> tuple[bytes, int]:
    found = msgspec.json.decode(body, type=WithRev)
    return found.id.encode(), found.rev


def _change(held: Held, body: Body) -> None:
    out = {*body.gone, *(_id(one) for _, one in body.put)}
    held.before |= {id for id, _ in held.docs}
    held.docs = [one for one in held.docs if one[0] not in out]
    for index, one in body.put:
        assert index <= len(held.docs), "a document is put behind the end"
        held.docs.insert(index, (_id(one), bytes(one)))


def _read(body: bytes) -> Body:
    return msgspec.json.decode(b"{" + body + b"}", type=Body)


def _id(body: msgspec.Raw) -> str:
    return msgspec.json.decode(body, type=WithId).id
