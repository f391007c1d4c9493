"""An edge that follows live queries, and the writes of tests."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from bunbase.bundoc.live.service import LiveService
from bunbase.bundoc.service import BundocService
from bunbase.contracts.bundoc.collections import CollectionSpec, Rules
from bunbase.contracts.bundoc.documents import NO_PRECONDITION
from bunbase.contracts.bundoc.live import Barrier, LiveQuery
from bunbase.contracts.caller import Caller, EndUser
from bunbase.pkg.clock import rfc3339
from tests.bundoc.live.model import Held, ModelEdge
from tests.rooms import publishable_caller, secret_caller

SERVER = secret_caller("prj_a")
DEADLINE_SECONDS = 20.0
OWNER = "auth != null && doc.owner == auth.uid"


def ada(uid: str = "ada", role: str = "user") -> Caller:
    return publishable_caller("prj_a", EndUser(uid, None, role, {}, "ses_1"))


class Following:
    """An edge, and the state of each of its watches. `said`: the bytes of all bodies."""

    def __init__(self, live: LiveService, name: str = "gateway") -> None:
        self.live = live
        self.barriers: list[Barrier] = []
        self.edge = ModelEdge(live, name, lambda _edge, barrier: self.barriers.append(barrier))

    async def watch(self, caller: Caller, number: int, query: LiveQuery) -> Held:
        await self.edge.opened.wait()
        held = self.edge.held[number] = Held(query, caller, [])
        await self.live.watch(caller, self.edge.name, number, query)
        await self.until(lambda: held.started)
        return held

    async def until(self, true: Callable[[], bool]) -> None:
        until = time.monotonic() + DEADLINE_SECONDS
        while not true():
            assert time.monotonic() < until, "it did not happen"
            if self.edge.reading.done():
                self.edge.reading.result()
            await asyncio.sleep(0.002)

    async def reached(self, seq: int) -> None:
        await self.until(lambda: bool(self.barriers) and self.barriers[-1].seq >= seq)


def ids(held: Held) -> list[str]:
    return [id for id, _ in held.docs]


def in_seconds(seconds: float) -> str:
    return rfc3339(datetime.now(UTC) + timedelta(seconds=seconds))


async def put(service: BundocService, id: str, collection: str = "posts", **fields: Any) -> int:
    """Put a document. Return the number of the change."""
    done = await service.put(SERVER, collection, id, msgspec.json.encode(fields), NO_PRECONDITION)
    assert done.written is not None
    return int(done.written.seq.partition(".")[2])


async def ruled(service: BundocService, list: str | None, collection: str = "posts", **hidden: str) -> None:
    rules = Rules(list=list, get=list, hidden=hidden)
    await service.put_collection(SERVER, collection, CollectionSpec(rules=rules))
