"""The part of Bundoc's contract for whole projects: backups, and the export and import of documents as lines.

Long work runs as a job: one call starts the job, and other calls read its state. Lists show only complete backups.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from enum import StrEnum
from typing import Annotated, Any, Protocol

import msgspec

from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.transfers import ImportedUsers
from bunbase.pkg.errors import Problem
from bunbase.pkg.ndjson import ExportPart, ImportLine, RefusedLine


class BackupNotFound(Problem):
    status, code, title = 404, "backup_not_found", "There is no such backup"


class BackupJobNotFound(Problem):
    """Jobs are kept in memory only, so a restart loses them. Finished backups are still listed."""

    status, code, title = 404, "backup_job_not_found", "There is no such job"


class BackupDamaged(Problem):
    """`file`: the file of the backup whose contents have changed since the backup was written."""

    status, code, title = 409, "backup_damaged", "The backup is damaged"


class BackupAltered(Problem):
    status, code, title = 409, "backup_altered", "Somebody changed this backup after it was written"


class BackupUnauthenticated(Problem):
    status, code, title = 409, "backup_unauthenticated", "Nothing proves who wrote this backup"


class BackupTooNew(Problem):
    status, code, title = 409, "backup_too_new", "The backup was written by a newer BunBase"


class BackupWithoutUsers(Problem):
    status, code, title = 409, "backup_without_users", "The backup has no users"


class BackupBusy(Problem):
    status, code, title = 503, "backup_busy", "Other backup work is running"


class BackupFailed(Problem):
    status, code, title = 500, "backup_failed", "The backup work could not be finished"


class TooManyBackups(Problem):
    status, code, title = 409, "too_many_backups", "This project has the maximum number of backups"


class ProjectRestoring(Problem):
    status, code, title = 503, "project_restoring", "The project is being restored"


class BackupReason(StrEnum):
    MANUAL = "manual"
    SCHEDULED = "scheduled"
    BEFORE_RESTORE = "before_restore"  # the backup has the documents that a restore replaced
    UNKNOWN = "unknown"  # the manifest of the backup cannot be read


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
    """`bytes`: the size of the documents in their stored form."""

    name: str
    documents: int
    bytes: int


class BackedUpObjects(msgspec.Struct, frozen=True):
    """The files in a backup. `objects`, `bytes`: the number and the size of all objects; each copy of an object counts.

    `blobs`, `blob_bytes`: the blobs that hold them, and the bytes of these blobs in the archive, which all backups of
    the project share. `taken_at`: the moment at which the list of objects was copied. `changed_at`: the time of the
    last write of files before the backup, in nanoseconds since 1970.
    """

    objects: int
    bytes: int
    blobs: int
    blob_bytes: int
    taken_at: str
    changed_at: int


class Manifest(msgspec.Struct, frozen=True):
    """The manifest of a backup. `seq`: the number of the newest change in the backup; `format`: the version of the
    database format.

    `source_changed_at`: the time of the last write to the project's files before the backup, in nanoseconds since 1970.
    `users`: the number of users in the backup; None for a backup without users. `objects`: the files in the backup;
    None for a backup without files. `documents_at`: the moment of the documents; "" in backups of older versions.
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
    users: int | None = None
    objects: BackedUpObjects | None = None
    documents_at: str = ""

    def size(self) -> int:
        return sum(file.bytes for file in self.files)


class Authenticity(StrEnum):
    PROVED = "proved"  # BunKMS confirms that BunBase wrote this manifest, for this project, under this id
    UNAUTHENTICATED = (
        "unauthenticated"  # the proof is missing: an older BunBase made the backup, or somebody removed it
    )
    ALTERED = "altered"
    UNREADABLE = "unreadable"  # the manifest cannot be read


class Backup(Manifest, frozen=True):
    """A backup in a list. `authenticity`: the result for the manifest only; a verification also reads the files.

    For an UNREADABLE backup, only `id` and `created_at` are known; the time comes from the id.
    """

    authenticity: Authenticity = Authenticity.UNAUTHENTICATED


class BackupPage(msgspec.Struct, frozen=True):
    items: tuple[Backup, ...]
    next: str | None


class BackupJob(msgspec.Struct, frozen=True):
    """`backup`: the backup that the job makes, verifies or restores. `done_bytes`, `total_bytes`: the progress;
    `total_bytes` is 0 until the size is known.

    `safety_backup`: the backup of the documents that a restore replaced. `problem`: the reason for a failure, as a
    problem document. `users`: the results of a restore with users, with the first 100 users that were refused. A `line`
    is the place of a user in the backup, where users are ordered by id. `files`: true if the job also copies, checks or
    restores files.
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
    users: ImportedUsers | None = None
    files: bool = False


Hours = Annotated[int, msgspec.Meta(ge=0, le=8760)]
Kept = Annotated[int, msgspec.Meta(ge=1, le=100)]


class BackupSchedule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`every_hours`: the hours between two backups, 0 for never. `kept`: the number of scheduled backups to keep.
    `users`, `files`: true if the scheduled backups include the users, and the files.
    """

    every_hours: Hours
    kept: Kept
    users: bool = False
    files: bool = True


