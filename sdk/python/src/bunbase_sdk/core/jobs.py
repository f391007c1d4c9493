"""Jobs and schedules of functions."""

from __future__ import annotations

from datetime import datetime
from typing import Final, cast

from bunbase_sdk.core.developer_paths import either_path, project_path
from bunbase_sdk.core.flow import Flow, Items
from bunbase_sdk.core.pages import all_listed
from bunbase_sdk.core.requests import KEY, new_key
from bunbase_sdk.core.transport import Transport, Wanted, without_none
from bunbase_sdk.models import Job, JobStatus, ScheduleState

PAGE: Final = 100


class JobsCalls:
    """The jobs of functions. All methods except `enqueue` need a personal access token."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

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
    ) -> Flow[Job]:
        """Run a function later. A retry after a lost answer adds no second job.

        `key`: while a job with this key waits or runs, no second job is added. `attempts`: at most 20.

        ```python
        job = client.jobs.enqueue("resize", {"image": "rye.jpg"}, delay_seconds=60)
        ```
        """
        given = without_none(payload=payload, delay_seconds=delay_seconds, run_at=run_at, key=key, attempts=attempts)
        headers = {KEY: idempotency_key or new_key()}
        where = either_path(self._transport, "jobs")
        wanted = Wanted("POST", where, {"function": function, **given}, headers=headers, repeatable=True)
        return cast("Job", (yield from self._transport.json(wanted, self._transport.deadline(timeout))))

    def list(
        self, *, function: str | None = None, state: JobStatus | None = None, timeout: float | None = None
    ) -> Items[Job]:
        """Yield jobs without their payloads, page by page. Jobs that have failed for good have the state `dead`.

        ```python
        for job in client.jobs.list(state="dead"):
            print(job["id"])
        ```
        """
        values = {"function": function, "state": state, "limit": PAGE}
        return all_listed(self._transport, project_path(self._transport, "jobs"), values, timeout, administers=True)

    def get(self, job: str, *, timeout: float | None = None) -> Flow[Job]:
        """Return a job with its payload. Raises: NotFound.

        ```python
        job = client.jobs.get("job_1")
        ```
        """
        wanted = Wanted("GET", project_path(self._transport, "jobs", job), repeatable=True, administers=True)
        return cast("Job", (yield from self._transport.json(wanted, self._transport.deadline(timeout))))

    def replay(self, job: str, *, timeout: float | None = None) -> Flow[Job]:
        """Run a dead job again. Raises: NotFound.

        ```python
        client.jobs.replay("job_1")
        ```
        """
        wanted = Wanted("POST", project_path(self._transport, "jobs", job, "replay"), administers=True)
        return cast("Job", (yield from self._transport.json(wanted, self._transport.deadline(timeout))))

    def delete(self, job: str, *, timeout: float | None = None) -> Flow[None]:
        """Delete a job that is not running. Raises: NotFound.

        ```python
        client.jobs.delete("job_1")
        ```
        """
        wanted = Wanted("DELETE", project_path(self._transport, "jobs", job), administers=True)
        yield from self._transport.json(wanted, self._transport.deadline(timeout))


class SchedulesCalls:
    """The schedules of functions. These methods need a personal access token."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, *, timeout: float | None = None) -> Items[ScheduleState]:
        """Yield the schedules of all functions.

        ```python
        for schedule in client.schedules.list():
            print(schedule["function"], schedule["next_at"])
        ```
        """
        where = project_path(self._transport, "schedules")
        return all_listed(self._transport, where, {"limit": PAGE}, timeout, administers=True)
