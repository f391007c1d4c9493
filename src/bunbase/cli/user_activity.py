"""`bunbase users activity`: sign-ins of users, and changes of their credentials."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final

from cyclopts import Parameter
from cyclopts.validators import Number

from bunbase.cli.chosen import needed_project
from bunbase.cli.flags import PROJECT_FLAGS, ProjectFlags
from bunbase.cli.followed_log import follow_log
from bunbase.cli.http import Call, at
from bunbase.cli.logs import time_of
from bunbase.cli.output import Output
from bunbase.cli.project_users import ProjectUsers
from bunbase.cli.session import Session, open_session
from bunbase.contracts.tenant_auth.activity import ManagedActivity, ManagedActivityEntry, UserActOutcome

MOST: Final = 500
SHOWN: Final = 50
SHOWN_BEFORE_NEW: Final = 10

Who = Annotated[str | None, Parameter(show_default=False, help="Only this user, by id or email address.")]
What = Annotated[str, Parameter(show_default=False, help="Only this event, such as user.sign_in.")]
Outcome = Annotated[UserActOutcome | None, Parameter(show_default=False, help="Only events with this outcome.")]
Since = Annotated[
    str, Parameter(show_default=False, help="Start of the range: an age (30s, 15m, 2h, 7d) or an RFC 3339 time.")
]
Limit = Annotated[
    int | None,
    Parameter(validator=Number(gte=1, lte=MOST), show_default=False, help="How many of the newest to show."),
]
Follow = Annotated[
    bool,
    Parameter(
        name=("--follow", "-f"),
        negative="",
        show_default=False,
        help="Show new events as they happen, until Ctrl-C, after the newest stored ones.",
    ),
]


def activity(
    user: Who = None,
    /,
    *,
    action: What = "",
    outcome: Outcome = None,
    since: Since = "",
    limit: Limit = None,
    follow: Follow = False,
    flags: ProjectFlags = PROJECT_FLAGS,
) -> None:
    """Show sign-ins, refused sign-ins and changes of credentials, newest first; with --follow, oldest first.

    Example: bunbase users activity eve@example.com --since 7d
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        path = at("projects", needed_project(flags.project, session), "auth", "activity")
        uid = _id_of(user, session, flags)
        texts = {"user": uid, "action": action, "outcome": outcome.value if outcome else ""}
        texts["since"] = time_of(since, datetime.now(UTC))
        params = {name: text for name, text in texts.items() if text}
        shown = limit or (SHOWN_BEFORE_NEW if follow else SHOWN)
        page = session.ask(ManagedActivity, Call("GET", path, params={"limit": shown, **params}))
        if follow:
            follow_log(session, Call("GET", path, params=params), page, _row, out)
            return
    if flags.json:
        out.document(page)
        return
    columns = ("when", "what", "how", "outcome", "by", "address", "device", "user")
    out.table(columns, [_row(entry) for entry in page.items])
    if page.next:
        out.hint("There are older entries: use --limit or --since.")


def _id_of(user: str | None, session: Session, flags: ProjectFlags) -> str:
    """Return the id of a user, or "" for all users. An id is not looked up, because deleted users have entries too."""
    if user is None or "@" not in user:
        return user or ""
    return ProjectUsers(session, flags.project).one(user).id


def _row(entry: ManagedActivityEntry) -> tuple[Any, ...]:
    times = f" ({entry.count} times)" if entry.count > 1 else ""
    how = " ".join(part for part in (entry.method, entry.target) if part)
    device = f"{entry.agent} (new)" if entry.new_device else entry.agent
    by = entry.actor or entry.by.value
    return entry.at, entry.action, how, entry.outcome.value + times, by, entry.ip, device, entry.user
