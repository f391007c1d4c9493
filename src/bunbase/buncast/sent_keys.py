"""The results of messages and calls that may be repeated with the same key.

Keys stay in memory for two minutes, so they are lost when the process ends. A client that repeats a message after a
restart of the server may publish it twice.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from typing import Final

import msgspec

from bunbase.contracts.buncast import Published, PublishLimited
from bunbase.contracts.idempotency import another_request
from bunbase.pkg.idempotency import Attempt

KEPT_SECONDS: Final = 120.0


class SentKey(msgspec.Struct, frozen=True):
    """The key of a message or a call. `caller`: the name under which the caller's keys count; "" for no own limit."""

    request: bytes
    until: float
    result: tuple[Published, ...]
    caller: str


class SentKeys:
    """The keys of one project. `most`: the limit of keys of a project; 100,000 keys take about 30 MB. `most_of_one`:
    the limit of keys of one caller.
    """

    def __init__(self, most: int, most_of_one: int) -> None:
        self.most = most
        self.most_of_one = most_of_one
        self._sent: OrderedDict[bytes, SentKey] = OrderedDict()
        self._counts: Counter[str] = Counter()

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

    def check_room(self, caller: str, count: int, now: float) -> None:
        """Check that a caller may store `count` more keys. Raises: PublishLimited."""
        self.trim(now)
        if count and caller and self._counts[caller] + count > self.most_of_one:
            raise _limited("One user or address", self.most_of_one)
        if count and len(self._sent) + count > self.most:
            raise _limited("A project", self.most)

    def keep(self, attempt: Attempt, result: tuple[Published, ...], caller: str, now: float) -> None:
        if (older := self._sent.pop(attempt.act, None)) is not None:
            self._count(older.caller, -1)
        self._sent[attempt.act] = SentKey(attempt.request, now + KEPT_SECONDS, result, caller)
        self._count(caller, 1)

    def trim(self, now: float) -> None:
        """Forget the keys whose time is over."""
        while self._sent and next(iter(self._sent.values())).until <= now:
            _, ended = self._sent.popitem(last=False)
            self._count(ended.caller, -1)

    def _count(self, caller: str, change: int) -> None:
        if caller:
            self._counts[caller] += change
            if not self._counts[caller]:
                del self._counts[caller]


def _limited(who: str, most: int) -> PublishLimited:
    message = f"{who} can publish {most} messages with a key in {KEPT_SECONDS:.0f} seconds."
    return PublishLimited(message, limit=most, retry_after_seconds=int(KEPT_SECONDS))
