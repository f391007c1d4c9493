"""`bunbase audit`: list and export the audit log of a project or of the whole installation."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from cyclopts import App, Parameter
from cyclopts.validators import Number

from bunbase.cli.chosen import needed_project
from bunbase.cli.errors import Usage
from bunbase.cli.flags import PROJECT_FLAGS, ProjectFlags
from bunbase.cli.http import Call, at, refuse
from bunbase.cli.logs import time_of
from bunbase.cli.output import Output, size_text
from bunbase.cli.session import Session, open_session
from bunbase.contracts.audit import AuditEntry, AuditPage

SILENCE_SECONDS: Final = 120.0

Actor = Annotated[str, Parameter(show_default=False, help="Only acts of this account or key, by its id.")]
Action = Annotated[str, Parameter(show_default=False, help="Only acts with this name, such as key.create.")]
Since = Annotated[
    str, Parameter(show_default=False, help="Start of the range: an age (30s, 15m, 2h, 1d) or an RFC 3339 time.")
]
Until = Annotated[str, Parameter(show_default=False, help="End of the range, in the same formats as --since.")]
Installation = Annotated[
    bool,
    Parameter(negative="", show_default=False, help="The log of the whole installation, for its administrators."),
]

app = App(name="audit", help="List and export the audit log: who did what, when and from where.")


class ExportedLog(msgspec.Struct, frozen=True):
    file: str
    bytes: int


@app.command(name="list")
def list_audit(
    *,
    limit: Annotated[
        int, Parameter(validator=Number(gte=1, lte=500), help="How many of the newest acts to show.")
    ] = 50,
    actor: Actor = "",
    action: Action = "",
    since: Since = "",
    until: Until = "",
    installation: Installation = False,
    flags: ProjectFlags = PROJECT_FLAGS,
) -> None:
    """Show acts, newest first. Needs the role admin in the project."""
    out = Output(flags.json)
    params = {"limit": limit, **_filter(actor, action, since, until)}
    with open_session(flags) as session:
        page = session.ask(AuditPage, Call("GET", _log(session, flags, installation), params=params))
    if flags.json:
        out.document(page)
        return
    out.table(("when", "who", "what", "target", "outcome", "from"), [_row(entry) for entry in page.items])
    if page.next:
        out.hint("There are older acts: use --until, --limit, or `bunbase audit export`.")


@app.command(name="export")
def export_audit(
    file: Annotated[
        Path | None,
        Parameter(
            show_default=False, help="A new NDJSON file: one act per line, newest first. Default: standard output."
        ),
    ] = None,
    /,
    *,
    actor: Actor = "",
    action: Action = "",
    since: Since = "",
    until: Until = "",
    installation: Installation = False,
    flags: ProjectFlags = PROJECT_FLAGS,
) -> None:
    """Export all acts that match to a file. Needs the role admin in the project."""
    out = Output(flags.json)
    if file is not None and file.exists():
        raise Usage(f"{file} exists already. Delete it, or choose another name.", "file_exists")
    written = 0
    with open_session(flags) as session:
        path = f"{_log(session, flags, installation)}/export"
        call = Call("GET", path, params=_filter(actor, action, since, until), seconds=SILENCE_SECONDS)
        reply = session.send(call, stream=True)
        refuse(reply)
        with session.http.parts(reply) as parts:
            target = sys.stdout.buffer if file is None else file.open("xb")
            try:
                for part in parts:
                    target.write(part)
                    written += len(part)
            finally:
                target.flush() if file is None else target.close()
    if file is None:
        return
    if flags.json:
        out.document(ExportedLog(str(file), written))
    out.done(f"{size_text(written)} were exported to {file}.")


def _log(session: Session, flags: ProjectFlags, installation: bool) -> str:
    return at("admin", "audit") if installation else at("projects", needed_project(flags.project, session), "audit")


def _filter(actor: str, action: str, since: str, until: str) -> dict[str, Any]:
    now = datetime.now(UTC)
    given = {"actor": actor, "action": action, "since": time_of(since, now), "until": time_of(until, now)}
    return {name: value for name, value in given.items() if value}


def _row(entry: AuditEntry) -> tuple[Any, ...]:
    who = entry.actor.email or entry.actor.id or entry.actor.kind.value
    times = f" ({entry.count} times)" if entry.count > 1 else ""
    return entry.at, who, entry.action + times, entry.target, entry.outcome.value, entry.ip
