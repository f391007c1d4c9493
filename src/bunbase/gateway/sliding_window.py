"""A sliding window counter: how often each name was counted lately. The counts are exact, and memory is bounded."""

from __future__ import annotations

import math
import time
from array import array
from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b
from typing import Final

# This many names, with a few times each, take about 15 MB. Above this, the least recently counted name is dropped.
MAX_NAMES: Final = 50_000
MAX_TIMES: Final = 500_000  # All names together have at most this many times, at 8 bytes each.
DIGEST_BYTES: Final = 16

Name = tuple[str, ...]


class SlidingWindow:
    """Counts events by name over the last `seconds`. `limit`: the number of latest times that are stored for each name.

    A stranger who sends more than MAX_NAMES names causes other names to be dropped. This does not help the stranger,
    because it takes equally many attempts, and each of the invented names would have allowed attempts anyway.
    """

    def __init__(
        self,
        limit: int,
        seconds: float,
        names: int = MAX_NAMES,
        times: int = MAX_TIMES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limit = limit
        self.seconds = seconds
        self.most_names = names
        self.most_times = times
        self.clock = clock
        self.times: OrderedDict[bytes, array[float]] = OrderedDict()  # The least recently counted name comes first.
        self.size = 0

    def add(self, name: Name) -> None:
        now, key = self.clock(), _key(name)
        times = self.times.get(key)
        if times is None:
            times = self.times[key] = array("d")
        self.times.move_to_end(key)
        self._trim(times, now, self.limit - 1)
        times.append(now)
        self.size += 1
        self._forget(now)

    def count(self, name: Name) -> int:
        times = self.times.get(_key(name))
        return 0 if times is None else len(times) - _over(times, self.clock() - self.seconds)

    def left(self, name: Name) -> int:
        """Return how many more events the limit allows now."""
        return self.limit - self.count(name)

    def wait_seconds(self, name: Name) -> int:
        """Return the whole seconds until the limit allows one more event: at least 1."""
        times = self.times.get(_key(name))
        if not times or len(times) < self.limit:
            return 1
        return max(1, math.ceil(times[-self.limit] + self.seconds - self.clock()))

    def _trim(self, times: array[float], now: float, most: int) -> None:
        over = max(_over(times, now - self.seconds), len(times) - most)
        del times[:over]
        self.size -= over

    def _forget(self, now: float) -> None:
        """Drop up to two names whose times have all expired, and more names while the memory limits are exceeded."""
        for _ in range(2):
            oldest = next(iter(self.times))
            if self.times[oldest][-1] > now - self.seconds:
                break
            self._drop(oldest)
        while len(self.times) > self.most_names or (self.size > self.most_times and len(self.times) > 1):
            self._drop(next(iter(self.times)))

    def _drop(self, key: bytes) -> None:
        self.size -= len(self.times.pop(key))


def _over(times: array[float], until: float) -> int:
    """Return how many of the times, oldest first, are no later than `until`."""
    return next((at for at, one in enumerate(times) if one > until), len(times))


def _key(name: Name) -> bytes:
    """Return a hash of fixed length, because strangers choose how long the parts of a name are."""
    return blake2b("\0".join(name).encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES).digest()
