"""The order in which passwords are hashed when there are more requests than threads.

A hash takes 19 ms of processor time by design. With one common queue, a flood of sign-ins at one project would delay
the users of all other projects by seconds, and a flood of sign-ups would delay all sign-ins.

The life of one request:

    1. If a thread is free, the request hashes at once.
    2. Otherwise the request waits. There is one queue for sign-ins and one for sign-ups. In each queue, each pool of
       accounts (the developers, or the users of one project) has its own list.
    3. Pools take turns. So a pool with two hundred waiting requests delays another pool by only one hash. If a pool may
       not use all threads at once (`HashTurns.of_pool`), it does not delay other pools at all.
    4. Sign-ins go first, but every fourth turn belongs to a waiting sign-up. So sign-ins cannot stop all sign-ups.
    5. The number of waiting requests is limited, both per pool and per queue. If the queue is full and a request of a
       pool with few requests arrives, the last request of the pool with the most waiting requests is refused.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from enum import Enum
from typing import Final

TURNS_PER_SIGN_UP: Final = 4  # Every fourth turn belongs to a sign-up.

# True means that the request may hash now. False means that it is refused, so that another pool gets the place.
Waiter = asyncio.Future[bool]


class Purpose(Enum):
    """The reason for a hash. `SIGN_UP` means every request that sets a password, also from the project's own server."""

    SIGN_IN = "sign-in"
    SIGN_UP = "sign-up"


class NoRoom(Exception):
    """Too many requests of this pool are already waiting, or too many requests of all pools together."""


class TurnQueue:
    """The queue of one purpose. The queue keeps the waiting requests of each pool in a separate list.

    `of_pool`: the maximum number of waiting requests of one pool. `of_all`: the maximum for all pools together.
    """

    def __init__(self, of_pool: int, of_all: int) -> None:
        self.of_pool = of_pool
        self.of_all = of_all
        self.pools: OrderedDict[str, deque[Waiter]] = OrderedDict()  # The pools are in the order of their turns.
        self.length = 0

    def join(self, pool: str, waiter: Waiter) -> None:
        """Add a waiter. Raises: NoRoom."""
        mine = len(self.pools.get(pool, ()))
        if mine >= self.of_pool or (self.length >= self.of_all and not self._made_room(mine)):
            raise NoRoom
        self.pools.setdefault(pool, deque()).append(waiter)
        self.length += 1

    def leave(self, pool: str, waiter: Waiter) -> None:
        waiting = self.pools.get(pool, deque())
        if waiter in waiting:
            waiting.remove(waiter)
            self._shorter(pool)

    def next(self, may_start: Callable[[str], bool]) -> tuple[str, Waiter] | None:
        """Return the pool whose turn it is and its first waiter. Move the pool to the end of the order."""
        while pool := next(filter(may_start, self.pools), None):
            waiting = self.pools[pool]
            self.pools.move_to_end(pool)
            waiter = waiting.popleft()
            self._shorter(pool)
            if not waiter.done():  # A cancelled waiter is still in the queue until its task runs again.
                return pool, waiter
        return None

    def _made_room(self, mine: int) -> bool:
        """Refuse the last waiter of the longest list, and return True.

        Return False if the new waiter's own list, which has `mine` waiters, would become at least as long as that list.
        """
        longest = max(self.pools, key=lambda pool: len(self.pools[pool]))
        if len(self.pools[longest]) <= mine + 1:
            return False
        last = self.pools[longest].pop()
        self._shorter(longest)
        if not last.done():
            last.set_result(False)
        return True

    def _shorter(self, pool: str) -> None:
        self.length -= 1
        if not self.pools[pool]:
            del self.pools[pool]


class HashTurns:
    """Distributes the permissions to hash ("turns") to requests.

    `threads`: the number of requests that may hash at the same time. `of_pool`: the number of these requests that may
    belong to one pool; by default all. Sign-ins and sign-ups have separate queues with separate limits, so sign-ups
    never take the places of sign-ins.
    """

    def __init__(self, threads: int, sign_ins: TurnQueue, sign_ups: TurnQueue, of_pool: int | None = None) -> None:
        self.free = threads
        self.of_pool = threads if of_pool is None else of_pool
        self.hashing = Counter[str]()
        self.lines = {Purpose.SIGN_IN: sign_ins, Purpose.SIGN_UP: sign_ups}
        self.given = 0

    async def take(self, pool: str, purpose: Purpose) -> None:
        """Wait for a turn. The caller must end the turn with `give_back`. Raises: NoRoom."""
        if self.free > 0 and self._may_start(pool):  # A free thread means that no request that may start is waiting.
            self._start(pool)
            return
        waiter: Waiter = asyncio.get_running_loop().create_future()
        line = self.lines[purpose]
        line.join(pool, waiter)
        try:
            its_turn = await waiter
        except asyncio.CancelledError:
            line.leave(pool, waiter)
            if waiter.done() and not waiter.cancelled() and waiter.result():
                self.give_back(pool)  # The turn arrived at the same moment as the cancellation, so it is passed on.
            raise
        if not its_turn:
            raise NoRoom

    def give_back(self, pool: str) -> None:
        """End a turn of a pool. After that, at most one waiting request may start: a request of any pool, or the next
        request of this pool if it was at its limit.
        """
        self.free += 1
        self.hashing[pool] -= 1
        if not self.hashing[pool]:
            del self.hashing[pool]
        if found := self._next():
            self._start(found[0])
            found[1].set_result(True)

    @property
    def waiting(self) -> int:
        return sum(line.length for line in self.lines.values())

    def _may_start(self, pool: str) -> bool:
        return self.hashing[pool] < self.of_pool

    def _start(self, pool: str) -> None:
        self.free -= 1
        self.hashing[pool] += 1

    def _next(self) -> tuple[str, Waiter] | None:
        self.given += 1
        order = (Purpose.SIGN_IN, Purpose.SIGN_UP)
        for purpose in order if self.given % TURNS_PER_SIGN_UP else reversed(order):
            if found := self.lines[purpose].next(self._may_start):
                return found
        return None
