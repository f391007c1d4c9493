"""Jobs and schedules of functions.

Written by `make gen` from core/jobs.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from bunbase_sdk.core import jobs as core
from bunbase_sdk.models import Job, JobStatus, ScheduleState
from bunbase_sdk.sync.driver import Driver


class Jobs:
    """The jobs of functions. All methods except `enqueue` need a personal access token."""

    def __init__(self, calls: core.JobsCalls, driver: Driver) -> None:
        self._calls = calls
        self._driver = driver

    def enqueue(
        self,
        function: str,
        payload: object = None,
        *,
        delay_seconds: float | None = None,
        run_at: datetime | str | None = None,
        key: str | None = None,
        attempts: int | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> Job:
        """Run a function later. A retry after a lost answer adds no second job.

        `key`: while a job with this key waits or runs, no second job is added. `attempts`: at most 20.

        ```python
        job = client.jobs.enqueue("resize", {"image": "rye.jpg"}, delay_seconds=60)
        ```
        """
        return self._driver.run(
            self._calls.enqueue(
                function,
                payload,
                delay_seconds=delay_seconds,
                run_at=run_at,
                key=key,
                attempts=attempts,
                idempotency_key=idempotency_key,
                timeout=timeout,
            )
        )

    def list(
        self, *, function: str | None = None, state: JobStatus | None = None, timeout: float | None = None
    ) -> Iterator[Job]:
        """Yield jobs without their payloads, page by page. Jobs that have failed for good have the state `dead`.

        ```python
        for job in client.jobs.list(state="dead"):
            print(job["id"])
        ```
        """
        return self._driver.items(self._calls.list(function=function, state=state, timeout=timeout))

    def get(self, job: str, *, timeout: float | None = None) -> Job:
        """Return a job with its payload. Raises: NotFound.

        ```python
        job = client.jobs.get("job_1")
        ```
        """
        return self._driver.run(self._calls.get(job, timeout=timeout))

    def replay(self, job: str, *, timeout: float | None = None) -> Job:
        """Run a dead job again. Raises: NotFound.

        ```python
        client.jobs.replay("job_1")
        ```
        """
        return self._driver.run(self._calls.replay(job, timeout=timeout))

    def delete(self, job: str, *, timeout: float | None = None) -> None:
        """Delete a job that is not running. Raises: NotFound.

        ```python
        client.jobs.delete("job_1")
        ```
        """
        self._driver.run(self._calls.delete(job, timeout=timeout))


class Schedules:
    """The schedules of functions. These methods need a personal access token."""

    def __init__(self, calls: core.SchedulesCalls, driver: Driver) -> None:
        self._calls = calls
        self._driver = driver

    def list(self, *, timeout: float | None = None) -> Iterator[ScheduleState]:
        """Yield the schedules of all functions.

        ```python
        for schedule in client.schedules.list():
            print(schedule["function"], schedule["next_at"])
        ```
        """
        return self._driver.items(self._calls.list(timeout=timeout))
