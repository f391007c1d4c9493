"""A histogram of durations.

Each bucket is 25 % wider than the bucket before it, so percentiles are exact to about 12 %.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

SHORTEST_SECONDS: Final = 0.0001
GROWTH: Final = 1.25
BUCKETS: Final = 70  # The buckets reach up to 480 s, which is longer than any call may take.

_PER_BUCKET: Final = math.log(GROWTH)


def bucket_of(seconds: float) -> int:
    """Return the bucket of a duration: the first with an upper bound of at least the duration, or else the last."""
    if seconds <= SHORTEST_SECONDS:
        return 0
    return min(BUCKETS - 1, math.ceil(math.log(seconds / SHORTEST_SECONDS) / _PER_BUCKET))


def upper_seconds(bucket: int) -> float:
    """Return the upper bound of a bucket."""
    return SHORTEST_SECONDS * GROWTH**bucket


def percentile_ms(buckets: Sequence[int], share: float) -> float | None:
    """Return the middle of the bucket in which `share` of all durations is reached, or None if all are empty."""
    total = sum(buckets)
    if not total:
        return None
    wanted = max(1, math.ceil(total * share))
    bucket = next(number for number, upto in enumerate(accumulate(buckets)) if upto >= wanted)
    return round(1000 * upper_seconds(bucket) / math.sqrt(GROWTH), 3)
