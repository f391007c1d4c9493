"""`--ids-from`: apply one action to many users at once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter

from bunbase.cli.errors import Usage
from bunbase.cli.flags import ProjectFlags
from bunbase.cli.output import Output
from bunbase.cli.project_users import USERS, ProjectUsers
from bunbase.cli.prompts import confirm
from bunbase.cli.session import open_session
from bunbase.contracts.tenant_auth.bulk import MAX_USERS, BulkAction, BulkResult, NotChanged

STDIN: Final = "-"
MAX_SHOWN: Final = 20  # the command lists at most this number of users with their errors

IdsFrom = Annotated[
    str,
    Parameter(
        name="--ids-from",
        show_default=False,
        help="A file with an id in each line, or - for stdin.",
    ),
]
VERBS: Final = {
    BulkAction.BAN: "bans",
    BulkAction.UNBAN: "ends the ban of",
    BulkAction.DELETE: "deletes",
    BulkAction.SIGN_OUT: "signs out",
}


def named_once(user: str | None, ids_from: str) -> str | None:
    """Return the user on the command line, or None if a file names the users. Raises: Usage."""
    if (user is None) == (not ids_from):
        raise Usage("Name one user, or a file with the ids of users: --ids-from FILE.")
    return user


def act_on_many(action: BulkAction, ids_from: str, yes: bool, flags: ProjectFlags) -> None:
    """Ask for a confirmation, and apply the action to the users in a file. Raises: Usage, Refused."""
    out, ids = Output(flags.json), _ids(ids_from)
    with open_session(flags) as session:
        users, done, failed = ProjectUsers(session, flags.project), 0, list[NotChanged]()
        out.say(f"This {VERBS[action]} {_counted(len(ids))} of {users.headers['x-bunbase-project']}.")
        confirm(yes)
        for start in range(0, len(ids), MAX_USERS):
            body = {"action": action.value, "ids": ids[start : start + MAX_USERS]}
            result: BulkResult = users.ask(BulkResult, "POST", f"{USERS}/bulk", body)
            done, failed = done + result.done, [*failed, *result.failed]
    if flags.json:
        out.document({"action": action.value, "done": done, "failed": failed})
        return
    for one in failed[:MAX_SHOWN]:
        out.say(f"{one.id}: {one.code}")
    out.done(f"Done: {_counted(done)}. Not found: {len(failed)}.")


def _counted(count: int) -> str:
    return f"{count:,} user{'' if count == 1 else 's'}"


def _ids(ids_from: str) -> list[str]:
    """Return the ids in a file, without duplicates. Raises: Usage."""
    try:
        text = sys.stdin.read() if ids_from == STDIN else Path(ids_from).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Usage(f"{ids_from} cannot be read: {error}.") from None
    ids = list(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))
    if not ids:
        raise Usage(f"{ids_from} has no ids.")
    return ids
