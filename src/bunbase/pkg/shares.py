"""A limit that several users share, so that a single user cannot use all of it."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager


class Shares:
    """Shares an amount of something, up to `most`.

    After each grant, the free rest must be at least equal to the amount of the user.

    So a single user gets half of it, two users get a third each, and something is always left for another user.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.used = 0
        self.by_user: Counter[Hashable] = Counter()

    def allows(self, user: Hashable, more: int = 1, soon: int = 0, soon_of_user: int = 0) -> bool:
        """Return True if the user may have `more`. `soon`: the amount that is promised to all users. `soon_of_user`:
        the amount that is promised to this user.
        """
        free = self.most - self.used - soon - more
        return self.by_user[user] + soon_of_user + more - 1 <= free

    def add(self, user: Hashable, amount: int = 1) -> None:
        self.used += amount
        self.by_user[user] += amount

    def remove(self, user: Hashable, amount: int = 1) -> None:
        self.used -= amount
        self.by_user[user] -= amount
        if not self.by_user[user]:
            del self.by_user[user]


class Turns:
    """Lets `most` pieces of work run at once. Waiting users take turns, and each user has its share of the places."""

    def __init__(self, most: int) -> None:
        self.places = Shares(most)
        self.waiting: defaultdict[Hashable, deque[asyncio.Future[None]]] = defaultdict(deque)

    @property
    def idle(self) -> bool:
        return not self.places.used and not self.waiting

    @asynccontextmanager
    async def turn(self, user: Hashable) -> AsyncIterator[None]:
        """Wait for a place, and keep it until the end of the block."""
        if self.places.allows(user):
            self.places.add(user)
        else:
            await self._wait(user)
        try:
            yield
        finally:
            self._leave(user)

    async def _wait(self, user: Hashable) -> None:
        turn = asyncio.get_running_loop().create_future()
        self.waiting[user].append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._forget(user, turn)
            else:
                self._leave(user)
            raise

    def _leave(self, user: Hashable) -> None:
        self.places.remove(user)
        while (following := next((one for one in self.waiting if self.places.allows(one)), None)) is not None:
            turn = self.waiting[following][0]
            self._forget(following, turn)
            if following in self.waiting:
                self.waiting[following] = self.waiting.pop(following)  # This moves the user to the end.
            if not turn.done():
                self.places.add(following)
                turn.set_result(None)

    def _forget(self, user: Hashable, turn: asyncio.Future[None]) -> None:
        """Remove a turn from the waiting turns. Idempotent."""
        if turn in self.waiting.get(user, ()):
            self.waiting[user].remove(turn)
            if not self.waiting[user]:
                del self.waiting[user]
