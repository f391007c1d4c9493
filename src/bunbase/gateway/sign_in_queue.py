"""A priority queue for sign-ins to an account under attack: one sign-in per second, the least suspicious first.

An attempt enters the queue if its account had too many wrong passwords, and if the account has never signed in from
the attempt's address (`login_limits.py`).

Hard place: the order of the queue. In the order of arrival, an owner at a new address would wait behind all guesses of
the attacker, and would be refused after PATIENCE_SECONDS, because an attacker can send guesses faster than the queue
serves them. Therefore the attempt whose address has the fewest earlier failures goes first. If two addresses have the
same number of failures, the networks around them are compared. Among equal attempts, the newest goes first. So an owner
signs in within seconds. If the queue is full, the attempt that would be served last is refused. To lock the account was
rejected, because a stranger could then lock out its owner. Slower turns were rejected, because fewer attackers would
then be enough to crowd out the owner. docs/decisions/0035-no-limit-shuts-an-owner-out.md describes the costs.
"""

from __future__ import annotations

import asyncio
from typing import Final

from bunbase.gateway.sliding_window import Name

TURN_SECONDS: Final = 1.0
PATIENCE_SECONDS: Final = 10.0  # An attempt that has waited this long for its turn is refused.
MAX_WAITING: Final = 2_000  # At most this many attempts wait, for all accounts together.
MAX_OF_ACCOUNT: Final = 32  # At most this many attempts of one account wait.

Rank = tuple[int, ...]  # The attempt with the smallest rank goes first.


class NoTurn(Exception):
    """The attempt got no turn in time, or the queue is full."""


class SignInQueue:
    def __init__(self, turn_seconds: float = TURN_SECONDS, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self.turn_seconds = turn_seconds
        self.patience_seconds = patience_seconds
        self.accounts: dict[Name, _Account] = {}
        self.arrived = 0
        self.waiting = 0

    async def turn(self, account: Name, rank: Rank) -> None:
        """Wait for a turn. `rank`: a number for how suspicious the attempt is; 0 is the least suspicious. Raises:
        NoTurn.
        """
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
        """Make room for `place`: if the queue is full, drop the attempt with the largest rank. Raises: NoTurn."""
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
    """The queue of one account. The queue exists from the first turn until `turn_seconds` after the last turn."""

    def __init__(self) -> None:
        self.waiting: dict[Rank, asyncio.Future[None]] = {}
