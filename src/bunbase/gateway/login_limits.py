"""How often strangers may try: wrong passwords, sign-ups, trades of tokens. No bound shuts an account for its owner.

The life of one sign-in: it is counted for the account at this address, for the address, and for the account.

1. Too many wrong passwords for this account from this address: 429 for a while. That is strict.
2. Else, if the address or the account has had too many, the room is asked whether the account signed in from here
   before. If it did, the attempt goes on undisturbed: what others do elsewhere is not its owner's business.
3. Else, too many wrong passwords from the address: 429 for a while.
4. Else, too many for the account: it waits for its turn in the slow lane, a second or so, and then goes on.

An address is its neighbourhood: of IPv6 the /64. Counts are this process's own. Only failures count in sign-ins, so a
busy office signs in undisturbed.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final, TypeVar

import msgspec

from bunbase.contracts.bunauth import InvalidToken
from bunbase.contracts.platform import InvalidKey
from bunbase.gateway.recent import Name, Recent
from bunbase.gateway.settings import GatewaySettings
from bunbase.gateway.slow_lane import NoTurn, SlowLane
from bunbase.pkg.addresses import MAX_LENGTH, email_or_none
from bunbase.pkg.errors import RateLimited
from bunbase.pkg.ip_addresses import neighbourhood, network_around

DEVELOPERS: Final = "developers"
SERVICES: Final = "services"
MINUTE, HOUR = 60.0, 3600.0
MAX_WAITING: Final = 200  # attempts of one name, for those under way to be over
PATIENCE_SECONDS: Final = 10.0
COME_BACK_SECONDS: Final = 5
STRANGERS_REMEMBERED: Final = 50  # failures of one address at one account; more do not make it more suspicious

T = TypeVar("T")
Asking = Callable[[], Awaitable[bool]]


class Attempt(msgspec.Struct):
    """`failed`: whoever makes the attempt says so."""

    failed: bool = False


class Place(msgspec.Struct, frozen=True):
    """Where a sign-in is tried. `ip`: empty for a caller that speaks for many, such as the project's own server with
    its secret key: its address says nothing of them."""

    pool: str
    ip: str
    account: str

    @property
    def names(self) -> Names:
        account = ("account", self.pool, email_or_none(self.account) or self.account[:MAX_LENGTH])
        if not self.ip:
            return Names(account)
        here, around = neighbourhood(self.ip), network_around(self.ip)
        return Names(account, (*account, here), ("address", self.pool, here), ((*account, here), (*account, around)))


class Names(msgspec.Struct, frozen=True):
    """`pair`: the account at this address. `stranger`: the address and the network around it, at this account."""

    account: Name
    pair: Name | None = None
    address: Name | None = None
    stranger: tuple[Name, ...] = ()

    def strict(self, known: bool) -> tuple[Name, ...]:
        return tuple(name for name in (self.pair, None if known else self.address) if name is not None)


async def nobody_known() -> bool:
    return False


class LoginLimits:
    def __init__(self, settings: GatewaySettings, slow_lane: SlowLane | None = None) -> None:
        self.pairs = Recent(settings.failed_logins_per_account_per_minute, MINUTE)
        self.addresses = Recent(settings.failed_logins_per_minute, MINUTE)
        self.accounts = Recent(settings.failed_logins_per_account_per_hour, HOUR)
        self.strangers = Recent(STRANGERS_REMEMBERED, HOUR)
        self.sign_ups = Recent(settings.signups_per_hour, HOUR)
        self.trades = Recent(settings.token_requests_per_minute, MINUTE)
        self.slow_lane = slow_lane or SlowLane()
        self.under_way: Counter[Name] = Counter()
        self.waiting: Counter[Name] = Counter()
        self.settled = asyncio.Condition()

    @asynccontextmanager
    async def attempt(self, place: Place, knows: Asking = nobody_known) -> AsyncIterator[Attempt]:
        """Sign in inside the block, and say if it failed. `knows`: did the account sign in from here before?

        Never are more attempts under way than may still fail: the others wait their turn, or a thousand guesses sent
        at once would all be let in before the first is found wrong.
        Raises: RateLimited with `retry_after_seconds`, alike whether or not the account exists.
        """
        names = place.names
        known = await self._may_try(names, knows)
        attempt = Attempt()
        try:
            yield attempt
        finally:
            await self._over(names, known, attempt)

    def sign_up(self, pool: str, ip: str) -> None:
        """Count a sign-up. Raises: RateLimited."""
        self._count(self.sign_ups, ("sign-up", pool, neighbourhood(ip)), "Too many sign-ups from this address")

    def trade(self, pool: str, ip: str) -> None:
        """Count a refresh token or a custom token that somebody wants to trade. Raises: RateLimited."""
        self._count(self.trades, ("trade", pool, neighbourhood(ip)), "Too many tokens from this address")

    @contextmanager
    def check(self, ip: str) -> Iterator[Attempt]:
        """Check a token inside the block, and say if it failed. Raises: RateLimited after too many failures."""
        name, attempt = ("check", neighbourhood(ip)), Attempt()
        if self.trades.left(name) <= 0:
            raise _limited("Too many tokens that are not valid from this address", self.trades.wait_seconds(name))
        try:
            yield attempt
        finally:
            if attempt.failed:
                self.trades.add(name)

    async def look_up(self, ip: str, asking: Callable[[], Awaitable[T]]) -> T:
        """Ask a room about a key or a token that is not known here. Raises: RateLimited after too many that were not
        valid, and what `asking` raises."""
        with self.check(ip) as check:
            try:
                return await asking()
            except (InvalidKey, InvalidToken):
                check.failed = True
                raise

    def _count(self, recent: Recent, name: Name, what: str) -> None:
        if recent.left(name) <= 0:
            raise _limited(what, recent.wait_seconds(name))
        recent.add(name)

    async def _may_try(self, names: Names, knows: Asking) -> bool:
        """Wait until the attempt may begin; return whether the account is known here. Raises: RateLimited."""
        self._refuse_exhausted(names.strict(known=True))
        known = self._is_suspicious(names) and await self._is_known(names, knows)
        await self._begin(names, known)
        try:
            if not known and self.accounts.left(names.account) < self.under_way[names.account]:
                await self._pass_slowly(names, knows)
        except BaseException:
            await self._over(names, known, Attempt())
            raise
        return known

    async def _pass_slowly(self, names: Names, knows: Asking) -> None:
        """Raises: RateLimited."""
        if await self._is_known(names, knows):
            return  # it was not asked before: others failed while this attempt waited
        try:
            await self.slow_lane.turn(names.account, tuple(self.strangers.count(name) for name in names.stranger))
        except NoTurn:
            raise _limited("Too many wrong passwords for this account", COME_BACK_SECONDS) from None

    async def _is_known(self, names: Names, knows: Asking) -> bool:
        return names.pair is not None and await knows()

    def _is_suspicious(self, names: Names) -> bool:
        """Return whether more than the strict bound speaks against an attempt, if the account is not known here."""
        exhausted = names.address is not None and self.addresses.left(names.address) <= 0
        return exhausted or self.accounts.left(names.account) <= self.under_way[names.account]

    async def _begin(self, names: Names, known: bool) -> None:
        """Raises: RateLimited."""
        strict = names.strict(known)
        async with self.settled:
            if not self._has_room(strict):
                await self._wait(strict)
            self.under_way.update((*strict, names.account))

    async def _wait(self, strict: tuple[Name, ...]) -> None:
        if any(self.waiting[name] >= MAX_WAITING for name in strict):
            raise _limited("Too many sign-ins at once", COME_BACK_SECONDS)
        self.waiting.update(strict)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not self._has_room(strict):
                    await self.settled.wait()
        except TimeoutError:
            raise _limited("Too many sign-ins at once", COME_BACK_SECONDS) from None
        finally:
            self.waiting = _without(self.waiting, strict)

    def _has_room(self, strict: tuple[Name, ...]) -> bool:
        """Raises: RateLimited."""
        self._refuse_exhausted(strict)
        return all(self._recent(name).left(name) > self.under_way[name] for name in strict)

    def _refuse_exhausted(self, strict: tuple[Name, ...]) -> None:
        for name in strict:
            if self._recent(name).left(name) <= 0:
                raise _limited(
                    "Too many wrong passwords: even the right one is refused now", self._recent(name).wait_seconds(name)
                )

    async def _over(self, names: Names, known: bool, attempt: Attempt) -> None:
        async with self.settled:
            strict = names.strict(known)
            self.under_way = _without(self.under_way, (*strict, names.account))
            if attempt.failed:
                self._count_failure(names, strict, known)
            self.settled.notify_all()

    def _count_failure(self, names: Names, strict: tuple[Name, ...], known: bool) -> None:
        for name in strict:
            self._recent(name).add(name)
        if not known:
            self.accounts.add(names.account)
            for name in names.stranger:
                self.strangers.add(name)

    def _recent(self, name: Name) -> Recent:
        return self.addresses if name[0] == "address" else self.pairs


def _without(counter: Counter[Name], names: tuple[Name, ...]) -> Counter[Name]:
    counter.subtract(names)
    return +counter  # forget those at zero


def _limited(what: str, seconds: int) -> RateLimited:
    return RateLimited(f"{what}; try again in {seconds} s.", retry_after_seconds=seconds)
