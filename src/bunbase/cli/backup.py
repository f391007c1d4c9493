"""`bunbase backup`: back up, verify, restore and clone a project's documents."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from cyclopts import App, Parameter

from bunbase.cli.backup_jobs import run_backup_job
from bunbase.cli.chosen import needed_project
from bunbase.cli.credentials import ChosenProject, StoredKey
from bunbase.cli.errors import Failure, Usage
from bunbase.cli.flags import PROJECT_FLAGS, ProjectFlags
from bunbase.cli.http import Call, at
from bunbase.cli.output import Output, size_text
from bunbase.cli.prompts import Yes, confirm
from bunbase.cli.session import Session, open_session
from bunbase.contracts.bundoc.backups import Authenticity, Backup, BackupPage, BackupScheduleState
from bunbase.contracts.platform import NewProject, Project

BackupId = Annotated[str, Parameter(help="The backup's id, from `bunbase backup list`.")]
Unauthenticated = Annotated[
    bool,
    Parameter(
        negative="",
        show_default=False,
        help="Also accept a backup without a proof of its origin. Backups made by an older BunBase have none.",
    ),
]

app = App(name="backup", help="Back up, verify, restore and clone a project's documents.")


@app.command
def create(*, flags: ProjectFlags = PROJECT_FLAGS) -> None:
    """Make an encrypted backup of the project's documents. Reads and writes continue meanwhile.

    Example: bunbase backup create
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        backup = _create_backup(session, needed_project(flags.project, session), out)
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
        found = session.ask_all(BackupPage, Call("GET", _path(needed_project(flags.project, session))))
    if flags.json:
        out.document(found)
        return
    out.table(("backup", "made", "why", "documents", "size", "proof"), [_row(backup) for backup in found.items])
    if not found.items:
        out.hint("There is no backup yet. Make one: bunbase backup create")


@app.command
def verify(backup: BackupId, /, *, flags: ProjectFlags = PROJECT_FLAGS) -> None:
    """Check a backup: the proof of its origin, all checksums, all database pages and all counts.

    Example: bunbase backup verify bkp_1
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        call = Call("POST", _path(needed_project(flags.project, session), backup, "verify"))
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
    yes: Yes = False,
    unauthenticated: Unauthenticated = False,
    flags: ProjectFlags = PROJECT_FLAGS,
) -> None:
    """Replace all documents of the project with the documents of a backup.

    The server backs up the current documents first.

    Example: bunbase backup restore bkp_1
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        project = session.ask(Project, Call("GET", at("projects", needed_project(flags.project, session))))
        if not yes:
            out.warn(
                f"This replaces all documents of {project.name} ({project.slug}) with the documents of {backup}, "
                "and also the rules, schemas and indexes."
            )
        confirm(yes)
        body = {"backup": backup, "from_project": from_project, "unauthenticated": unauthenticated}
        job = run_backup_job(session, Call("POST", _path(project.id, "restore"), json=body), f"restoring {backup}", out)
    if flags.json:
        out.document(job)
    out.done(f"{project.name} now holds the documents of {backup}.")
    if job.safety_backup:
        out.hint(f"To get the replaced documents back: bunbase backup restore {job.safety_backup}")


@app.command
def clone(
    name: Annotated[str, Parameter(help="The new project's name.")],
    /,
    *,
    backup: Annotated[
        str, Parameter(show_default=False, help="The id of the backup to copy. Default: copy the current documents.")
    ] = "",
    unauthenticated: Unauthenticated = False,
    flags: ProjectFlags = PROJECT_FLAGS,
) -> None:
    """Create a project with a copy of this project's documents, encrypted with a new key.

    Example: bunbase backup clone Preview
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        source = needed_project(flags.project, session)
        taken = backup or _create_backup(session, source, out).id
        new = session.ask(NewProject, Call("POST", at("projects"), json={"name": name}))
        if flags.json:
            out.document(new)
        else:
            out.table(("key", "id", "value"), [(key.kind.value, key.id, key.key) for key in new.keys])
        _keep_keys(session, new, out)
        body = {"backup": taken, "from_project": source, "unauthenticated": unauthenticated}
        try:
            run_backup_job(session, Call("POST", _path(new.id, "restore"), json=body), f"filling {new.slug}", out)
        except Failure:
            out.warn(f"{new.slug} was created but is empty. To fill it: bunbase backup restore {taken} --from {source}")
            raise
        if not backup:  # the backup was made only for this clone
            session.ask(type(None), Call("DELETE", _path(source, taken)))
    out.done(f"{new.name} ({new.slug}) holds a copy. Its secret key will not be shown again.")
    out.hint(f"To use the new project: bunbase projects use {new.slug}")


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
        session.ask(type(None), Call("DELETE", _path(project, backup)))
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
    inherit: Annotated[
        bool, Parameter(negative="", show_default=False, help="Use the schedule of the installation again.")
    ] = False,
    flags: ProjectFlags = PROJECT_FLAGS,
) -> None:
    """Show or change the schedule of automatic backups.

    Example: bunbase backup schedule --every-hours 6 --kept 28
    """
    out = Output(flags.json)
    if inherit and (every_hours, kept) != (None, None):
        raise Usage("--inherit cannot be combined with --every-hours or --kept.")
    with open_session(flags) as session:
        path = _path(needed_project(flags.project, session), "schedule")
        now = session.ask(BackupScheduleState, Call("DELETE" if inherit else "GET", path))
        if (every_hours, kept) != (None, None):
            body = {
                "every_hours": now.every_hours if every_hours is None else every_hours,
                "kept": now.kept if kept is None else kept,
            }
            now = session.ask(BackupScheduleState, Call("PUT", path, json=body))
    if flags.json:
        out.document(now)
        return
    often = f"every {now.every_hours} h" if now.every_hours else "never"
    whose = "this project's" if now.own else "the installation's"
    out.facts([("backed up", often), ("kept", now.kept), ("schedule", whose)])


def _create_backup(session: Session, project: str, out: Output) -> Backup:
    job = run_backup_job(session, Call("POST", _path(project)), "backing up", out)
    return session.ask(Backup, Call("GET", _path(project, job.backup)))


def _keep_keys(session: Session, new: NewProject, out: Output) -> None:
    """Store the new project's keys on this machine. A failure is only a warning, since the project exists already."""
    try:
        with session.changing() as known:
            for key in new.keys:
                known.keep(StoredKey(key.id, key.kind, key.key or "", ChosenProject(new.id, new.slug)))
    except Failure as failure:
        out.warn(f"The project was made, but its keys could not be stored on this machine: {failure.detail}")


def _path(project: str, *below: str) -> str:
    return at("projects", project, "backups", *below)


def _row(backup: Backup) -> tuple[str, datetime, str, int, str, Authenticity]:
    return (
        backup.id,
        datetime.fromisoformat(backup.created_at),
        backup.reason.value,
        _documents(backup),
        size_text(backup.size()),
        backup.authenticity,
    )


def _facts(backup: Backup) -> list[tuple[str, object]]:
    return [
        ("backup", backup.id),
        ("made", datetime.fromisoformat(backup.created_at)),
        ("documents", _documents(backup)),
        ("size", size_text(backup.size())),
    ]


def _documents(backup: Backup) -> int:
    return sum(collection.documents for collection in backup.collections)
