"""Count refused sign-ins in memory, and let a job store them.

Concern: a refused sign-in is kept only if the account exists. A write before the answer would make the answers for
    addresses with an account slower, and so tell strangers which these are.
Decision: refused attempts are counted in memory, at the cost of one entry in a dictionary, and a job stores them
    once a second. A process that is killed loses the attempts of this second.
Decision: a person who reads an activity log waits only for the own attempts to be stored. If it were for those of all,
    a stranger would try an address, read the own log at once, and see by the time whether there was something to store.
Rejected: a row for each attempt, also for unknown addresses, which a job reads later: strangers could then write to the
    database without limit, and the addresses that they try would be stored.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Final, Generic, TypeVar

import msgspec

from bunbase.pkg.clock import Clock
from bunbase.pkg.errors import Problem

MAX_WAITING: Final = 10_000  # different refused attempts of one second; more of them lose their address

A = TypeVar("A", bound=Hashable)


class CountedAttempts(msgspec.Struct):
    at: datetime
    last_at: datetime
    count: int = 0


class RefusedAttempts(Generic[A]):
    """Attempts that are equal are counted together.

    `store(attempt, counted)` stores a row. `blurred(attempt)`: the attempt without what only this one has.
    """

    def __init__(
        self, store: Callable[[A, CountedAttempts], Awaitable[None]], blurred: Callable[[A], A], clock: Clock
    ) -> None:
        self.store = store
        self.blurred = blurred
        self.clock = clock
        self.waiting: dict[A, CountedAttempts] = {}

    def note(self, attempt: A) -> None:
        """Count an attempt. This waits for nothing."""
        if attempt not in self.waiting and len(self.waiting) >= MAX_WAITING:
            attempt = self.blurred(attempt)
        now = self.clock.now()
        counted = self.waiting.setdefault(attempt, CountedAttempts(now, now))
        counted.last_at = now
        counted.count += 1

    async def store_all(self, wanted: Callable[[A], bool] = lambda _: True) -> None:
        """Store the attempts that were counted. After an error, the rest of them waits for the next call.

        `wanted(attempt)`: False leaves an attempt for another call.
        """
        for attempt in [one for one in self.waiting if wanted(one)]:
            counted = self.waiting.pop(attempt, None)
            if counted is None:  # another call stores it
                continue
            try:
                await self.store(attempt, counted)
            except BaseException:
                self._count_again(attempt, counted)
                raise

    @asynccontextmanager
    async def storing_the_rest(self) -> AsyncIterator[None]:
        """At the end of the block, store what the job has not stored yet."""
        try:
            yield
        finally:
            with suppress(Problem):  # the database is away: these attempts are lost
                await self.store_all()

    def _count_again(self, attempt: A, counted: CountedAttempts) -> None:
        newer = self.waiting.setdefault(attempt, CountedAttempts(counted.at, counted.last_at))
        newer.at = counted.at
        newer.count += counted.count
