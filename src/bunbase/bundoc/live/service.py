"""Live queries of all projects in this process.

Implements contracts.bundoc.live.Live, whose docstrings describe the methods.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from time import monotonic
from typing import Final

from bunbase.bundoc.engine import Engine
from bunbase.bundoc.live.asked import ParsedLive, parse_live, parse_resume
from bunbase.bundoc.live.edge import MAX_BYTES, Edge, Member
from bunbase.bundoc.live.group import MINUTE
from bunbase.bundoc.live.hub import Hub
from bunbase.bundoc.live.late import LateResults
from bunbase.bundoc.live.slices import Slices
from bunbase.bundoc.permissions.access import check_access
from bunbase.bundoc.query.budgets import Budgets
from bunbase.contracts.bundoc.live import (
    LiveEvent,
    LiveQuery,
    LiveStreamBehind,
    NoLiveStream,
    Results,
    WatchedProjectDeleted,
)
from bunbase.contracts.caller import Act, Caller
from bunbase.pkg.clock import Clock
from bunbase.pkg.errors import InvalidInput, Problem

SIGN_SECONDS: Final = 10.0  # A stream without events gets a sign of life at this interval.


class LiveService:
    """`bound`, `unbound`: the budgets of a query, for callers bound by rules and for all others.

    `user_seconds`: the queries of one user get this much processor time in a round. Queries beyond this time become
    late.
    `stream_bytes`: the size of the events that may wait in the stream of an edge. `checked`: the time of the last check
    of results.
    """

    def __init__(
        self, engine: Engine, clock: Clock, bound: Budgets, unbound: Budgets, dev: bool, user_seconds: float = 0.25
    ) -> None:
        self.engine = engine
        self.clock = clock
        self.bound = bound
        self.unbound = unbound
        self.dev = dev
        self.user_seconds = user_seconds
        self.late = LateResults(engine, clock, dev, user_seconds)
        self.stream_bytes = MAX_BYTES
        self.edges: dict[str, Edge] = {}
        self.hubs: dict[str, Hub] = {}
        self.checked = int(monotonic())

    async def live(self, edge: str) -> AsyncIterator[tuple[LiveEvent, ...]]:
        stream = Edge(edge, self.stream_bytes)
        if (older := self.edges.get(edge)) is not None:
            older.close()
        self.edges[edge] = stream
        try:
            yield ()
            while (events := await stream.next(SIGN_SECONDS)) is not None:
                yield events
            if stream.behind:
                raise LiveStreamBehind("Open the stream again, and watch again.")
        finally:
            await self._forget(stream)

    async def watch(self, caller: Caller, edge: str, number: int, query: LiveQuery) -> None:
        stream = self.edges.get(edge)
        if stream is None or stream.closed:
            raise NoLiveStream(f"The edge {edge} has no open stream.")
        if number in stream.watches:
            raise InvalidInput.at("number", f"The edge watches something under the number {number} already.")
        asked, resume = await self._parsed(caller, query), parse_resume(query)
        member = stream.watches[number] = Member(stream, number, caller, asked, resume)
        hub = self._hub(caller.project)
        try:
            await hub.enter(member)
        except BaseException:
            hub.leave(member)
            stream.watches.pop(number, None)
            raise
        finally:
            await self._close_if_empty(hub)

    async def results(self, caller: Caller, queries: tuple[LiveQuery, ...]) -> Results:
        return await self.late.results(caller, lambda: self._each_parsed(caller, queries))

    async def _each_parsed(self, caller: Caller, queries: Sequence[LiveQuery]) -> list[ParsedLive | Problem]:
        asked: list[ParsedLive | Problem] = []
        slices = Slices()
        for query in queries:
            try:
                asked.append(await self._parsed(caller, query))
            except Problem as problem:
                asked.append(problem)
            await slices.turn()
        return asked

    async def _parsed(self, caller: Caller, query: LiveQuery) -> ParsedLive:
        budgets = self.bound if check_access(caller, Act.DOCUMENT_READ, query.collection) else self.unbound
        return await parse_live(query, budgets, self.unbound.documents)

    async def recheck(self, caller: Caller, edge: str, numbers: tuple[int, ...]) -> tuple[int, ...]:
        return tuple([number for number in numbers if await self._rechecked(caller, edge, number)])

    async def unwatch(self, edge: str, numbers: tuple[int, ...]) -> None:
        stream = self.edges.get(edge)
        for number in numbers if stream is not None else ():
            assert stream is not None
            if (member := stream.watches.pop(number, None)) is not None:
                await self._left(member)

    async def drop_project(self, project: str) -> None:
        """End all watches of a project that is being deleted."""
        if (hub := self.hubs.get(project)) is not None:
            hub.end(WatchedProjectDeleted("The project has been deleted."))
            await self._close_if_empty(hub)

    async def tend(self) -> None:
        """Check that all watched projects still have a valid key, so that a watch ends when its project's key is
        destroyed.
        """
        for hub in list(self.hubs.values()):
            await hub.probe()
            await self._close_if_empty(hub)

    async def check(self) -> None:
        """Send digests of results to the edges. Each result is due in one fixed second of every minute."""
        now = int(monotonic())
        seconds = {second % MINUTE for second in range(max(self.checked, now - MINUTE) + 1, now + 1)}
        self.checked = now
        for hub in list(self.hubs.values()):
            await hub.check(seconds)

    async def close(self) -> None:
        for edge in list(self.edges.values()):
            edge.close()
        for hub in list(self.hubs.values()):
            await hub.close()
        self.hubs.clear()

    async def _rechecked(self, caller: Caller, edge: str, number: int) -> bool:
        """Apply the rights of a new caller to one watch. Return True if an event about the watch follows."""
        stream = self.edges.get(edge)
        member = stream.watches.get(number) if stream is not None else None
        if member is None or member.caller.project != caller.project:
            return False
        hub = self.hubs[caller.project]
        try:
            return await hub.recheck(member, caller)
        except Problem as problem:
            hub.end(problem, [member])
            return True
        finally:
            await self._close_if_empty(hub)

    def _hub(self, project: str) -> Hub:
        if project not in self.hubs:
            self.hubs[project] = Hub(project, self.engine, self.clock, self.dev, self.user_seconds)
        return self.hubs[project]

    async def _left(self, member: Member) -> None:
        hub = self.hubs.get(member.caller.project)
        member.withdrawn = True
        if hub is not None:
            hub.leave(member)
            await self._close_if_empty(hub)

    async def _close_if_empty(self, hub: Hub) -> None:
        if hub.empty and self.hubs.get(hub.project) is hub:
            del self.hubs[hub.project]
            await hub.close()

    async def _forget(self, stream: Edge) -> None:
        stream.close()
        if self.edges.get(stream.name) is stream:
            del self.edges[stream.name]
        members = list(stream.watches.values())
        stream.watches.clear()
        for member in members:
            await self._left(member)
