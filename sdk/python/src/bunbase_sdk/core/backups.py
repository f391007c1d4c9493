"""The backups of the project's documents."""

from __future__ import annotations

from typing import Any, Final

from bunbase_sdk.core.developer_paths import project_path
from bunbase_sdk.core.flow import Flow, Items, Sleep
from bunbase_sdk.core.pages import all_listed
from bunbase_sdk.core.retry import backoff
from bunbase_sdk.core.transport import NOTHING, Transport, Wanted
from bunbase_sdk.models import Backup, BackupJob, BackupScheduleState

PAGE: Final = 100
FIRST_PAUSE_SECONDS: Final = 0.1


class BackupsCalls:
    """The backups of the project's documents. These methods need a personal access token.

    `create`, `verify` and `restore` start a job on the server and return at once. `wait` returns the job when it has
    ended.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, *, timeout: float | None = None) -> Items[Backup]:
        """Yield the backups, the newest first.

        ```python
        for backup in client.backups.list():
            print(backup["id"], backup["created_at"])
        ```
        """
        where = project_path(self._transport, "backups")
        return all_listed(self._transport, where, {"limit": PAGE}, timeout, administers=True)

    def get(self, backup: str, *, timeout: float | None = None) -> Flow[Backup]:
        """Return a backup. Raises: NotFound.

        ```python
        backup = client.backups.get("bkp_1")
        ```
        """
        return self._json("GET", (backup,), timeout, repeatable=True)

    def create(self, *, timeout: float | None = None) -> Flow[BackupJob]:
        """Start a backup.

        ```python
        job = client.backups.create()
        ```
        """
        return self._json("POST", (), timeout)

    def verify(self, backup: str, *, timeout: float | None = None) -> Flow[BackupJob]:
        """Start a job that reads a backup and compares it with its manifest.

        ```python
        job = client.backups.verify("bkp_1")
        ```
        """
        return self._json("POST", (backup, "verify"), timeout)

    def restore(
        self, backup: str, *, from_project: str = "", unauthenticated: bool = False, timeout: float | None = None
    ) -> Flow[BackupJob]:
        """Start a job that backs up the present documents, and then replaces them by the documents of a backup.

        `from_project`: the project to which the backup belongs; by default this project. `unauthenticated`: also
        restore a backup if nothing proves that BunBase wrote it.

        ```python
        job = client.backups.restore("bkp_1")
        ```
        """
        body = {"backup": backup, "from_project": from_project, "unauthenticated": unauthenticated}
        return self._json("POST", ("restore",), timeout, body)

    def job(self, job: str, *, timeout: float | None = None) -> Flow[BackupJob]:
        """Return the state of a job, with its progress. Raises: NotFound.

        ```python
        job = client.backups.job("job_1")
        ```
        """
        return self._json("GET", ("jobs", job), timeout, repeatable=True)

    def wait(self, job: str, *, timeout: float | None = None) -> Flow[BackupJob]:
        """Return a job when it has ended: see its `state` and `problem`. Raises: Unreachable, after the timeout.

        ```python
        done = client.backups.wait("job_1", timeout=600)
        ```
        """
        within = self._transport.deadline(timeout)
        wanted = self._wanted("GET", ("jobs", job), NOTHING, repeatable=True)
        attempt = 0
        while True:
            found: BackupJob = yield from self._transport.json(wanted, within)
            if found["state"] in ("done", "failed"):
                return found
            yield Sleep(min(backoff(attempt, FIRST_PAUSE_SECONDS), within.left()))
            attempt += 1

    def delete(self, backup: str, *, timeout: float | None = None) -> Flow[None]:
        """Delete a backup. Raises: NotFound.

        ```python
        client.backups.delete("bkp_1")
        ```
        """
        return self._json("DELETE", (backup,), timeout)

    def schedule(self, *, timeout: float | None = None) -> Flow[BackupScheduleState]:
        """Return the schedule: how often BunBase makes backups, and how many backups it keeps.

        ```python
        schedule = client.backups.schedule()
        ```
        """
        return self._json("GET", ("schedule",), timeout, repeatable=True)

    def set_schedule(self, every_hours: int, kept: int, *, timeout: float | None = None) -> Flow[BackupScheduleState]:
        """Set a schedule for this project only. `every_hours`: the time between backups, 0 for never. Idempotent.

        ```python
        client.backups.set_schedule(every_hours=6, kept=28)
        ```
        """
        return self._json("PUT", ("schedule",), timeout, {"every_hours": every_hours, "kept": kept}, repeatable=True)

    def reset_schedule(self, *, timeout: float | None = None) -> Flow[BackupScheduleState]:
        """Use the schedule of the installation again. Idempotent.

        ```python
        client.backups.reset_schedule()
        ```
        """
        return self._json("DELETE", ("schedule",), timeout, repeatable=True)

    def _json(
        self,
        method: str,
        parts: tuple[str, ...],
        timeout: float | None,
        body: object = NOTHING,
        repeatable: bool = False,
    ) -> Flow[Any]:
        wanted = self._wanted(method, parts, body, repeatable)
        return self._transport.json(wanted, self._transport.deadline(timeout))

    def _wanted(self, method: str, parts: tuple[str, ...], body: object, repeatable: bool) -> Wanted:
        where = project_path(self._transport, "backups", *parts)
        return Wanted(method, where, body, repeatable=repeatable, administers=True)
