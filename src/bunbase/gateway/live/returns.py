"""Sessions whose joins must be brought up to date, for example because the stream of Buncast was opened again.

All sessions may come back at the same moment. Symptom of a task for each join at once: after a break, 2,000 sessions
with 100 channels each made 200,000 tasks, which blocked the event loop. So each project has one task that
goes through its sessions, and the projects take turns for places. The number of tasks depends on the projects that
wait and on the places, and not on the joins.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from bunbase.gateway.live.joins import ChannelJoin
from bunbase.gateway.live.session import Session
from bunbase.pkg.shares import Turns

Spawn = Callable[[Coroutine[Any, Any, None]], object]


class Returns:
    """Brings the joins of sessions up to date. `bring_up`: updates one join, if this is still necessary. `most`: the
    maximum number of joins that are updated at the same time.

    `waiting`: the sessions of each project that wait for their turn.
    """

    def __init__(self, bring_up: Callable[[ChannelJoin], Awaitable[None]], spawn: Spawn, most: int) -> None:
        self.bring_up = bring_up
        self.spawn = spawn
        self.turns = Turns(most)
        self.waiting: dict[str, dict[Session, None]] = {}

    def add(self, session: Session) -> None:
        """Bring all joins of a session up to date soon. Idempotent while the session waits."""
        project = session.caller.project
        if project not in self.waiting:
            self.waiting[project] = {}
            self.spawn(self._bring_up_all(project))
        self.waiting[project][session] = None

    async def _bring_up_all(self, project: str) -> None:
        sessions = self.waiting[project]
        try:
            while sessions:
                session = next(iter(sessions))
                del sessions[session]
                for join in list(session.joins.values()):
                    begun = asyncio.Event()
                    self.spawn(self._in_turn(project, join, begun))
                    await begun.wait()
        finally:
            del self.waiting[project]

    async def _in_turn(self, project: str, join: ChannelJoin, begun: asyncio.Event) -> None:
        """Bring a join up to date when the project has a place. `begun`: is set then, or if this ends before."""
        try:
            async with self.turns.turn(project):
                begun.set()
                await self.bring_up(join)
        finally:
            begun.set()
