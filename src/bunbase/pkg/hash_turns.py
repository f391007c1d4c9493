"""The order in which passwords are hashed when more are waiting than threads can hash.

The life of one request: a sign-in and a sign-up wait in different lines (`TurnQueue`), and each pool of accounts (the
developers, or the users of one project) has its own place in them. Pools take turns, so a pool with two hundred waiting
delays another pool by one hash. Sign-ins go first; every fourth turn belongs to a sign-up that waits. Each pool may
have so many waiting and no more. When a line is full, the pool with the most waiting makes room for the others.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from enum import Enum
from typing import Final

TURNS_PER_SIGN_UP: Final = 4  # of so many turns one is a sign-up's: a flood of sign-ins must not end all sign-ups

Waiter = asyncio.Future[bool]  # True: it is your turn; False: somebody else needed your place


class Purpose(Enum):
    """`SIGN_UP`: whatever sets a password, such as a change of it by the project's server."""

    SIGN_IN = "sign-in"
    SIGN_UP = "sign-up"


class NoRoom(Exception):
    """Too many of this pool wait already, or too many of all pools."""


class TurnQueue:
    """Waiters of one purpose, by pool. `of_pool`, `of_all`: how many may wait."""

    def __init__(self, of_pool: int, of_all: int) -> None:
        self.of_pool = of_pool
        self.of_all = of_all
        self.pools: OrderedDict[str, deque[Waiter]] = OrderedDict()  # in the order of their turns
        self.length = 0

    def join(self, pool: str, waiter: Waiter) -> None:
        """Raises: NoRoom."""
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

    def next(self) -> Waiter | None:
        """Return the first waiter of the pool whose turn it is; that pool goes to the end."""
        while self.pools:
            pool, waiting = next(iter(self.pools.items()))
            self.pools.move_to_end(pool)
            waiter = waiting.popleft()
            self._shorter(pool)
            if not waiter.done():  # cancelled, and its task has not heard of that yet
                return waiter
        return None

    def _made_room(self, mine: int) -> bool:
        """Send the last one of the longest pool away, unless the newcomer's own pool would then be the longest."""
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
    """`threads`: how many hash at once. A line for sign-ins and one for sign-ups, with bounds of their own: sign-ups
    never take the places of sign-ins."""

    def __init__(self, threads: int, sign_ins: TurnQueue, sign_ups: TurnQueue) -> None:
        self.free = threads
        self.lines = {Purpose.SIGN_IN: sign_ins, Purpose.SIGN_UP: sign_ups}
        self.given = 0

    async def take(self, pool: str, purpose: Purpose) -> None:
        """Wait for a turn; `give_back` ends it. Raises: NoRoom."""
        if self.free > 0:  # then nobody waits
            self.free -= 1
            return
        waiter: Waiter = asyncio.get_running_loop().create_future()
        line = self.lines[purpose]
        line.join(pool, waiter)
        try:
            its_turn = await waiter
        except asyncio.CancelledError:
            line.leave(pool, waiter)
            if waiter.done() and not waiter.cancelled() and waiter.result():
                self.give_back()
            raise
        if not its_turn:
            raise NoRoom

    def give_back(self) -> None:
        waiter = self._next()
        if waiter is None:
            self.free += 1
        else:
            waiter.set_result(True)

    @property
    def waiting(self) -> int:
        return sum(line.length for line in self.lines.values())

    def _next(self) -> Waiter | None:
        self.given += 1
        order = (Purpose.SIGN_IN, Purpose.SIGN_UP)
        for purpose in order if self.given % TURNS_PER_SIGN_UP else reversed(order):
            if waiter := self.lines[purpose].next():
                return waiter
        return None
