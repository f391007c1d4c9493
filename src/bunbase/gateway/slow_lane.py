"""Turns for sign-ins to an account that somebody is guessing at: one after the other, the least suspicious first.

The account is not shut: a stranger could then shut it for its owner. Whoever has not failed before comes before those
who have, and among equals the newest comes first: an owner at a new address passes by all that guess and wait.
"""

from __future__ import annotations

import asyncio
from typing import Final

from bunbase.gateway.recent import Name

TURN_SECONDS: Final = 1.0
PATIENCE_SECONDS: Final = 10.0  # for a turn
MAX_WAITING: Final = 2_000  # for turns of all accounts
MAX_OF_ACCOUNT: Final = 32

Rank = tuple[int, ...]  # the smaller, the sooner


class NoTurn(Exception):
    """The turn did not come in time, or too many wait."""


class SlowLane:
    def __init__(self, turn_seconds: float = TURN_SECONDS, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self.turn_seconds = turn_seconds
        self.patience_seconds = patience_seconds
        self.accounts: dict[Name, _Account] = {}
        self.arrived = 0
        self.waiting = 0

    async def turn(self, account: Name, rank: Rank) -> None:
        """Wait for a turn. Raises: NoTurn."""
        found = self.accounts.get(account)
        if found is None:
            self.accounts[account] = _Account()
            self._pause(account)
            return
        self.arrived += 1
        waiter = asyncio.get_running_loop().create_future()
        place = (*rank, -self.arrived)
        self._admit(found, place)
        found.waiting[place] = waiter
        self.waiting += 1
        try:
            async with asyncio.timeout(self.patience_seconds):
                await waiter
        except TimeoutError:
            raise NoTurn from None
        finally:
            if found.waiting.pop(place, None) is not None:
                self.waiting -= 1

    def _admit(self, account: _Account, place: Rank) -> None:
        """Make room, if need be at the cost of whoever waits with the worst prospects. Raises: NoTurn."""
        if len(account.waiting) < MAX_OF_ACCOUNT and self.waiting < MAX_WAITING:
            return
        worst = max(account.waiting, default=place)
        if worst <= place:
            raise NoTurn
        self._take(account, worst).set_exception(NoTurn())

    def _pause(self, account: Name) -> None:
        asyncio.get_running_loop().call_later(self.turn_seconds, self._next, account)

    def _next(self, account: Name) -> None:
        found = self.accounts[account]
        while found.waiting:
            waiter = self._take(found, min(found.waiting))
            if not waiter.done():
                waiter.set_result(None)
                self._pause(account)
                return
        del self.accounts[account]

    def _take(self, account: _Account, place: Rank) -> asyncio.Future[None]:
        self.waiting -= 1
        return account.waiting.pop(place)


class _Account:
    """There is one while turns are given, and for a turn's length after the last."""

    def __init__(self) -> None:
        self.waiting: dict[Rank, asyncio.Future[None]] = {}
