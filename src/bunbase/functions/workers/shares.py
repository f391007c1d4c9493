"""Fair shares when no more workers may start: choose the worker that ends, so that a waiting function gets its place.

1. Among projects: end a worker of a project that has at least two workers more than the project of the waiting
   function.
2. Within the project: end a worker of a function that has at least two workers more than the waiting function.
3. If no such worker exists and the waiting function has no worker, functions take turns: after TURN_SECONDS of waiting,
   the worker that has served its function longest ends.

The worker always finishes its calls first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from bunbase.functions.workers.group import Group
from bunbase.functions.workers.worker import Worker

TURN_SECONDS: Final = 0.5
FEWER: Final = 2  # With a difference of 1, two functions would take the same worker from each other forever.


def idle_longest(groups: Iterable[Group]) -> Worker | None:
    """Return the worker that has been idle for the longest time, or None if no worker is idle."""
    idle = (worker for group in groups if not group.queue for worker in group.workers if worker.idle)
    return min(idle, key=lambda worker: worker.idle_since, default=None)


def who_gives_way(needy: Group, groups: Iterable[Group], now: float) -> Worker | None:
    """Return the worker of `groups` that must end for `needy`, or None if the shares are fair."""
    projects: Counter[str] = Counter()
    standing: list[tuple[Group, list[Worker]]] = []
    for group in groups:
        workers = [worker for worker in group.workers if not worker.retiring]
        projects[group.deployment.project] += len(workers)
        standing.append((group, workers))
    own = needy.deployment.project
    takers = projects[own] + needy.starting
    rich = [
        (projects[group.deployment.project], len(workers), worker)
        for group, workers in standing
        for worker in workers
        if group is not needy
        and (
            len(workers) >= needy.size + FEWER
            if group.deployment.project == own
            else projects[group.deployment.project] >= takers + FEWER
        )
    ]
    if rich:
        return max(rich, key=lambda one: (one[0], one[1], -len(one[2].calls)))[2]
    if needy.size or not needy.queue or now - needy.queue[0].since < TURN_SECONDS:
        return None
    served = [worker for _, workers in standing for worker in workers if now - worker.loaded_at >= TURN_SECONDS]
    return min(served, key=lambda worker: worker.loaded_at, default=None)
