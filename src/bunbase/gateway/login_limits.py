"""Limits on sign-ins, sign-ups and token refreshes. No limit locks the owner out of an account.

A failed sign-in is counted under three names: the account together with the caller's address (the pair), the address
alone, and the account alone. An IPv6 address counts as its /64 network. Successful sign-ins do not count, so a busy
office behind one address is not affected. Each gateway process has its own counts.

The life of one sign-in:

1. If the pair has too many failures, the answer is 429 until the window has passed.
2. If the address or the account has too many failures, the gateway asks the room whether this account has signed in
   from this address before. If it has, the attempt continues: failures of others must not affect the owner.
3. Otherwise, if the address has too many failures, the answer is 429.
4. Otherwise, if the account has too many failures, the attempt waits for its turn in the queue (`sign_in_queue.py`),
   and then continues.

Hard place 1: the limit per account. With 20 wrong passwords a minute, anybody could lock the owner out of an account,
even the administrator, because the count of an account contains the failures of strangers too. Therefore this limit
never refuses an attempt but only delays it, and an attempt from a known address is not delayed. A cookie for known
devices (OWASP device cookies) was rejected, because clients of an API have no cookies.

Hard place 2: attempts in parallel. A thousand guesses, sent at once, would all pass before the first failure is
counted, because a failure is known only after the password was hashed. Therefore `under_way` counts attempts without a
result. A new attempt waits if the limit would be exceeded in case all these attempts fail. To count each attempt as a
failure until it succeeds was rejected. An office whose people sign in at the same moment would then be refused,
although nobody typed a wrong password.

Hard place 3: look-ups of unknown keys and tokens (`look_up`). After too many invented keys from one address, valid
clients behind the same proxy would be refused, because all clients of a proxy that is not listed in `trusted_proxies`
have its address. Therefore a key that was valid before (`proven`) is looked up without a limit. These look-ups need a
limit, because each invented key would otherwise cost a query of a room.

The reasons and costs of all limits: docs/decisions/0035-no-limit-shuts-an-owner-out.md.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final, TypeVar

import msgspec

from bunbase.contracts.bunauth.problems import InvalidToken
from bunbase.contracts.platform import InvalidKey
from bunbase.gateway.settings import GatewaySettings
from bunbase.gateway.sign_in_queue import NoTurn, SignInQueue
from bunbase.gateway.sliding_window import Name, SlidingWindow
from bunbase.pkg.addresses import MAX_LENGTH, known_email
from bunbase.pkg.cache import Cache
from bunbase.pkg.errors import RateLimited
from bunbase.pkg.ip_addresses import neighbourhood, network_around
from bunbase.pkg.opaque import fingerprint
from bunbase.pkg.phones import phone_or_none

DEVELOPERS: Final = "developers"
SERVICES: Final = "services"
MINUTE, HOUR = 60.0, 3600.0
MAX_WAITING: Final = 200  # At most this many attempts of one name wait until earlier attempts have a result.
PATIENCE_SECONDS: Final = 10.0
COME_BACK_SECONDS: Final = 5
PROVEN_SECONDS: Final = 86_400.0
# At most this many failures of one address at one account are counted. More would not change its rank.
STRANGERS_REMEMBERED: Final = 50

T = TypeVar("T")
Asking = Callable[[], Awaitable[bool]]


class Attempt(msgspec.Struct):
    """One attempt to sign in or to use a token. The caller of this module sets `failed` after a failure."""

    failed: bool = False


class Place(msgspec.Struct, frozen=True):
    """The account and the address of a sign-in. `pool`: developers, or the id of the project whose users sign in.
    `ip`: empty if a server with a secret key signs in many users, because its address does not identify any of them."""

    pool: str
    ip: str
    account: str

    @property
    def names(self) -> Names:
        account = ("account", self.pool, _one_form(self.account))
        if not self.ip:
            return Names(account)
        here, around = neighbourhood(self.ip), network_around(self.ip)
        return Names(account, (*account, here), ("address", self.pool, here), ((*account, here), (*account, around)))


class Names(msgspec.Struct, frozen=True):
    """The names under which one sign-in is counted. `pair`: the account at this address. `stranger`: the account at
    this address, and the account at the network around it. The failures under these two decide the rank in the queue.
    """

    account: Name
    pair: Name | None = None
    address: Name | None = None
    stranger: tuple[Name, ...] = ()

    def strict(self, known: bool) -> tuple[Name, ...]:
        return tuple(name for name in (self.pair, None if known else self.address) if name is not None)


def _one_form(account: str) -> str:
    """Return the stored form of an address or a phone number, so that all spellings count as one."""
    return known_email(account) or phone_or_none(account) or account[:MAX_LENGTH]


async def nobody_known() -> bool:
    return False


class LoginLimits:
    def __init__(self, settings: GatewaySettings, queue: SignInQueue | None = None) -> None:
        self.pairs = SlidingWindow(settings.failed_logins_per_account_per_minute, MINUTE)
        self.addresses = SlidingWindow(settings.failed_logins_per_minute, MINUTE)
        self.accounts = SlidingWindow(settings.failed_logins_per_account_per_hour, HOUR)
        self.strangers = SlidingWindow(STRANGERS_REMEMBERED, HOUR)
        self.sign_ups = SlidingWindow(settings.signups_per_hour, HOUR)
        self.trades = SlidingWindow(settings.token_requests_per_minute, MINUTE)
        self.starts = SlidingWindow(settings.token_requests_per_minute, MINUTE)
        self.proven: Cache[bytes, bool] = Cache(settings.cached_credentials, PROVEN_SECONDS)
        self.queue = queue or SignInQueue()
        self.under_way: Counter[Name] = Counter()
        self.waiting: Counter[Name] = Counter()
        self.settled = asyncio.Condition()

    @asynccontextmanager
    async def attempt(self, place: Place, knows: Asking = nobody_known) -> AsyncIterator[Attempt]:
        """Limit the sign-in in the block. After a failure, the block sets `failed` on the yielded attempt.

        `knows`: a function that returns True if the account has signed in from this address before. If too many
        attempts have no result yet, a new attempt waits.
        Raises: RateLimited with `retry_after_seconds`, the same for accounts that exist and accounts that do not.
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
        """Count an exchange of a refresh token or a custom token. Raises: RateLimited."""
        self._count(self.trades, ("trade", pool, neighbourhood(ip)), "Too many tokens from this address")

    def start(self, pool: str, ip: str) -> None:
        """Count a link that opens a sign-in by a browser. Raises: RateLimited.

        Any web page can embed such a link, for example as a picture. So it has its own window: a page that is open
        in an office must not use up the refreshes of this office.
        """
        self._count(self.starts, ("start", pool, neighbourhood(ip)), "Too many sign-ins began at this address")

    @contextmanager
    def check(self, ip: str) -> Iterator[Attempt]:
        """Limit the token check in the block, which sets `failed` after a failure. Raises: RateLimited."""
        name, attempt = ("check", neighbourhood(ip)), Attempt()
        if self.trades.left(name) <= 0:
            raise _limited("Too many tokens that are not valid from this address", self.trades.wait_seconds(name))
        try:
            yield attempt
        finally:
            if attempt.failed:
                self.trades.add(name)

    async def look_up(self, ip: str, secret: str, asking: Callable[[], Awaitable[T]]) -> T:
        """Return the result of `asking`, which asks a room about a key or a token that is not cached here.

        A key or token that was valid before passes without a limit ("Hard place 3" above).
        Raises: RateLimited after too many invalid keys and tokens from this address; everything that `asking` raises.
        """
        name = fingerprint(secret)
        if self.proven.get(name):
            return await self._proved(name, asking)
        with self.check(ip) as check:
            try:
                return await self._proved(name, asking)
            except (InvalidKey, InvalidToken):
                check.failed = True
                raise

    async def _proved(self, name: bytes, asking: Callable[[], Awaitable[T]]) -> T:
        try:
            found = await asking()
        except (InvalidKey, InvalidToken):
            self.proven.drop(name)
            raise
        self.proven.put(name, True)
        return found

    def _count(self, recent: SlidingWindow, name: Name, what: str) -> None:
        if recent.left(name) <= 0:
            raise _limited(what, recent.wait_seconds(name))
        recent.add(name)

    async def _may_try(self, names: Names, knows: Asking) -> bool:
        """Wait until the attempt may begin. Return True if the account has signed in from this address before.

        Raises: RateLimited.
        """
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
        """Wait for a turn in the queue. Raises: RateLimited."""
        if await self._is_known(names, knows):
            return  # `_may_try` may not have asked, because other attempts have failed while this attempt waited.
        try:
            await self.queue.turn(names.account, tuple(self.strangers.count(name) for name in names.stranger))
        except NoTurn:
            raise _limited("Too many wrong passwords for this account", COME_BACK_SECONDS) from None

    async def _is_known(self, names: Names, knows: Asking) -> bool:
        return names.pair is not None and await knows()

    def _is_suspicious(self, names: Names) -> bool:
        """True if the address or the account has no failures left.

        Without failures left, it matters whether the address is known.
        """
        exhausted = names.address is not None and self.addresses.left(names.address) <= 0
        return exhausted or self.accounts.left(names.account) <= self.under_way[names.account]

    async def _begin(self, names: Names, known: bool) -> None:
        """Wait until the limits allow one more attempt, then add it to `under_way`. Raises: RateLimited."""
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
        """True if the limits hold after one more attempt, even if all current attempts fail. Raises: RateLimited."""
        self._refuse_exhausted(strict)
        return all(self._recent(name).left(name) > self.under_way[name] for name in strict)

    def _refuse_exhausted(self, strict: tuple[Name, ...]) -> None:
        for name in strict:
            if self._recent(name).left(name) <= 0:
                raise _limited(
                    "Too many wrong passwords: even the correct one is refused now",
                    self._recent(name).wait_seconds(name),
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

    def _recent(self, name: Name) -> SlidingWindow:
        return self.addresses if name[0] == "address" else self.pairs


def _without(counter: Counter[Name], names: tuple[Name, ...]) -> Counter[Name]:
    counter.subtract(names)
    return +counter  # This drops the names whose count is zero.


def _limited(what: str, seconds: int) -> RateLimited:
    return RateLimited(f"{what}; try again in {seconds} s.", retry_after_seconds=seconds)
