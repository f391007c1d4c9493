"""A model of an edge (a process that serves clients).

The model knows only the contract, and checks the order of messages.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

from bunbase.contracts.buncast import Buncast, Join, Joined, MembersChanged, Message, Position, SubscriptionEnded
from bunbase.contracts.caller import Caller

DEADLINE_SECONDS = 20.0


class Held:
    """The state of one subscription. `data`: the data of all messages. `lost`: the number of times that messages were
    lost.
    """

    def __init__(self, channel: str) -> None:
        self.channel = channel
        self.handle = ""
        self.position = Position("", 0)
        self.data: list[Any] = []
        self.froms: list[str | None] = []
        self.own: list[int] = []
        self.lost = 0
        self.joined = 0
        self.members: dict[str, dict[str, Any]] | None = None
        self.n: int | None = None
        self.m = ""
        self.ended: dict[str, Any] | None = None
        self.frames: list[dict[str, Any]] = []


class ModelEdge:
    def __init__(self, buncast: Buncast, name: str) -> None:
        self.buncast = buncast
        self.name = name
        self.held: dict[int, Held] = {}
        self.opened = asyncio.Event()
        self.failure: BaseException | None = None
        self.task = asyncio.create_task(self._read())

    async def join(self, caller: Caller, number: int, join: Join) -> Held:
        held = self.held.setdefault(number, Held(join.channel))
        before = held.joined
        await self.buncast.join(caller, self.name, number, join)
        await until(lambda: held.joined > before)
        return held

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    async def _read(self) -> None:
        try:
            stream = self.buncast.deliver(self.name)
            async for events in stream:
                self.opened.set()
                for event in events:
                    self._take(event)
        except Exception as failure:
            self.failure = failure

    def _take(self, event: Joined | Message | MembersChanged | SubscriptionEnded) -> None:
        match event:
            case Joined():
                self._join(self.held[event.number], event, json.loads(b"{" + event.body + b"}"))
            case SubscriptionEnded():
                self.held[event.number].ended = event.problem
                self.held[event.number].handle = ""
            case Message():
                for number, held in self._of(event.channel):
                    self._message(number, held, event)
            case MembersChanged():
                for _, held in self._of(event.channel):
                    if held.members is not None or held.n is not None:
                        self._members(held, json.loads(b"{" + event.body + b"}"))

    def _of(self, handle: str) -> list[tuple[int, Held]]:
        return [(number, held) for number, held in self.held.items() if held.handle == handle]

    def _join(self, held: Held, event: Joined, body: dict[str, Any]) -> None:
        assert (body["epoch"], body["offset"]) == (event.epoch, event.offset)
        held.handle, held.joined = event.channel, held.joined + 1
        held.lost += body["lost"]
        before = held.position
        offsets = [message["offset"] for message in body["messages"]]
        assert offsets == sorted(set(offsets)), "replayed messages are not in order"
        if not body["lost"] and offsets and before.epoch == event.epoch and held.joined > 1:
            assert offsets[0] <= before.offset + 1, "a gap that was not told"
        for message in body["messages"]:
            if before.epoch != event.epoch or message["offset"] > before.offset:
                self._add(held, message)
        held.position = Position(event.epoch, event.offset)
        held.m = body.get("m", "")
        assert ("n" in body) == event.sees
        held.n = body.get("n")
        held.members = {one["m"]: one for one in body["members"]} if "members" in body else None

    def _message(self, number: int, held: Held, event: Message) -> None:
        if event.offset <= held.position.offset:
            return
        assert event.offset == held.position.offset + 1, "a message was left out"
        if event.source == number:
            held.own.append(event.offset)
        self._add(held, json.loads(b"{" + event.body + b"}"))
        held.position = Position(held.position.epoch, event.offset)

    def _add(self, held: Held, message: dict[str, Any]) -> None:
        held.data.append(message["data"])
        held.froms.append(message["from"])

    def _members(self, held: Held, body: dict[str, Any]) -> None:
        held.frames.append(body)
        held.n = body["n"]
        if "members" in body:
            held.members = {one["m"]: one for one in body["members"]}
        elif body.keys() == {"n"}:
            held.members = None
        else:
            assert held.members is not None
            for one in (*body.get("enter", ()), *body.get("update", ())):
                held.members[one["m"]] = one
            for m in body.get("leave", ()):
                held.members.pop(m, None)
            assert len(held.members) == held.n


async def until(true: Callable[[], bool], seconds: float = DEADLINE_SECONDS) -> None:
    last = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < last, "it did not happen"
        await asyncio.sleep(0.005)
