"""`bunbase functions backfill`: pass existing documents to the triggers of a function."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter

from bunbase.cli.chosen import needed_project
from bunbase.cli.errors import Failure, Usage
from bunbase.cli.flags import PROJECT_FLAGS, ProjectFlags
from bunbase.cli.http import Call, at
from bunbase.cli.output import Output
from bunbase.cli.request_data import read_data
from bunbase.cli.session import Session, open_session
from bunbase.cli.walking import (
    FAILED,
    DryRun,
    MaxPerSecond,
    NoWait,
    begin,
    change,
    current,
    exit_code,
    rehearse,
    show_end,
    show_rehearsal,
    show_walk,
    wait,
)
from bunbase.contracts.functions.walks import Walk, Walks


class Action(StrEnum):
    STATUS = "status"
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"


STATES = {Action.PAUSE: "paused", Action.RESUME: "running", Action.CANCEL: "cancelled"}


def backfill(
    name: Annotated[str, Parameter(help="The function's name.")],
    action: Annotated[
        Action | None, Parameter(help="Act on the function's last backfill instead of starting a new one.")
    ] = None,
    /,
    *,
    collection: Annotated[
        str, Parameter(show_default=False, help="The collection, if the function's triggers have several.")
    ] = "",
    where: Annotated[
        str, Parameter(show_default=False, help="Only documents that match this filter, as JSON; @FILE reads a file.")
    ] = "",
    dry_run: DryRun = False,
    no_wait: NoWait = False,
    max_per_second: MaxPerSecond = 1000,
    flags: ProjectFlags = PROJECT_FLAGS,
) -> int:
    """Hand the documents that exist to the triggers (`on`) of a function, as changes with `backfill: true`.

    Each document becomes a job. Like any other job, it is repeated after a failure, and stored after its last failure.
    The server continues after this command has ended, and leaves room in the queue for other jobs. A cancelled backfill
    adds no more jobs.

    Example: bunbase functions backfill index --where '{"status": "paid"}' --dry-run
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        project = needed_project(flags.project, session)
        if action is not None:
            walk = _last(session, project, name)
            known = action in STATES
            walk = change(session, project, walk, STATES[action]) if known else current(session, project, walk)
        else:
            new: dict[str, Any] = {"kind": "backfill", "function": name, "max_per_second": max_per_second}
            new |= {"collection": collection} if collection else {}
            new |= {"where": _filter(where)} if where else {}
            if dry_run:
                found = rehearse(session, project, new)
                out.document(found) if out.json else show_rehearsal(found, out)
                return FAILED if found.failed else 0
            walk = begin(session, project, new)
            walk = walk if no_wait else wait(session, project, walk, out)
    if out.json:
        out.document(walk)
    elif action is Action.STATUS:
        show_walk(walk, out)
    else:
        show_end(walk, out)
    return exit_code(walk)


def _last(session: Session, project: str, name: str) -> Walk:
    call = Call("GET", at("projects", project, "walks"), params={"kind": "backfill"})
    found = next((one for one in session.ask_all(Walks, call).items if one.function == name), None)
    if found is None:
        raise Failure("walk_not_found", f"{name} has no backfill. Begin one: bunbase functions backfill {name}")
    return found


def _filter(text: str) -> Any:
    try:
        return msgspec.json.decode(read_data(text), type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError) as error:
        raise Usage(f"--where is no JSON object: {error}.") from None
