"""Backups of a project's documents, and documents as lines: the part of Bundoc's contract that moves whole projects.

Long work is a job: one call starts it, and other calls read its state. A backup is listed once it is whole.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from enum import StrEnum
from typing import Annotated, Any, Protocol

import msgspec

from bunbase.contracts.caller import Caller
from bunbase.pkg.errors import Problem


class BackupNotFound(Problem):
    status, code, title = 404, "backup_not_found", "There is no such backup"


class BackupJobNotFound(Problem):
    """Jobs are kept in memory: a restart forgets them. Backups that were finished are still listed."""

    status, code, title = 404, "backup_job_not_found", "There is no such job"


class BackupDamaged(Problem):
    """`file`: the file of the backup whose contents are not as they were written."""

    status, code, title = 409, "backup_damaged", "The backup is not what was written"


class BackupAltered(Problem):
    status, code, title = 409, "backup_altered", "Somebody changed this backup after it was written"


class BackupUnauthenticated(Problem):
    status, code, title = 409, "backup_unauthenticated", "Nothing proves who wrote this backup"


class BackupTooNew(Problem):
    status, code, title = 409, "backup_too_new", "The backup was written by a newer BunBase"


class BackupBusy(Problem):
    status, code, title = 503, "backup_busy", "Other backup work is in the way"


class BackupFailed(Problem):
    status, code, title = 500, "backup_failed", "The backup work could not be finished"


class TooManyBackups(Problem):
    status, code, title = 409, "too_many_backups", "This project has as many backups as it may have"


class ProjectRestoring(Problem):
    status, code, title = 503, "project_restoring", "The project is being restored"


class BackupReason(StrEnum):
    MANUAL = "manual"
    SCHEDULED = "scheduled"
    BEFORE_RESTORE = "before_restore"  # the documents that a restore replaced
    UNKNOWN = "unknown"  # its manifest cannot be read


class JobKind(StrEnum):
    CREATE = "create"
    VERIFY = "verify"
    RESTORE = "restore"


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class BackedUpFile(msgspec.Struct, frozen=True):
    name: str
    bytes: int
    sha256: str


class BackedUpCollection(msgspec.Struct, frozen=True):
    """`bytes`: size of the documents in their stored form."""

    name: str
    documents: int
    bytes: int


class Manifest(msgspec.Struct, frozen=True):
    """The manifest of a backup. `seq`: number of its newest change; `format`: version of its database format.

    `source_changed_at`: the last write to the project's files before the backup, ns since 1970.
    """

    id: str
    project: str
    reason: BackupReason
    created_at: str
    bunbase: str
    format: int
    key_version: int
    seq: int
    source_changed_at: int
    collections: tuple[BackedUpCollection, ...]
    files: tuple[BackedUpFile, ...]

    def size(self) -> int:
        return sum(file.bytes for file in self.files)


class Authenticity(StrEnum):
    PROVED = "proved"  # BunKMS confirms that BunBase wrote this manifest, for this project, under this id
    UNAUTHENTICATED = "unauthenticated"  # it has no proof: an older BunBase made it, or somebody removed the proof
    ALTERED = "altered"
    UNREADABLE = "unreadable"  # its manifest cannot be read


class Backup(Manifest, frozen=True):
    """`authenticity`: result for the manifest only; a verification also reads the files.

    An UNREADABLE backup has only its id and the time at which the id was made.
    """

    authenticity: Authenticity = Authenticity.UNAUTHENTICATED


class BackupPage(msgspec.Struct, frozen=True):
    items: tuple[Backup, ...]
    next: str | None


class BackupJob(msgspec.Struct, frozen=True):
    """`backup`: the backup that the job makes, verifies or restores. `done_bytes` of `total_bytes`: 0 until that is
    known.

    `safety_backup`: a backup of the documents that a restore replaced. `problem`: the reason of a failure, as a problem
    document.
    """

    id: str
    project: str
    kind: JobKind
    state: JobState
    backup: str
    created_at: str
    from_project: str = ""
    done_bytes: int = 0
    total_bytes: int = 0
    safety_backup: str | None = None
    problem: dict[str, Any] | None = None


Hours = Annotated[int, msgspec.Meta(ge=0, le=8760)]
Kept = Annotated[int, msgspec.Meta(ge=1, le=100)]


class BackupSchedule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`every_hours`: 0 for never. `kept`: how many scheduled backups are kept."""

    every_hours: Hours
    kept: Kept


