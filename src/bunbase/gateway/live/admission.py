"""The limits on live connections: how many there are, and how fast they begin (`beginnings.py`).

Strangers are connections that have not sent their key yet. If all their places are taken, a newcomer displaces one of
the most crowded address (`pkg/crowd.py`). Symptom without that: five addresses with 200 silent connections each, and no
key, shut live queries and channels of all projects.

A project may have only as many connections as there are places left, so that some places are always left for another
project (`pkg/shares.py`). Symptom without that: five projects with 2,000 connections each shut out all other projects.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Container, Hashable
from typing import Final, Protocol

from bunbase.gateway.credentials import Sender
from bunbase.gateway.live.beginnings import Begins, BeginsOfAddresses
from bunbase.gateway.live.problems import TooManyLiveConnections
from bunbase.gateway.live.settings import LiveSettings
from bunbase.pkg.crowd import Crowd
from bunbase.pkg.ip_addresses import neighbourhood
from bunbase.pkg.shares import Shares

FULL_SECONDS: Final = 10  # A client that was refused by a limit on connections tries again after this time.


class Stranger(Protocol):
    """A session that has not sent its key yet."""

    sender: Sender

    def make_room(self) -> None:
        """End the connection, because a newcomer takes its place."""
        ...


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
        """Check that the name may have one more connection. Raises: TooManyLiveConnections."""
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
    """Enforces the limits on connections. `unlimited`: addresses for which the limit per address does not apply."""

    def __init__(
        self, settings: LiveSettings, unlimited: Container[str] = (), clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.unlimited = unlimited
        self.clock = clock
        self.total = Tally(settings.max_connections, "in total")
        self.strangers: Crowd[Stranger] = Crowd()
        self.most_strangers = settings.max_unauthenticated
        self.addresses = Tally(settings.max_connections_per_address, "from one address")
        self.projects = Tally(settings.max_connections_per_project, "of one project")
        self.users = Tally(settings.max_connections_per_user, "of one user")
        self.shares = Shares(settings.max_connections)
        # an operator who lets one project have all places wants no shares
        self.shared = settings.max_connections_per_project < settings.max_connections
        self.begins = Begins(settings.begins_per_second, clock())
        self.begins_of_addresses = BeginsOfAddresses(settings.max_connections_per_address)

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
        if address not in self.unlimited:
            self.addresses.check(neighbourhood(address))

    def begin(self, stranger: Stranger) -> float:
        """Count a new connection.

        Return 0 if the connection may begin. A connection counts as a stranger until the client has sent a key. If too
        many connections begin now, return the seconds after which the client should try again.
        """
        address = stranger.sender.ip
        near = neighbourhood(address)
        self.total.enter(None)
        self.addresses.enter(near)
        late = self._late_seconds(address, near)
        if late:
            return late
        if len(self.strangers) >= self.most_strangers and not self._displace(near):
            return float(FULL_SECONDS)
        self.strangers.enter(near, stranger)
        return 0.0

    def end(self, stranger: Stranger) -> None:
        """Count the end of a connection."""
        near = neighbourhood(stranger.sender.ip)
        self.total.leave(None)
        self.addresses.leave(near)
        self.strangers.leave(near, stranger)

    def introduce(self, stranger: Stranger) -> None:
        """Count that a connection is no stranger any more."""
        self.strangers.leave(neighbourhood(stranger.sender.ip), stranger)

    def _late_seconds(self, address: str, near: str) -> float:
        now = self.clock()
        late = 0.0 if address in self.unlimited else self.begins_of_addresses.begin(near, now)
        return late or self.begins.begin(now)

    def _displace(self, newcomer: str) -> bool:
        """End a stranger of the most crowded address. Return False if the newcomer's own address is as crowded."""
        for displaced in self.strangers.displaceable(newcomer, 1):
            self.introduce(displaced)
            displaced.make_room()
            return True
        return False

    def enter(self, project: str, user: str) -> None:
        """Count a connection of this project and user; "" for no user. Raises: TooManyLiveConnections."""
        self._check_project(project)
        self._check_user(project, user)
        self._count(project, user)

    def change(self, before: tuple[str, str], after: tuple[str, str]) -> None:
        """Count a connection for another project and user, and no longer for the previous project and user.

        A connection that stays in its project keeps its place there, even if the project has too many places now.

        Raises: TooManyLiveConnections; the connection then still counts for the previous project and user.
        """
        self.leave(*before)
        try:
            if after[0] != before[0]:
                self._check_project(after[0])
            self._check_user(*after)
        except TooManyLiveConnections:
            self._count(*before)
            raise
        self._count(*after)

    def leave(self, project: str, user: str) -> None:
        self.projects.leave(project)
        self.shares.remove(project)
        if user:
            self.users.leave((project, user))

    def _check_project(self, project: str) -> None:
        self.projects.check(project)
        if self.shared and not self.shares.allows(project):
            message = "This project has as many live connections as this server has places left. Come back later."
            raise TooManyLiveConnections(message, retry_after_seconds=FULL_SECONDS)

    def _check_user(self, project: str, user: str) -> None:
        if user:
            self.users.check((project, user))

    def _count(self, project: str, user: str) -> None:
        if user:
            self.users.enter((project, user))
        self.projects.enter(project)
        self.shares.add(project)
