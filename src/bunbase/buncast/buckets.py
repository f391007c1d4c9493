"""A token bucket: a limit of messages per second, which allows the messages of one second at once."""

from __future__ import annotations


class Bucket:
    __slots__ = ("_at", "_level", "per_second")  # These slots keep a bucket small, because each channel may have one.

    def __init__(self, per_second: int, now: float) -> None:
        self.per_second = per_second
        self._level = float(per_second)
        self._at = now

    def has(self, count: int, now: float) -> bool:
        """True if `count` messages may be published now."""
        self._level = min(float(self.per_second), self._level + (now - self._at) * self.per_second)
        self._at = now
        return self._level >= min(count, self.per_second)

    def take(self, count: int) -> None:
        self._level -= count

    def full(self, now: float) -> bool:
        """True if the bucket is full again, and so can be forgotten."""
        return self.has(self.per_second, now)
