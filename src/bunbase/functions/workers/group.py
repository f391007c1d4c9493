"""The workers of one deployment, and the calls that wait for them."""

from __future__ import annotations

from collections import deque

from bunbase.functions.workers.deployment import Deployment
from bunbase.functions.workers.waiting import Waiter
from bunbase.functions.workers.worker import Worker
from bunbase.pkg.errors import Problem


class Group:
    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.workers: set[Worker] = set()
        self.starting = 0
        self.queue: deque[Waiter] = deque()
        self.retiring = False

    @property
    def size(self) -> int:
        return len(self.workers) + self.starting

    @property
    def empty(self) -> bool:
        return not self.size and not self.queue

    @property
    def wants_worker(self) -> bool:
        """True while more calls wait than the starting workers can serve."""
        return len(self.queue) > self.starting * self.deployment.config.concurrency

    def free_worker(self) -> Worker | None:
        """Return the worker with the fewest calls if it can take another call, otherwise None."""
        free = [worker for worker in self.workers if worker.has_room]
        return min(free, key=lambda worker: len(worker.calls), default=None)

    def feed(self) -> None:
        """Start the waiting calls in the order of their arrival, while a worker can take calls."""
        while self.queue and (worker := self.free_worker()) is not None:
            waiter = self.queue.popleft()
            if not waiter.started.done():
                waiter.started.set_result(worker.begin(waiter.request))
        if self.retiring and not self.queue:
            for worker in list(self.workers):
                worker.retire()

    def fail(self, problem: Problem) -> None:
        """Fail every waiting call with the problem."""
        while self.queue:
            waiter = self.queue.popleft()
            if not waiter.started.done():
                waiter.started.set_exception(problem)

    def retire(self) -> None:
        """Serve the waiting calls, and then end all workers.

        A later call gets a new worker, which ends after the call.
        """
        self.retiring = True
        self.feed()

    def kill(self, why: str) -> None:
        for worker in list(self.workers):
            worker.kill(why)
