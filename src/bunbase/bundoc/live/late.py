"""The results of late live queries: queries that are too expensive for a round, because all other queries would wait
for them.

If one query of a connection is late, the whole connection is late. The edge then repeatedly asks for all results of the
connection, as they are after one change. This module stores nothing about the connection: a call opens a snapshot, and
runs the queries in this snapshot. Only one call of a project runs at a time, so late queries use at most one thread of
the project. Users who wait take turns.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Final

from bunbase.bundoc.engine import Engine, Moment
from bunbase.bundoc.live import frames
from bunbase.bundoc.live.asked import ParsedLive
from bunbase.bundoc.live.rounds import first_outcome
from bunbase.contracts.bundoc.live import QueryResult, Results, TooManyLiveQueries
from bunbase.contracts.caller import Caller
from bunbase.pkg import metrics
from bunbase.pkg.clock import Clock
from bunbase.pkg.errors import Problem
from bunbase.pkg.shares import Turns

AT_ONCE: Final = 1  # At most this many calls of one project run at the same time.
# All queries of one connection may take this long together, because others wait for their turn.
CALL_SECONDS: Final = 10.0
MAX_BYTES: Final = 32 << 20  # All results of one connection may have this size together.
SPENT: Final = (
    f"The live queries of this connection together need more than {CALL_SECONDS:g} s: watch less, add an index, or "
    "simplify their rules."
)
TOO_LARGE: Final = (
    f"Some live queries of this connection take much time, so all its results come together, which may have "
    f"{MAX_BYTES >> 20} MiB: watch less, or open another connection."
)


class LateResults:
    """Runs the queries of late watches. `turns`: the order of the calls of each project. `user_seconds`: the limit of
    processor time for the queries of one user in a round.
    """

    def __init__(self, engine: Engine, clock: Clock, dev: bool, user_seconds: float) -> None:
        self.engine = engine
        self.clock = clock
        self.dev = dev
        self.user_seconds = user_seconds
        self.turns: dict[str, Turns] = {}

    async def results(self, caller: Caller, parsed: Callable[[], Awaitable[Sequence[ParsedLive | Problem]]]) -> Results:
        """Run the queries in one snapshot.

        `parsed`: a function that returns the parsed queries. The function is called when the caller has the turn,
        because parsing takes time too.

        Raises: the problems of `Live.results`.
        """
        project = caller.project
        turns = self.turns.setdefault(project, Turns(AT_ONCE))
        try:
            async with turns.turn(caller.counted_as):
                asked, now = await parsed(), self.clock.now()
                return await self.engine.moment(project, lambda moment: self._run(moment, caller, asked, now))
        finally:
            if turns.idle:
                self.turns.pop(project, None)

    def _run(self, moment: Moment, caller: Caller, asked: Sequence[ParsedLive | Problem], now: datetime) -> Results:
        began, until = time.thread_time(), time.monotonic() + CALL_SECONDS
        found: list[QueryResult] = []
        left = MAX_BYTES
        for one in asked:
            try:
                body = self._body(moment, caller, one, now, until)
                if (left := left - len(body)) < 0:
                    raise TooManyLiveQueries(TOO_LARGE)
            except Problem as problem:
                found.append(QueryResult(problem=problem.body()))
            else:
                found.append(QueryResult(body))
        dear = time.thread_time() - began > self.user_seconds
        return Results(moment.epoch, moment.seq, dear, tuple(found))

    def _body(self, moment: Moment, caller: Caller, asked: ParsedLive | Problem, now: datetime, until: float) -> bytes:
        """Return the body of a result. Raises: the Problems of a query."""
        if isinstance(asked, Problem):
            raise asked
        if time.monotonic() > until:
            raise TooManyLiveQueries(SPENT)
        _, outcome = first_outcome(moment, asked, caller, now, self.dev)
        if isinstance(outcome, Problem):
            raise outcome
        metrics.bundoc_live_queries.labels("late").inc()
        return frames.snapshot(outcome.window.shown, outcome.window.count)
