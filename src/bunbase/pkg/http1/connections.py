"""The count of open connections of a port, in total and from each address."""

from __future__ import annotations

import time
from typing import Final

from bunbase.pkg.http1.limits import Limits
from bunbase.pkg.ip_addresses import canonical_address, neighbourhood
from bunbase.pkg.logger import logger

log = logger("http")

TOLD_EVERY_SECONDS: Final = 60.0


class Connections:
    """Counts connections. `refused`: the number of connections that are open only to read their refusal."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.open = 0
        self.refused = 0
        self.by_address: dict[str, int] = {}
        self._told_at = -TOLD_EVERY_SECONDS

    def admit(self, address: str) -> bool:
        """Count a new connection. Return False if there are too many connections. Otherwise the caller must call
        `leave` at the end of the connection.
        """
        near = neighbourhood(address)
        here = self.by_address.get(near, 0)
        limits = self.limits
        if self.open >= limits.connections or (here >= limits.per_address and not self._is_unlimited(address)):
            self._tell(near, here)
            return False
        self.open += 1
        self.by_address[near] = here + 1
        return True

    def _is_unlimited(self, address: str) -> bool:
        return (canonical_address(address) or address) in self.limits.unlimited

    def leave(self, address: str) -> None:
        near = neighbourhood(address)
        self.open -= 1
        self.by_address[near] -= 1
        if not self.by_address[near]:
            del self.by_address[near]

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
