"""`bunbase audit`: list, follow and export the audit log of a project, of an organisation or of the installation."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from cyclopts import App, Parameter
from cyclopts.validators import Number

from bunbase.cli.errors import Usage
from bunbase.cli.flags import GROUP_FLAGS, GroupFlags
from bunbase.cli.followed_log import follow_log
from bunbase.cli.groups import group_path
from bunbase.cli.http import Call, at, refuse
from bunbase.cli.logs import time_of
from bunbase.cli.output import Output, size_text
from bunbase.cli.people import account_id, member_id
from bunbase.cli.session import Session, open_session
from bunbase.contracts.acts import Act
from bunbase.contracts.audit import AuditEntry, AuditPage
from bunbase.contracts.bunauth.activity import Activity

NAMES: Final = frozenset([*(act.value for act in Act), *(act.value for act in Activity)])
SILENCE_SECONDS: Final = 120.0
PAGE: Final = 500
MAX_AFTER: Final = 80  # a table shows at most this number of characters of the new values; `--json` shows all
SHOWN: Final = 50
SHOWN_BEFORE_NEW: Final = 10  # `--follow` first shows this number of stored entries, as `bunbase logs --follow` does


@Parameter(name="*")
@dataclass(frozen=True)
class LogFlags:
    """The flags that choose the entries that a command shows."""

    actor: Annotated[
        str,
        Parameter(
            show_default=False, help="Only acts of this account, by email address or id, or of a key, by its id."
        ),
    ] = ""
    action: Annotated[str, Parameter(show_default=False, help="Only acts with this name, such as key.create.")] = ""
    since: Annotated[
        str, Parameter(show_default=False, help="Start of the range: an age (30s, 15m, 2h, 7d) or an RFC 3339 time.")
    ] = ""
    until: Annotated[str, Parameter(show_default=False, help="End of the range, in the same formats as --since.")] = ""
    installation: Annotated[
        bool,
        Parameter(negative="", show_default=False, help="The log of the whole installation, for its administrators."),
    ] = False


ALL_ACTS: Final = LogFlags()

app = App(name="audit", help="List, follow and export the audit log: who did what, when and from where.")


class ExportedLog(msgspec.Struct, frozen=True):
    file: str
    bytes: int
    acts: int


@app.command(name="list")
def list_audit(
    *,
    follow: Annotated[
        bool,
        Parameter(
            name=("--follow", "-f"),
            negative="",
            show_default=False,
            help="Show new acts as they happen, until Ctrl-C, after the newest stored ones.",
        ),
    ] = False,
    limit: Annotated[
        int | None,
        Parameter(
            validator=Number(gte=1, lte=PAGE),
            show_default=False,
            help=f"How many of the newest acts to show. Default: {SHOWN}; with --follow {SHOWN_BEFORE_NEW}.",
        ),
    ] = None,
    acts: LogFlags = ALL_ACTS,
    flags: GroupFlags = GROUP_FLAGS,
) -> None:
    """Show acts, newest first; with --follow, oldest first. You need the role admin.

    Example: bunbase audit list --since 7d --action key.create
    """
    out = Output(flags.json)
    if follow and acts.until:
        raise Usage("--follow has no end: leave --until out.")
    with open_session(flags) as session:
        path, params = _log(session, flags, acts), _filter(session, flags, acts)
        shown = limit or (SHOWN_BEFORE_NEW if follow else SHOWN)
        page = session.ask(AuditPage, Call("GET", path, params={"limit": shown, **params}))
        if follow:
            follow_log(session, Call("GET", path, params=params), page, row_of, out)
            return
    if flags.json:
        out.document(page)
        return
    columns: tuple[str, ...] = ("when", "who", "what", "target", "changed to", "outcome", "from")
    rows: list[tuple[Any, ...]] = [row_of(entry) for entry in page.items]
    if acts.installation:
        columns = (*columns, "in")
        rows = [(*row, entry.project or entry.org) for row, entry in zip(rows, page.items, strict=True)]
    out.table(columns, rows)
    if not page.items and acts.action and acts.action not in NAMES:
        out.hint(f"This command knows no act named {acts.action}. All names: {', '.join(sorted(NAMES))}")
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
    acts: LogFlags = ALL_ACTS,
    flags: GroupFlags = GROUP_FLAGS,
) -> None:
    """Export all acts that match to a file. You need the role admin.

    Example: bunbase audit export acts.ndjson --since 30d
    """
    out = Output(flags.json)
    if file is not None and file.exists():
        raise Usage(f"{file} exists already. Delete it, or choose another name.", "file_exists")
    written, number = 0, 0
    with open_session(flags) as session:
        path = f"{_log(session, flags, acts)}/export"
        call = Call("GET", path, params=_filter(session, flags, acts), seconds=SILENCE_SECONDS)
        reply = session.send(call, stream=True)
        refuse(reply)
        with session.http.parts(reply) as parts:
            target = sys.stdout.buffer if file is None else file.open("xb")
            try:
                for part in parts:
                    target.write(part)
                    written += len(part)
                    number += part.count(b"\n")
            finally:
                target.flush() if file is None else target.close()
    if file is None:
        return
    if flags.json:
        out.document(ExportedLog(str(file), written, number))
    out.done(f"{number} acts ({size_text(written)}) were exported to {file}.")


def _log(session: Session, flags: GroupFlags, acts: LogFlags) -> str:
    if acts.installation and flags.org:
        raise Usage("Choose one log: --org or --installation.")
    return at("admin", "audit") if acts.installation else f"{group_path(flags, session)}/audit"


def _filter(session: Session, flags: GroupFlags, acts: LogFlags) -> dict[str, Any]:
    now = datetime.now(UTC)
    times = {"since": time_of(acts.since, now), "until": time_of(acts.until, now)}
    return {
        name: value
        for name, value in {"actor": _actor(session, flags, acts), "action": acts.action, **times}.items()
        if value
    }


def _actor(session: Session, flags: GroupFlags, acts: LogFlags) -> str:
    """Return the id of the actor. For an email address, search the people of the log. Raises: Failure."""
    if "@" not in acts.actor:
        return acts.actor
    if acts.installation:
        return account_id(acts.actor, session)
    return member_id(acts.actor, f"{group_path(flags, session)}/members", session)


def row_of(entry: AuditEntry) -> tuple[Any, ...]:
    who = entry.actor.email or entry.actor.id or entry.actor.kind.value
    times = f" ({entry.count} times)" if entry.count > 1 else ""
    return entry.at, who, entry.action + times, _target(entry), _after(entry), entry.outcome.value, entry.ip


def _target(entry: AuditEntry) -> str:
    """Return the target. If the target is an account, add the address that it had at the time of the act."""
    email = _address(entry)
    return f"{email} ({entry.target})" if email else entry.target


def _address(entry: AuditEntry) -> str:
    """Return the email address of the target if the target is an account, or else ""."""
    return str({**(entry.before or {}), **(entry.after or {})}.get("email", "")) if _is_account(entry.target) else ""


def _is_account(target: str) -> bool:
    return target.startswith("usr_")


def _after(entry: AuditEntry) -> str:
    """Return the new values, such as the address and the role of an invitation, in one short line.

    The line leaves out an address that another column shows, and the id of an inviter whose address is in the line.
    """
    shown = dict(entry.after or {})
    if _address(entry):
        shown.pop("email", None)
    if "inviter" in shown:
        shown.pop("invited_by", None)
    text = ", ".join(f"{name}: {_plain(value)}" for name, value in shown.items())
    return text if len(text) <= MAX_AFTER else f"{text[:MAX_AFTER]}…"


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
