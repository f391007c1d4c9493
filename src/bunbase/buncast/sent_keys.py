"""The results of messages and calls that may be repeated with the same key.

Keys live in memory for two minutes, so they end with the process. A client that repeats a message after a restart of
the server may publish it twice.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

import msgspec

from bunbase.contracts.buncast import Published, PublishLimited
from bunbase.contracts.idempotency import another_request
from bunbase.pkg.idempotency import Attempt

KEPT_SECONDS: Final = 120.0
MAX_KEYS: Final = 100_000  # of a project; about 30 MB


class SentKey(msgspec.Struct, frozen=True):
    request: bytes
    until: float
    result: tuple[Published, ...]


class SentKeys:
    def __init__(self, most: int = MAX_KEYS) -> None:
        self.most = most
        self._sent: OrderedDict[bytes, SentKey] = OrderedDict()

    def __len__(self) -> int:
        return len(self._sent)

    def find(self, attempt: Attempt, now: float) -> tuple[Published, ...] | None:
        """Return the result of an earlier attempt; None if there was none. Raises: IdempotencyMismatch."""
        sent = self._sent.get(attempt.act)
        if sent is None or sent.until <= now:
            return None
        if sent.request != attempt.request:
            raise another_request()
        return sent.result

    def check_room(self, count: int, now: float) -> None:
        """Raises: PublishLimited if `count` more keys cannot be kept."""
        self.trim(now)
        if count and len(self._sent) + count > self.most:
            message = f"A project can publish {self.most} messages with a key in {KEPT_SECONDS:.0f} seconds."
            raise PublishLimited(message, limit=self.most, retry_after_seconds=int(KEPT_SECONDS))

    def keep(self, attempt: Attempt, result: tuple[Published, ...], now: float) -> None:
        self._sent.pop(attempt.act, None)
        self._sent[attempt.act] = SentKey(attempt.request, now + KEPT_SECONDS, result)

    def trim(self, now: float) -> None:
        """Forget the keys whose time is over."""
        while self._sent and next(iter(self._sent.values())).until <= now:
            self._sent.popitem(last=False)
