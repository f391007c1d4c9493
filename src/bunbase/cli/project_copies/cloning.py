"""Create a project as a copy of another project: the server backs up the first, and restores it into the second.

All data stays on the server. The copy is encrypted with the key of the new project.
"""

from __future__ import annotations

from typing import Final

import msgspec

from bunbase.cli.backup_jobs import run_backup_job
from bunbase.cli.credentials import ChosenProject, StoredKey
from bunbase.cli.errors import OK, Failure
from bunbase.cli.http import Call, at
from bunbase.cli.output import Output
from bunbase.cli.session import Session
from bunbase.contracts.bundoc.backups import Backup, BackupJob
from bunbase.contracts.platform import NewProject
from bunbase.contracts.tenant_auth.transfers import ImportedUsers

SOME_FAILED: Final = 1
SHOWN_USERS: Final = 20


class NewClone(msgspec.Struct, frozen=True):
    """A project to create. `backup`: the backup to copy; "" for the present state. `org`: its owner; "" for the caller.

    `unauthenticated`: also accept a backup without a proof of its origin. `users`, `files`: also copy the users, and
    the files, of the project.
    """

    name: str
    source: str
    backup: str = ""
    org: str = ""
    unauthenticated: bool = False
    users: bool = False
    files: bool = True


def parts_asked(users: bool, files: bool) -> dict[str, str]:
    """Return the parameters of a request for a backup or a restore."""
    return {**({"users": "true"} if users else {}), **({} if files else {"files": "false"})}


def create_backup(session: Session, project: str, users: bool, files: bool, out: Output) -> Backup:
    params = parts_asked(users, files)
    job = run_backup_job(session, Call("POST", backups_path(project), params=params), "backing up", out)
    return session.ask(Backup, Call("GET", backups_path(project, job.backup)))


def cloned(session: Session, wanted: NewClone, out: Output) -> tuple[NewProject, BackupJob]:
    """Create the project, print and store its keys, and copy the data. Raises: Failure."""
    taken = wanted.backup or create_backup(session, wanted.source, wanted.users, wanted.files, out).id
    body = {"name": wanted.name} | ({"org": wanted.org} if wanted.org else {})
    new = session.ask(NewProject, Call("POST", at("projects"), json=body))
    if out.json:
        out.document(new)
    else:
        out.table(("key", "id", "value"), [(key.kind.value, key.id, key.key) for key in new.keys])
    _keep_keys(session, new, out)
    sent = {"backup": taken, "from_project": wanted.source, "unauthenticated": wanted.unauthenticated}
    params = parts_asked(wanted.users, wanted.files)
    filling = Call("POST", backups_path(new.id, "restore"), params=params, json=sent)
    try:
        job = run_backup_job(session, filling, f"filling {new.slug}", out)
    except Failure:
        again = f"bunbase backup restore {taken} --from {wanted.source} --project {new.slug}"
        flag = (" --with users" if wanted.users else "") + ("" if wanted.files else " --without files")
        out.warn(f"{new.slug} was created, but it is not filled. To fill it: {again}{flag}")
        raise
    if not wanted.backup:  # the server made the backup only for this clone, so delete it
        session.ask(type(None), Call("DELETE", backups_path(wanted.source, taken)))
    return new, job


def told_users(users: ImportedUsers | None, out: Output) -> int:
    """Print what a restore did with the users. Return the exit code, which is 1 if some users were refused."""
    if users is None:
        return OK
    out.hint(f"Users: {users.imported} came back, {users.updated} were changed, {users.skipped} were the same.")
    if not users.failed:
        return OK
    out.warn(f"{users.failed} users were refused.")
    if not out.json:
        shown = users.errors[:SHOWN_USERS]
        out.table(("user", "code", "detail"), [(one.line, one.code, one.detail) for one in shown])
    return SOME_FAILED


def backups_path(project: str, *below: str) -> str:
    return at("projects", project, "backups", *below)


def _keep_keys(session: Session, new: NewProject, out: Output) -> None:
    """Store the new project's keys on this machine. A failure is only a warning, because the project exists already."""
    try:
        with session.changing() as known:
            for key in new.keys:
                known.keep(StoredKey(key.id, key.kind, key.key or "", ChosenProject(new.id, new.slug)))
    except Failure as failure:
        out.warn(f"The project was made, but its keys could not be stored on this machine: {failure.detail}")
