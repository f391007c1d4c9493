"""The Caller of the last request on a connection, kept for a moment: most clients send the same credentials again."""

from __future__ import annotations

import time
from typing import Final

from bunbase.contracts.caller import Caller
from bunbase.gateway.hot_routes import HotRequest
from bunbase.gateway.lane import Lane

IDENTIFYING: Final = (b"x-bunbase-key", b"authorization", b"x-forwarded-for", b"user-agent")
KEPT_SECONDS: Final = 1.0  # a token that expires meanwhile is accepted for this much longer at most

SentCredentials = tuple[bytes | None, ...]


class RecentCaller:
    """Compares the headers that identify a caller, byte for byte, with those of the request before.

    The Caller is kept for KEPT_SECONDS, and dropped as soon as anything at all is revoked (`Identity.epoch`) or a feed
    of revocations falls silent. So it is never more stale than the caches of Identity, of which it saves the look-ups
    (hashing key and token, comparing expiry).
    """

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self.sent: SentCredentials | None = None
        self.epoch = -1
        self.until = 0.0
        self.last: Caller | None = None

    def caller(self, request: HotRequest, peer: str) -> Caller | None:
        """Return the Caller if no room has to be asked. None: ask, or refuse."""
        headers, lane, last = request.headers, self.lane, self.last
        sent, now = tuple([headers.get(name) for name in IDENTIFYING]), time.monotonic()
        same = sent == self.sent and self.epoch == lane.identity.epoch and now < self.until
        if last is not None and same and lane.still_known(last.user is not None):
            return last
        self.last = caller = lane.known_caller(request, peer)
        self.sent, self.epoch, self.until = sent, lane.identity.epoch, now + KEPT_SECONDS
        return caller