class BackupScheduleState(msgspec.Struct, frozen=True):
    """`own`: true if the project has its own schedule instead of the schedule of the instance."""

    every_hours: int
    kept: int
    own: bool


class ExportPart(msgspec.Struct, frozen=True):
    """Whole lines of NDJSON."""

    lines: bytes


class ImportMode(StrEnum):
    CREATE = "create"  # a document that exists already is an error
    REPLACE = "replace"
    SKIP = "skip"  # a document that exists already stays as it is


class ImportLine(msgspec.Struct, frozen=True):
    """`number`: from 1."""

    number: int
    text: bytes


class RefusedLine(msgspec.Struct, frozen=True):
    line: int
    code: str
    detail: str


class Imported(msgspec.Struct, frozen=True):
    """`errors`: the first 100. `last_line`: all lines up to this one have been processed."""

    imported: int = 0
    skipped: int = 0
    failed: int = 0
    last_line: int = 0
    errors: tuple[RefusedLine, ...] = ()


class Backups(Protocol):
    """Callers are members of the project: a developer may read and create, an admin may also replace and delete."""

    async def create_backup(self, caller: Caller) -> BackupJob:
        """Start a copy of the project at one moment; writes continue. Raises: BackupBusy, TooManyBackups."""
        ...

    async def backups(self, caller: Caller, limit: int, cursor: str | None) -> BackupPage:
        """Return the project's backups, newest first, including unreadable ones. Raises: InvalidCursor."""
        ...

    async def backup(self, caller: Caller, id: str) -> Backup:
        """Raises: BackupNotFound."""
        ...

    async def verify_backup(self, caller: Caller, id: str) -> BackupJob:
        """Start to check proof, sums, pages and counts. The job fails with BackupAltered, BackupDamaged, which names
        what is wrong, or BackupUnauthenticated, if only the proof is missing.

        Raises: BackupNotFound, BackupBusy.
        """
        ...

    async def restore_backup(self, caller: Caller, source: Caller, id: str, unauthenticated: bool = False) -> BackupJob:
        """Start to replace the documents of `caller`'s project by a backup of `source`'s project.

        Both need admin. The present documents are backed up first. `unauthenticated`: accept a backup without a proof.
        Raises: BackupNotFound, BackupBusy, BackupAltered, BackupUnauthenticated.
        """
        ...

    async def delete_backup(self, caller: Caller, id: str) -> None:
        """Delete a backup, also an unreadable one. Raises: BackupNotFound, BackupBusy while it is being read."""
        ...

    async def backup_job(self, caller: Caller, id: str) -> BackupJob:
        """Raises: BackupJobNotFound."""
        ...

    async def backup_schedule(self, caller: Caller) -> BackupScheduleState: ...

    async def set_backup_schedule(self, caller: Caller, schedule: BackupSchedule | None) -> BackupScheduleState:
        """Set the project's own schedule; None removes it, so that the schedule of the instance applies."""
        ...

    def export_documents(self, caller: Caller, collection: str | None, after: str) -> AsyncIterator[ExportPart]:
        """Return documents after `after`, one line each, ordered by id. Without a collection, all are exported and
        `after` is `collection/id`.

        Secret key or developer. Each document has the state in which its page was read. Raises: RuleDenied,
        CollectionNotFound.
        """
        ...

    async def import_documents(
        self, caller: Caller, collection: str | None, mode: ImportMode, lines: tuple[ImportLine, ...]
    ) -> Imported:
        """Write lines, each checked like any write; an error in one line does not stop the others.

        Secret key or developer. Raises: RuleDenied, BundocBusy, DiskFull, DataUnreadable.
        """
        ...
