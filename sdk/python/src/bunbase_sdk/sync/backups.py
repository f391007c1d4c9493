"""The backups of the project's documents.

Written by `make gen` from core/backups.py.
"""

from __future__ import annotations

from collections.abc import Iterator

from bunbase_sdk.core import backups as core
from bunbase_sdk.models import Backup, BackupJob, BackupScheduleState
from bunbase_sdk.sync.driver import Driver


class Backups:
    """The backups of the project's documents. These methods need a personal access token.

    `create`, `verify` and `restore` start a job on the server and return at once. `wait` returns the job when it has
    ended.
    """

    def __init__(self, calls: core.BackupsCalls, driver: Driver) -> None:
        self._calls = calls
        self._driver = driver

    def list(self, *, timeout: float | None = None) -> Iterator[Backup]:
        """Yield the backups, the newest first.

        ```python
        for backup in client.backups.list():
            print(backup["id"], backup["created_at"])
        ```
        """
        return self._driver.items(self._calls.list(timeout=timeout))

    def get(self, backup: str, *, timeout: float | None = None) -> Backup:
        """Return a backup. Raises: NotFound.

        ```python
        backup = client.backups.get("bkp_1")
        ```
        """
        return self._driver.run(self._calls.get(backup, timeout=timeout))

    def create(self, *, timeout: float | None = None) -> BackupJob:
        """Start a backup.

        ```python
        job = client.backups.create()
        ```
        """
        return self._driver.run(self._calls.create(timeout=timeout))

    def verify(self, backup: str, *, timeout: float | None = None) -> BackupJob:
        """Start a job that reads a backup and compares it with its manifest.

        ```python
        job = client.backups.verify("bkp_1")
        ```
        """
        return self._driver.run(self._calls.verify(backup, timeout=timeout))

    def restore(
        self, backup: str, *, from_project: str = "", unauthenticated: bool = False, timeout: float | None = None
    ) -> BackupJob:
        """Start a job that backs up the present documents, and then replaces them by the documents of a backup.

        `from_project`: the project to which the backup belongs; by default this project. `unauthenticated`: also
        restore a backup if nothing proves that BunBase wrote it.

        ```python
        job = client.backups.restore("bkp_1")
        ```
        """
        return self._driver.run(
            self._calls.restore(backup, from_project=from_project, unauthenticated=unauthenticated, timeout=timeout)
        )

    def job(self, job: str, *, timeout: float | None = None) -> BackupJob:
        """Return the state of a job, with its progress. Raises: NotFound.

        ```python
        job = client.backups.job("job_1")
        ```
        """
        return self._driver.run(self._calls.job(job, timeout=timeout))

    def wait(self, job: str, *, timeout: float | None = None) -> BackupJob:
        """Return a job when it has ended: see its `state` and `problem`. Raises: Unreachable, after the timeout.

        ```python
        done = client.backups.wait("job_1", timeout=600)
        ```
        """
        return self._driver.run(self._calls.wait(job, timeout=timeout))

    def delete(self, backup: str, *, timeout: float | None = None) -> None:
        """Delete a backup. Raises: NotFound.

        ```python
        client.backups.delete("bkp_1")
        ```
        """
        self._driver.run(self._calls.delete(backup, timeout=timeout))

    def schedule(self, *, timeout: float | None = None) -> BackupScheduleState:
        """Return the schedule: how often BunBase makes backups, and how many backups it keeps.

        ```python
        schedule = client.backups.schedule()
        ```
        """
        return self._driver.run(self._calls.schedule(timeout=timeout))

    def set_schedule(self, every_hours: int, kept: int, *, timeout: float | None = None) -> BackupScheduleState:
        """Set a schedule for this project only. `every_hours`: the time between backups, 0 for never. Idempotent.

        ```python
        client.backups.set_schedule(every_hours=6, kept=28)
        ```
        """
        return self._driver.run(self._calls.set_schedule(every_hours, kept, timeout=timeout))

    def reset_schedule(self, *, timeout: float | None = None) -> BackupScheduleState:
        """Use the schedule of the installation again. Idempotent.

        ```python
        client.backups.reset_schedule()
        ```
        """
        return self._driver.run(self._calls.reset_schedule(timeout=timeout))
