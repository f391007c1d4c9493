"""`bunbase account activity`: who used your account."""

from __future__ import annotations

from typing import Annotated, Any, Final

from cyclopts import Parameter
from cyclopts.validators import Number

from bunbase.cli.flags import SERVER_FLAGS, ServerFlags
from bunbase.cli.http import Call
from bunbase.cli.output import Output
from bunbase.cli.session import open_session
from bunbase.contracts.bunauth.activity import AccountActivity, ActivityEntry

ACTIVITY: Final = "/api/auth/activity"
SIGN_IN: Final = "account.sign_in"


def activity(
    *,
    limit: Annotated[int, Parameter(validator=Number(gte=1, lte=500), help="How many of the newest to show.")] = 50,
    flags: ServerFlags = SERVER_FLAGS,
) -> None:
    """Show sign-ins, refused sign-ins, and changes of the ways to sign in, newest first.

    Example: bunbase account activity --limit 10
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        page = session.ask(AccountActivity, Call("GET", ACTIVITY, params={"limit": limit}))
    if flags.json:
        out.document(page)
        return
    out.table(("when", "what", "by", "outcome", "address", "device"), [_row(entry) for entry in page.items])
    if page.next:
        out.hint("There are older entries: use --limit.")


def _row(entry: ActivityEntry) -> tuple[Any, ...]:
    times = f" ({entry.count} times)" if entry.count > 1 else ""
    by = entry.method.value if entry.method else ""
    if entry.action == SIGN_IN and entry.target:
        by = f"{by} ({entry.target})"  # the target is the service or application that signed in
    return entry.at, entry.action, by, entry.outcome.value + times, entry.ip, entry.agent
