"""Seeds of generated test cases: fixed in `make test`, random in `make explore`."""

from __future__ import annotations

import os
import random
from typing import Final

from hypothesis import HealthCheck, settings

# This environment variable is the factor by which more cases are drawn, all with random seeds.
EXPLORE: Final = "BUNBASE_EXPLORE"


def exploring() -> int:
    """Return the factor of `make explore`, or 0 in `make test`."""
    return int(os.environ.get(EXPLORE, "0"))


def seeds(count: int) -> list[int]:
    """Return `count` fixed seeds. In `make explore`, return random seeds: `count` multiplied by the factor.

    Mark the test `explore` and parametrize it with the seeds, so that its name shows a failing seed.
    """
    factor = exploring()
    return [random.SystemRandom().getrandbits(32) for _ in range(count * factor)] if factor else list(range(count))


def examples(count: int) -> int:
    """Return how many examples hypothesis draws: `count`, multiplied by the factor of `make explore`."""
    return count * max(1, exploring())


def choose_profile() -> None:
    """Make hypothesis draw the same examples in every `make test`, and random ones in `make explore`.

    A slow draw is not a failure, because its duration depends on how busy the machine is.
    """
    unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None)
    settings.register_profile("gate", unhurried, derandomize=True)
    settings.register_profile("explore", unhurried, derandomize=False, print_blob=True, max_examples=examples(100))
    settings.load_profile("explore" if exploring() else "gate")
