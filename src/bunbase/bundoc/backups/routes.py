"""Public HTTP of backups: `/api/projects/{project}/backups`."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from litestar import Response, delete, get, post, put
from litestar.params import PathParameter, QueryParameter

from bunbase.contracts.bundoc.backups import Backup, BackupJob, BackupPage, BackupSchedule, BackupScheduleState
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.caller import Caller
from bunbase.contracts.platform import Platform
from bunbase.pkg.cursors import DEFAULT_LIMIT
from bunbase.pkg.http import Cursor, Injected, Limit
from bunbase.pkg.ids import ID

TAGS: Final = ["Backups"]
BACKUPS: Final = "/api/projects/{project:str}/backups"

Id = Annotated[str, PathParameter(pattern=ID)]
Users = Annotated[bool, QueryParameter(description="With the users of the project, and the hashes of passwords.")]
Files = Annotated[bool, QueryParameter(description="With the files of the project.")]
RestoredFiles = Annotated[bool, QueryParameter(description="Replace the files too, if the backup has files.")]
Deep = Annotated[bool, QueryParameter(description="Also decrypt all files of the backup.")]
Restored = Annotated[bool, QueryParameter(description="Put the users of the backup back too.")]


class RestoreBackup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The backup to restore.

    `from_project`: id or slug of the project to which the backup belongs; "" means this project.
    `unauthenticated`: true restores the backup although nothing proves who wrote it.
    """

    backup: str
    from_project: str = ""
    unauthenticated: bool = False


@post(BACKUPS, summary="Back up a project", tags=TAGS, status_code=202)
async def create_backup(
    member: Injected[Caller], bundoc: Injected[Bundoc], users: Users = False, files: Files = True
) -> Response[BackupJob]:
    """Starts an encrypted copy of the project's documents and files as they are now.

    With `users`, the copy includes the project's users. Without `files`, the copy has no files. Files that another
    backup of the project has are not copied again. Reads and writes continue.

    Read the job until its `state` is `done` or `failed`. After `done`, the list of backups has the new backup.
    """
    return _begun(await bundoc.create_backup(member, users, files))


@get(BACKUPS, summary="List backups", tags=TAGS)
async def list_backups(
    member: Injected[Caller], bundoc: Injected[Bundoc], limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> BackupPage:
    """Lists the project's backups, newest first."""
    return await bundoc.backups(member, limit, cursor)


@get(f"{BACKUPS}/{{backup:str}}", summary="Get a backup", tags=TAGS)
async def get_backup(member: Injected[Caller], bundoc: Injected[Bundoc], backup: Id) -> Backup:
    return await bundoc.backup(member, backup)


@delete(f"{BACKUPS}/{{backup:str}}", summary="Delete a backup", tags=TAGS, status_code=204)
async def delete_backup(member: Injected[Caller], bundoc: Injected[Bundoc], backup: Id) -> None:
    """Deletes the backup permanently. Needs the role admin."""
    await bundoc.delete_backup(member, backup)


@post(f"{BACKUPS}/{{backup:str}}/verify", summary="Verify a backup", tags=TAGS, status_code=202)
async def verify_backup(
    member: Injected[Caller], bundoc: Injected[Bundoc], backup: Id, deep: Deep = False
) -> Response[BackupJob]:
    """Starts to check the proof, the checksums, the database pages and the document counts of the backup, and that all
    its files are there with their sizes. With `deep`, all files are also decrypted.

    The job fails with `backup_damaged` if the backup is damaged (the detail names the damage), with `backup_altered` if
    somebody changed the backup on its disk, or with `backup_unauthenticated` if only the proof is missing.
    """
    return _begun(await bundoc.verify_backup(member, backup, deep))


@post(f"{BACKUPS}/restore", summary="Restore a backup into this project", tags=TAGS, status_code=202)
async def restore_backup(
    member: Injected[Caller],
    bundoc: Injected[Bundoc],
    platform: Injected[Platform],
    data: RestoreBackup,
    users: Restored = False,
    files: RestoredFiles = True,
) -> Response[BackupJob]:
    """Starts to replace all documents and files of this project by those of a backup, encrypted under this project's
    key.

    Needs the role admin in this project and in `from_project`. First, the job verifies the backup and backs up the
    present documents and files; `safety_backup` is the id of this new backup. If somebody changed the backup on its
    disk, BunBase refuses it with `backup_altered`. A backup of an older BunBase has no proof. BunBase refuses such
    backups with `backup_unauthenticated`, unless `unauthenticated` is true. While the documents are replaced, requests
    get 503 `project_restoring`. Documents and files change together. A backup without files leaves the files as they
    are, and so does `files=false`. After the restore, readers of `/v1/changes` get `resync_required`.

    With `users`, the job then restores the users of the backup. This needs recent reauthentication.
    Deleted users come back. Existing users get the fields of the backup and are signed out. No user is deleted. A
    password that was set after the backup stays. `users` of the job counts these users. BunBase refuses a backup
    without users with `backup_without_users`.
    """
    source = await _source(member, platform, data.from_project)
    return _begun(await bundoc.restore_backup(member, source, data.backup, data.unauthenticated, users, files))


@get(f"{BACKUPS}/jobs/{{job:str}}", summary="Get a backup job", tags=TAGS)
async def get_backup_job(member: Injected[Caller], bundoc: Injected[Bundoc], job: Id) -> BackupJob:
    return await bundoc.backup_job(member, job)


@get(f"{BACKUPS}/schedule", summary="Get the schedule of backups", tags=TAGS)
async def get_backup_schedule(member: Injected[Caller], bundoc: Injected[Bundoc]) -> BackupScheduleState:
    return await bundoc.backup_schedule(member)


@put(f"{BACKUPS}/schedule", summary="Set the schedule of backups", tags=TAGS)
async def set_backup_schedule(
    member: Injected[Caller], bundoc: Injected[Bundoc], data: BackupSchedule
) -> BackupScheduleState:
    """Sets how often to back up the project (`every_hours`, 0 for never) and how many backups BunBase keeps (`kept`).

    Needs the role admin.
    """
    return await bundoc.set_backup_schedule(member, data)


@delete(f"{BACKUPS}/schedule", summary="Delete the schedule of backups", tags=TAGS, status_code=200)
async def reset_backup_schedule(member: Injected[Caller], bundoc: Injected[Bundoc]) -> BackupScheduleState:
    """Deletes the project's own schedule, so that the schedule of the instance applies again. Needs the role admin."""
    return await bundoc.set_backup_schedule(member, None)


def _begun(job: BackupJob) -> Response[BackupJob]:
    at = f"/api/projects/{job.project}/backups/jobs/{job.id}"
    return Response(job, status_code=202, headers={"location": at})


async def _source(member: Caller, platform: Platform, project: str) -> Caller:
    """Return the caller with the role that the same developer has in another project. Raises: ProjectNotFound."""
    if not project:
        return member
    found = await platform.membership(member.signed_in().id, project)
    return msgspec.structs.replace(member, project=found.project, role=found.role)


ROUTES = (
    create_backup,
    list_backups,
    get_backup_schedule,
    set_backup_schedule,
    reset_backup_schedule,
    restore_backup,
    get_backup_job,
    get_backup,
    delete_backup,
    verify_backup,
)
