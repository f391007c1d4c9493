"""The limits on live connections: how many there are, and how fast they begin."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Container, Hashable
from typing import Final

from bunbase.gateway.live.problems import TooManyLiveConnections
from bunbase.gateway.live.settings import LiveSettings
from bunbase.pkg.ip_addresses import neighbourhood

LEAST_SECONDS: Final = 1.0  # the shortest wait of a client that came while too many connections began
MOST_SECONDS: Final = 30.0
FULL_SECONDS: Final = 10  # the wait after which a client that was refused by a limit on connections tries again


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

    @property
    def late_seconds(self) -> float:
        """The time in seconds until the counted acts are allowed."""
        return max(0.0, -self.left) / self.rate


class Begins:
    """Allows `rate` connections per second to begin. Each further client is told its own time at which to try again.

    The times are `1 / rate` apart. Symptom: with times that were drawn at random from the next seconds, 5,000 clients
    that came back within a second made 18,000 attempts. Cause: the rate was used up again when most of them came back.
    """

    def __init__(self, rate: float, now: float) -> None:
        self.bucket = TokenBucket(rate, rate, now)
        self.told_until = now

    def begin(self, now: float) -> float:
        """Count a connection that begins, and return 0. Otherwise return the seconds until the client may try again."""
        if self.bucket.take(now):
            return 0.0
        self.bucket.left += 1  # this connection does not begin, so it must not delay others
        self.told_until = max(self.told_until, now + LEAST_SECONDS) + 1 / self.bucket.rate
        if self.told_until > now + MOST_SECONDS:
            self.told_until = now + MOST_SECONDS
            return random.uniform(MOST_SECONDS / 2, MOST_SECONDS)  # noqa: S311  spreads load
        return self.told_until - now


class Tally:
    """Counts connections by some name, up to a limit. `of`: the words for connections with the same name, used in the
    message of a refusal.
    """

    def __init__(self, most: int, of: str) -> None:
        self.most = most
        self.of = of
        self.counts: Counter[Hashable] = Counter()

    def has_room(self, name: Hashable) -> bool:
        return self.counts[name] < self.most

    def check(self, name: Hashable) -> None:
        """Raises: TooManyLiveConnections."""
        if not self.has_room(name):
            message = f"This server allows {self.most} live connections {self.of}. Close one, or come back later."
            raise TooManyLiveConnections(message, retry_after_seconds=FULL_SECONDS)

    def enter(self, name: Hashable) -> None:
        self.counts[name] += 1

    def leave(self, name: Hashable) -> None:
        self.counts[name] -= 1
        if self.counts[name] <= 0:
            del self.counts[name]


class Admission:
    """`unlimited`: addresses for which the limit per address does not apply."""

    def __init__(
        self, settings: LiveSettings, unlimited: Container[str] = (), clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.unlimited = unlimited
        self.clock = clock
        self.total = Tally(settings.max_connections, "in total")
        self.strangers = Tally(settings.max_unauthenticated, "that have not sent a key")
        self.addresses = Tally(settings.max_connections_per_address, "from one address")
        self.projects = Tally(settings.max_connections_per_project, "of one project")
        self.users = Tally(settings.max_connections_per_user, "of one user")
        self.begins = Begins(settings.begins_per_second, clock())

    def has_room(self, address: str) -> bool:
        """True if `check` would not refuse one more connection."""
        try:
            self.check(address)
        except TooManyLiveConnections:
            return False
        return True

    def check(self, address: str) -> None:
        """Check that one more connection may begin. Raises: TooManyLiveConnections."""
        self.total.check(None)
        self.strangers.check(None)
        if address not in self.unlimited:
            self.addresses.check(neighbourhood(address))

    def begin(self, address: str) -> float:
        """Count a new connection.

        Return 0 if the connection may begin. It is a stranger until its client has sent its key. Otherwise return the
        seconds after which the client should try again, because too many connections begin now.
        """
        self.total.enter(None)
        self.addresses.enter(neighbourhood(address))
        late = self.begins.begin(self.clock())
        if not late:
            self.strangers.enter(None)
        return late

    def end(self, address: str, stranger: bool) -> None:
        """Count the end of a connection. `stranger`: true if its client has not sent its key."""
        self.total.leave(None)
        self.addresses.leave(neighbourhood(address))
        if stranger:
            self.strangers.leave(None)

    def introduce(self) -> None:
        """Count that a connection is no stranger any more."""
        self.strangers.leave(None)

    def enter(self, project: str, user: str) -> None:
        """Count a connection of this project and user; "" for no user. Raises: TooManyLiveConnections."""
        self.projects.check(project)
        if user:
            self.users.check((project, user))
            self.users.enter((project, user))
        self.projects.enter(project)

    def change(self, before: tuple[str, str], after: tuple[str, str]) -> None:
        """Count a connection for another project and user, and no longer for the previous project and user.

        Raises: TooManyLiveConnections; the connection then still counts for the previous project and user.
        """
        self.leave(*before)
        try:
            self.enter(*after)
        except TooManyLiveConnections:
            self.enter(*before)
            raise

    def leave(self, project: str, user: str) -> None:
        self.projects.leave(project)
        if user:
            self.users.leave((project, user))