class BackupScheduleState(msgspec.Struct, frozen=True):
    """`own`: true if the project has its own schedule instead of the schedule of the instance."""

    every_hours: int
    kept: int
    own: bool
    users: bool = False
    files: bool = True


class ImportMode(StrEnum):
    CREATE = "create"  # a line fails if its document exists already
    REPLACE = "replace"
    SKIP = "skip"  # a line is skipped if its document exists already


class Imported(msgspec.Struct, frozen=True):
    """`errors`: the first 1,000 errors.

    `last_line`: the number of the last processed line; all lines before it have been processed too.

    `unresolved`: the failed lines that only lack a document to which they refer, at most 10,000. These lines succeed
    when they are sent again after the document is imported. `seq`: a state of the project that has all imported
    documents, as in the header `X-Bunbase-Seq` of other writes; empty if no document was imported.
    """

    imported: int = 0
    skipped: int = 0
    failed: int = 0
    last_line: int = 0
    errors: tuple[RefusedLine, ...] = ()
    unresolved: tuple[int, ...] = ()
    seq: str = ""


class Backups(Protocol):
    """Callers are members of the project: a developer may read and create, an admin may also replace and delete."""

    async def create_backup(self, caller: Caller, users: bool = False, files: bool = True) -> BackupJob:
        """Start a backup of the project as it is now; writes continue. `users`, `files`: true if the backup includes
        the project's users, and its files.

        Raises: BackupBusy, TooManyBackups.
        """
        ...

    async def backups(self, caller: Caller, limit: int, cursor: str | None) -> BackupPage:
        """Return the project's backups, newest first, including unreadable backups. Raises: InvalidCursor."""
        ...

    async def backup(self, caller: Caller, id: str) -> Backup:
        """Raises: BackupNotFound."""
        ...

    async def verify_backup(self, caller: Caller, id: str, deep: bool = False) -> BackupJob:
        """Start a job that checks the proof, the checksums, the database pages and the document counts of a backup, its
        list of objects, and that each blob is there with its size. `deep`: also decrypt each blob.

        The job fails with BackupAltered, with BackupDamaged, whose detail names the damage, or with
        BackupUnauthenticated if only the proof is missing.
        Raises: BackupNotFound, BackupBusy.
        """
        ...

    async def restore_backup(
        self,
        caller: Caller,
        source: Caller,
        id: str,
        unauthenticated: bool = False,
        users: bool = False,
        files: bool = True,
    ) -> BackupJob:
        """Start a job that replaces the documents of `caller`'s project by a backup of `source`'s project.

        `caller` and `source` both need the role admin. The job first backs up the present documents.
        `unauthenticated`: accept a backup without a proof. `users`: true to restore the users of the backup too, after
        the documents, with `UserCopies.restore_users`. `files`: true to replace the files too, if the backup has files.
        Documents and files are replaced together: after a crash, either both are old, or both are new.
        Raises: BackupNotFound, BackupBusy, BackupAltered, BackupUnauthenticated, BackupWithoutUsers.
        """
        ...

    async def delete_backup(self, caller: Caller, id: str) -> None:
        """Delete a backup, even if it is unreadable. Raises: BackupNotFound, BackupBusy if a job uses the backup."""
        ...

    async def backup_job(self, caller: Caller, id: str) -> BackupJob:
        """Raises: BackupJobNotFound."""
        ...

    async def backup_schedule(self, caller: Caller) -> BackupScheduleState: ...

    async def set_backup_schedule(self, caller: Caller, schedule: BackupSchedule | None) -> BackupScheduleState:
        """Set the project's own schedule; None removes it, so that the schedule of the instance applies."""
        ...

    def export_documents(self, caller: Caller, collection: str | None, after: str) -> AsyncIterator[ExportPart]:
        """Yield documents after the id `after`, one line each, ordered by id. If `collection` is None, all collections
        are exported and `after` is `collection/id`.

        The caller needs the secret key or the role developer. Each document has the state at the time when its page was
        read.
        Raises: RuleDenied, CollectionNotFound.
        """
        ...

    async def import_documents(
        self,
        caller: Caller,
        collection: str | None,
        mode: ImportMode,
        lines: tuple[ImportLine, ...],
        dry_run: bool = False,
    ) -> Imported:
        """Write one document for each line. Lines are checked like any write. An error in one line does not stop the
        import.

        `dry_run`: write nothing, and count the outcomes that the lines would have; unique indexes and references are
        not checked. The caller needs the secret key or the role developer. Raises: RuleDenied, BundocBusy, DiskFull,
        DataUnreadable.
        """
        ...
