"""A cache with a maximum size and a lifetime. A full cache drops the entry that was used least recently."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Cache(Generic[K, V]):
    def __init__(self, size: int, ttl_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.size = size
        self.ttl_seconds = ttl_seconds
        self.clock = clock
        self.entries: OrderedDict[K, tuple[float, V]] = OrderedDict()

    def __len__(self) -> int:
        return len(self.entries)

    def get(self, key: K) -> V | None:
        entry = self.entries.get(key)
        if entry is None:
            return None
        if entry[0] <= self.clock():
            del self.entries[key]
            return None
        self.entries.move_to_end(key)
        return entry[1]

    def put(self, key: K, value: V, ttl_seconds: float | None = None) -> None:
        """Store `value` for `ttl_seconds`. The lifetime of the cache is the default and the maximum of this time."""
        lifetime = self.ttl_seconds if ttl_seconds is None else min(ttl_seconds, self.ttl_seconds)
        self.entries[key] = (self.clock() + lifetime, value)
        self.entries.move_to_end(key)
        while len(self.entries) > self.size:
            self.entries.popitem(last=False)

    def drop(self, key: K) -> None:
        self.entries.pop(key, None)

    def drop_where(self, unwanted: Callable[[V], bool]) -> None:
        """Drop every entry whose value is unwanted. This visits all entries, so call it only for rare events."""
        for key in [key for key, (_, value) in self.entries.items() if unwanted(value)]:
            del self.entries[key]

    def clear(self) -> None:
        self.entries.clear()
