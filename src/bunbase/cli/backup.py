"""`bunbase backup`: back up, verify, restore and clone a project's documents and files."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from cyclopts import App, Parameter

from bunbase.cli.backup_jobs import run_backup_job
from bunbase.cli.chosen import needed_project
from bunbase.cli.errors import Usage
from bunbase.cli.flags import PROJECT_FLAGS, ProjectFlags
from bunbase.cli.http import Call, at
from bunbase.cli.output import Output, size_text
from bunbase.cli.project_copies.cloning import NewClone, backups_path, cloned, create_backup, parts_asked, told_users
from bunbase.cli.project_copies.parts import Extra, Part, With, Without
from bunbase.cli.prompts import Yes, confirm
from bunbase.cli.session import open_session
from bunbase.contracts.bundoc.backups import Authenticity, Backup, BackupPage, BackupScheduleState
from bunbase.contracts.platform import Project

BackupId = Annotated[str, Parameter(help="The backup's id, from `bunbase backup list`.")]
Unauthenticated = Annotated[
    bool,
    Parameter(
        negative="",
        show_default=False,
        help="Also accept a backup without a proof of its origin. Backups made by an older BunBase have none.",
    ),
]


app = App(name="backup", help="Back up, verify, restore and clone a project's documents and files.")


@app.command
def create(*, parts: With = (), without: Without = (), flags: ProjectFlags = PROJECT_FLAGS) -> None:
    """Make an encrypted backup of the project's documents and files. Reads and writes continue meanwhile.

    Files that another backup of the project has are not copied again.

    Example: bunbase backup create --with users
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        project = needed_project(flags.project, session)
        backup = create_backup(session, project, Extra.USERS in parts, Part.FILES not in without, out)
    if flags.json:
        out.document(backup)
    else:
        out.facts(_facts(backup))
    out.done(f"Made the backup {backup.id}.")


@app.command(name="list")
def list_backups(*, flags: ProjectFlags = PROJECT_FLAGS) -> None:
    """Show the project's backups, newest first.

    Example: bunbase backup list
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        found = session.ask_all(BackupPage, Call("GET", backups_path(needed_project(flags.project, session))))
    if flags.json:
        out.document(found)
        return
    out.table(
        ("backup", "made", "why", "documents", "files", "users", "size", "proof"),
        [_row(backup) for backup in found.items],
    )
    if not found.items:
        out.hint("There is no backup yet. Make one: bunbase backup create")


@app.command
def verify(
    backup: BackupId,
    /,
    *,
    deep: Annotated[
        bool, Parameter(negative="", show_default=False, help="Also decrypt all files of the backup.")
    ] = False,
    flags: ProjectFlags = PROJECT_FLAGS,
) -> None:
    """Check a backup: the proof of its origin, all checksums, all database pages and all counts.

    Each file must be there with its size. With --deep, all files are also decrypted.

    Example: bunbase backup verify bkp_1
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        path = backups_path(needed_project(flags.project, session), backup, "verify")
        call = Call("POST", path, params={"deep": "true"} if deep else {})
        job = run_backup_job(session, call, f"verifying {backup}", out)
    if flags.json:
        out.document(job)
    out.done(f"{backup} is complete and readable.")


@app.command
def restore(
    backup: BackupId,
    /,
    *,
    from_project: Annotated[
        str,
        Parameter(
            name="--from",
            show_default=False,
            help="The id or slug of the project that the backup belongs to. Default: this project.",
        ),
    ] = "",
    parts: With = (),
    without: Without = (),
    yes: Yes = False,
    unauthenticated: Unauthenticated = False,
    flags: ProjectFlags = PROJECT_FLAGS,
) -> int:
    """Replace all documents and files of the project with those of a backup.

    The server backs up the current documents and files first. If the backup has no files, files stay as they are. With
    --with users, deleted users come back. Existing users get the fields of the backup, and are signed out. The exit
    code is 1 if a user was refused.

    Example: bunbase backup restore bkp_1
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        project = session.ask(Project, Call("GET", at("projects", needed_project(flags.project, session))))
        if not yes:
            out.warn(
                f"This replaces all documents and files of {project.name} ({project.slug}) with those of {backup}, "
                "and also the rules, schemas and indexes."
            )
        confirm(yes)
        body = {"backup": backup, "from_project": from_project, "unauthenticated": unauthenticated}
        params = parts_asked(Extra.USERS in parts, Part.FILES not in without)
        call = Call("POST", backups_path(project.id, "restore"), params=params, json=body)
        job = run_backup_job(session, call, f"restoring {backup}", out)
    if flags.json:
        out.document(job)
    out.done(f"{project.name} now holds the documents {'and files ' if job.files else ''}of {backup}.")
    if not job.files and not without:
        out.hint("This backup has no files, so the files of the project stay as they were.")
    if job.safety_backup:
        out.hint(f"To get the replaced state back: bunbase backup restore {job.safety_backup}")
    return told_users(job.users, out)


@app.command
def clone(
    name: Annotated[str, Parameter(help="The new project's name.")],
    /,
    *,
    backup: Annotated[
        str, Parameter(show_default=False, help="The id of the backup to copy. Default: copy the current documents.")
    ] = "",
    parts: With = (),
    without: Without = (),
    unauthenticated: Unauthenticated = False,
    flags: ProjectFlags = PROJECT_FLAGS,
) -> int:
    """Create a project with a copy of this project's documents and files, encrypted with a new key.

    Example: bunbase backup clone Preview
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        source = needed_project(flags.project, session)
        users, files = Extra.USERS in parts, Part.FILES not in without
        wanted = NewClone(name, source, backup, unauthenticated=unauthenticated, users=users, files=files)
        new, job = cloned(session, wanted, out)
    out.done(f"{new.name} ({new.slug}) holds a copy. Its secret key will not be shown again.")
    out.hint(f"To use the new project: bunbase projects use {new.slug}")
    return told_users(job.users, out)


