"""Limits how fast live connections may begin, on this server and from one address."""

from __future__ import annotations

import random
from typing import Final

LEAST_SECONDS: Final = 1.0  # A client that came while too many connections began waits at least this long.
MOST_SECONDS: Final = 30.0
FULL_AFTER_SECONDS: Final = 10.0  # After this time, all connections of an address may begin again.
MIN_LOOK: Final = 1000  # Full buckets are dropped when there are at least this many buckets.


class TokenBucket:
    """Allows `rate` acts per second on average, and `burst` at once."""

    __slots__ = ("at", "burst", "left", "rate")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self.rate = rate
        self.burst = burst
        self.left = burst
        self.at = now

    def take(self, now: float, count: int = 1) -> bool:
        """Count acts. Return False if there were too many."""
        self.left = min(self.burst, self.left + (now - self.at) * self.rate) - count
        self.at = now
        return self.left >= 0

    def give_back(self) -> None:
        """Do not count the act of the last `take`. The caller refused this act, so it must not delay later acts."""
        self.left += 1

    def is_full(self, now: float) -> bool:
        return self.left + (now - self.at) * self.rate >= self.burst

    @property
    def late_seconds(self) -> float:
        """Return the seconds until the acts that were counted are allowed."""
        return max(0.0, -self.left) / self.rate


class Begins:
    """Allows `rate` connections per second to begin. Each further client gets a different time at which to try again.

    The times are `1 / rate` apart. Before, the times were drawn at random from the next seconds. With these times,
    5,000 clients that came back within a second made 18,000 attempts, because most of them came back while the rate was
    used up again.
    """

    def __init__(self, rate: float, now: float) -> None:
        self.bucket = TokenBucket(rate, rate, now)
        self.told_until = now

    def begin(self, now: float) -> float:
        """Count a connection that begins, and return 0; or return the seconds after which its client should come."""
        if self.bucket.take(now):
            return 0.0
        self.bucket.give_back()
        self.told_until = max(self.told_until, now + LEAST_SECONDS) + 1 / self.bucket.rate
        if self.told_until > now + MOST_SECONDS:
            self.told_until = now + MOST_SECONDS
            return random.uniform(MOST_SECONDS / 2, MOST_SECONDS)  # noqa: S311  spreads load
        return self.told_until - now


class BeginsOfAddresses:
    """Allows `most` connections of one address to begin at once, and as many again in FULL_AFTER_SECONDS.

    Without this limit, a client that opened and closed connections in a loop, without any key, used up the rate of the
    whole server, so that other clients had to come later. `look_at`: the number of buckets at which full buckets are
    dropped.
    """

    def __init__(self, most: float) -> None:
        self.most = most
        self.buckets: dict[str, TokenBucket] = {}
        self.look_at = MIN_LOOK

    def begin(self, address: str, now: float) -> float:
        """Count a connection that begins, and return 0; or return the seconds after which its client should come."""
        bucket = self.buckets.get(address)
        if bucket is None:
            self._forget_full(now)
            bucket = self.buckets[address] = TokenBucket(self.most / FULL_AFTER_SECONDS, self.most, now)
        if bucket.take(now):
            return 0.0
        bucket.give_back()
        return random.uniform(LEAST_SECONDS, FULL_AFTER_SECONDS)  # noqa: S311  spreads load

    def _forget_full(self, now: float) -> None:
        if len(self.buckets) > self.look_at:
            self.buckets = {address: one for address, one in self.buckets.items() if not one.is_full(now)}
            self.look_at = max(MIN_LOOK, 2 * len(self.buckets))
