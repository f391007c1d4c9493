"""The count of open connections of a port, in total and from each address.

If all places are taken, a newcomer may displace a connection of the most crowded address (`pkg/crowd.py`). Before,
eight addresses with 512 silent connections each, and without credentials, blocked the port for everybody else.
"""

from __future__ import annotations

import time
from typing import Final, Protocol

from bunbase.pkg.crowd import Crowd
from bunbase.pkg.http1.limits import Limits
from bunbase.pkg.ip_addresses import canonical_address, neighbourhood
from bunbase.pkg.logger import logger

log = logger("http")

TOLD_EVERY_SECONDS: Final = 60.0
ASKED: Final = 16  # A newcomer asks at most this many connections for their place.


class OpenConnection(Protocol):
    """A counted connection."""

    def make_room(self) -> bool:
        """End the connection if it waits for its client. Return False if its request is being answered."""
        ...


class Connections:
    """Counts connections. `refused`: the number of connections that are open only to read their refusal.

    `crowd`: the connections that a newcomer may displace, without the connections of `Limits.unlimited`.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.open = 0
        self.refused = 0
        self.by_address: dict[str, int] = {}
        self.crowd: Crowd[OpenConnection] = Crowd()
        self._told_at = -TOLD_EVERY_SECONDS

    def admit(self, address: str, connection: OpenConnection) -> bool:
        """Count a new connection. Return False if there are too many connections. Otherwise the caller must call
        `leave` at the end of the connection.
        """
        near, unlimited = neighbourhood(address), self._is_unlimited(address)
        here = self.by_address.get(near, 0)
        full = here >= self.limits.per_address and not unlimited
        if full or (self.open >= self.limits.connections and not self._make_room(near)):
            self._tell(near, here)
            return False
        self.open += 1
        self.by_address[near] = self.by_address.get(near, 0) + 1
        if not unlimited:
            self.crowd.enter(near, connection)
        return True

    def leave(self, address: str, connection: OpenConnection) -> None:
        near = neighbourhood(address)
        self.open -= 1
        self.by_address[near] -= 1
        if not self.by_address[near]:
            del self.by_address[near]
        self.crowd.leave(near, connection)

    def _make_room(self, newcomer: str) -> bool:
        """End a connection of the most crowded address that waits for its client. Return True if there was one."""
        return any(one.make_room() for one in self.crowd.displaceable(newcomer, ASKED))

    def _is_unlimited(self, address: str) -> bool:
        return (canonical_address(address) or address) in self.limits.unlimited

    def refuse(self) -> bool:
        """Count a connection that gets a refusal. Return False if there are too many connections. Otherwise the caller
        must call `forget` at the end of the connection.
        """
        if self.refused >= self.limits.refused_at_once:
            return False
        self.refused += 1
        return True

    def forget(self) -> None:
        self.refused -= 1

    def _tell(self, near: str, here: int) -> None:
        """Log that connections are refused, at most once in TOLD_EVERY_SECONDS, because a flood must not fill the
        log.
        """
        now = time.monotonic()
        if now - self._told_at >= TOLD_EVERY_SECONDS:
            self._told_at = now
            log.warning("too many connections: new ones are refused", open=self.open, address=near, of_address=here)
