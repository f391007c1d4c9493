"""Count refused sign-ins in memory, and let a job store them.

Concern: a refused sign-in is stored only if the account exists. If it were stored before the answer, the answers for
    addresses with an account would be slower, and so reveal which addresses have an account.
Decision: refused attempts are counted in memory, at the cost of one entry in a dictionary, and a job stores them once a
    second. A process that is killed loses the attempts of this second.
Decision: a person who reads an activity log waits only until the attempts at the person's own account are stored. If
    the person had to wait for all attempts, an attacker could try an address, read the attacker's own log at once, and
    learn from the duration whether an attempt was stored.
Decision: the attempts of one group, such as a project, may fill only a part of the memory. The attempts of a project's
    own server are not limited by its address. Without this decision, that server could fill the memory, and so hide
    the addresses of attempts in other projects.
Rejected: storing each attempt at once, even for unknown addresses, so that a job reads it later. Anybody could then
    write to the database without limit, and the database would contain all addresses that were tried.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Final, Generic, TypeVar

import msgspec

from bunbase.pkg.clock import Clock
from bunbase.pkg.errors import Problem

# At most this many different refused attempts wait to be stored. Further attempts lose their address.
MAX_WAITING: Final = 10_000
MAX_OF_GROUP: Final = 1_000
FACTOR: Final = 2  # Twice these numbers may wait, including attempts without an address. Further attempts are lost.

A = TypeVar("A", bound=Hashable)


class CountedAttempts(msgspec.Struct):
    at: datetime
    last_at: datetime
    count: int = 0


class RefusedAttempts(Generic[A]):
    """Counts refused attempts. Equal attempts are counted together.

    `store(attempt, counted)` stores a row. `blurred(attempt)` returns the attempt without the values that distinguish
    it from similar attempts. `group(attempt)` returns the group of attempts that one attacker may cause, which has its
    own limit.
    """

    def __init__(
        self,
        store: Callable[[A, CountedAttempts], Awaitable[None]],
        blurred: Callable[[A], A],
        group: Callable[[A], str],
        clock: Clock,
    ) -> None:
        self.store = store
        self.blurred = blurred
        self.group = group
        self.clock = clock
        self.waiting: dict[A, CountedAttempts] = {}
        self.of_group: Counter[str] = Counter()

    def note(self, attempt: A) -> None:
        """Count an attempt, without waiting for anything."""
        if not self._has_room(attempt):
            attempt = self.blurred(attempt)
            if not self._has_room(attempt, FACTOR):
                return
        now = self.clock.now()
        counted = self._waiting(attempt, CountedAttempts(now, now))
        counted.last_at = now
        counted.count += 1

    async def store_all(self, wanted: Callable[[A], bool] = lambda _: True) -> None:
        """Store the attempts that were counted. After an error, the remaining attempts wait for the next call.

        `wanted(attempt)` returns False for attempts that another call must store.
        """
        for attempt in [one for one in self.waiting if wanted(one)]:
            counted = self.waiting.pop(attempt, None)
            if counted is None:  # Another call stores this attempt.
                continue
            self._gone(attempt)
            try:
                await self.store(attempt, counted)
            except BaseException:
                self._count_again(attempt, counted)
                raise

    @asynccontextmanager
    async def storing_the_rest(self) -> AsyncIterator[None]:
        """At the end of the block, store the attempts that the job has not stored yet."""
        try:
            yield
        finally:
            with suppress(Problem):  # The database is unreachable, so these attempts are lost.
                await self.store_all()

    def _has_room(self, attempt: A, factor: int = 1) -> bool:
        if attempt in self.waiting:
            return True
        of_group = self.of_group[self.group(attempt)]
        return len(self.waiting) < factor * MAX_WAITING and of_group < factor * MAX_OF_GROUP

    def _waiting(self, attempt: A, new: CountedAttempts) -> CountedAttempts:
        """Return the count of an attempt. If the attempt is not waiting yet, add it with the count `new`."""
        if attempt not in self.waiting:
            self.waiting[attempt] = new
            self.of_group[self.group(attempt)] += 1
        return self.waiting[attempt]

    def _gone(self, attempt: A) -> None:
        group = self.group(attempt)
        self.of_group[group] -= 1
        if not self.of_group[group]:
            del self.of_group[group]

    def _count_again(self, attempt: A, counted: CountedAttempts) -> None:
        newer = self._waiting(attempt, CountedAttempts(counted.at, counted.last_at))
        newer.at = counted.at
        newer.count += counted.count