@app.command
def delete(backup: BackupId, /, *, yes: Yes = False, flags: ProjectFlags = PROJECT_FLAGS) -> None:
    """Delete a backup permanently.

    Example: bunbase backup delete bkp_1
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        project = needed_project(flags.project, session)
        if not yes:
            out.warn(f"This deletes the backup {backup}. This cannot be undone.")
        confirm(yes)
        session.ask(type(None), Call("DELETE", backups_path(project, backup)))
    if flags.json:
        out.document({"id": backup, "deleted": True})
    out.done(f"{backup} is deleted.")


@app.command
def schedule(
    *,
    every_hours: Annotated[
        int | None, Parameter(show_default=False, help="Hours between backups; 0 turns automatic backups off.")
    ] = None,
    kept: Annotated[int | None, Parameter(show_default=False, help="How many scheduled backups to keep.")] = None,
    users: Annotated[
        bool | None, Parameter(show_default=False, help="Scheduled backups have the project's users too.")
    ] = None,
    files: Annotated[
        bool | None, Parameter(show_default=False, help="Scheduled backups have the project's files too. Default: yes.")
    ] = None,
    inherit: Annotated[
        bool, Parameter(negative="", show_default=False, help="Use the schedule of the installation again.")
    ] = False,
    flags: ProjectFlags = PROJECT_FLAGS,
) -> None:
    """Show or change the schedule of automatic backups.

    Example: bunbase backup schedule --every-hours 6 --kept 28
    """
    out = Output(flags.json)
    changed = (every_hours, kept, users, files) != (None, None, None, None)
    if inherit and changed:
        raise Usage("--inherit cannot be combined with --every-hours, --kept, --users or --files.")
    with open_session(flags) as session:
        path = backups_path(needed_project(flags.project, session), "schedule")
        now = session.ask(BackupScheduleState, Call("DELETE" if inherit else "GET", path))
        if changed:
            body = {
                "every_hours": now.every_hours if every_hours is None else every_hours,
                "kept": now.kept if kept is None else kept,
                "users": now.users if users is None else users,
                "files": now.files if files is None else files,
            }
            now = session.ask(BackupScheduleState, Call("PUT", path, json=body))
    if flags.json:
        out.document(now)
        return
    often = f"every {now.every_hours} h" if now.every_hours else "never"
    whose = "this project's" if now.own else "the installation's"
    with_users, with_files = ["yes" if part else "no" for part in (now.users, now.files)]
    out.facts(
        [
            ("backed up", often),
            ("kept", now.kept),
            ("with files", with_files),
            ("with users", with_users),
            ("schedule", whose),
        ]
    )


def _row(backup: Backup) -> tuple[str, datetime, str, int, int | None, int | None, str, Authenticity]:
    return (
        backup.id,
        datetime.fromisoformat(backup.created_at),
        backup.reason.value,
        _documents(backup),
        None if backup.objects is None else backup.objects.objects,
        backup.users,
        _size(backup),
        backup.authenticity,
    )


def _facts(backup: Backup) -> list[tuple[str, object]]:
    return [
        ("backup", backup.id),
        ("made", datetime.fromisoformat(backup.created_at)),
        ("documents", _documents(backup)),
        ("files", "no" if backup.objects is None else backup.objects.objects),
        *([] if backup.users is None else [("users", backup.users)]),
        ("size", _size(backup)),
    ]


def _size(backup: Backup) -> str:
    """Return the size with the blobs of files, which backups share."""
    return size_text(backup.size() + (0 if backup.objects is None else backup.objects.blob_bytes))


def _documents(backup: Backup) -> int:
    return sum(collection.documents for collection in backup.collections)
