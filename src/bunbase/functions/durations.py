"""Durations in few numbers: a histogram whose buckets grow by a quarter, good for percentiles within some 12 %."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

SHORTEST_SECONDS: Final = 0.0001
GROWTH: Final = 1.25
BUCKETS: Final = 70  # up to 480 s: the longest call there may be, and a little

_PER_BUCKET: Final = math.log(GROWTH)


def bucket_of(seconds: float) -> int:
    """Bucket n holds what took at most `upper(n)`; the last one also what took longer."""
    if seconds <= SHORTEST_SECONDS:
        return 0
    return min(BUCKETS - 1, math.ceil(math.log(seconds / SHORTEST_SECONDS) / _PER_BUCKET))


def upper_seconds(bucket: int) -> float:
    return SHORTEST_SECONDS * GROWTH**bucket


def percentile_ms(buckets: Sequence[int], share: float) -> float | None:
    """Give the middle of the bucket in which `share` of all is reached; None of nothing."""
    total = sum(buckets)
    if not total:
        return None
    wanted = max(1, math.ceil(total * share))
    bucket = next(number for number, upto in enumerate(accumulate(buckets)) if upto >= wanted)
    return round(1000 * upper_seconds(bucket) / math.sqrt(GROWTH), 3)
