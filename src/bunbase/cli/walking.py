"""Start a walk (a migration or a backfill), show its progress, and wait for its end."""

from __future__ import annotations

import json
import time
from typing import Annotated, Any, Final

from cyclopts import Parameter
from cyclopts.validators import Number

from bunbase.cli.http import Call, at
from bunbase.cli.output import Output
from bunbase.cli.session import Session
from bunbase.contracts.functions.walks import (
    MAX_ERRORS,
    MAX_PER_SECOND,
    Difference,
    Rehearsal,
    Walk,
    WalkError,
    WalkState,
)

ASK_EVERY_SECONDS: Final = 1.0
# the command waits for a rehearsal for at most this time; its last batch may run as long as the function's time limit
REHEARSAL_SECONDS: Final = 180.0
FAILED: Final = 1

DryRun = Annotated[
    bool, Parameter(negative="", show_default=False, help="Count changes and show some of them; write nothing.")
]
NoWait = Annotated[bool, Parameter(negative="", show_default=False, help="Return as soon as the work has begun.")]
MaxErrors = Annotated[
    int, Parameter(validator=Number(gte=1, lte=MAX_ERRORS), help="The number of failed documents after which to stop.")
]
MaxPerSecond = Annotated[
    int, Parameter(validator=Number(gte=1, lte=MAX_PER_SECOND), help="The limit of documents to visit in a second.")
]


def begin(session: Session, project: str, new: dict[str, Any]) -> Walk:
    return session.ask(Walk, Call("POST", at("projects", project, "walks"), json=new, seconds=REHEARSAL_SECONDS))


def rehearse(session: Session, project: str, new: dict[str, Any]) -> Rehearsal:
    path = at("projects", project, "walks", "rehearsal")
    return session.ask(Rehearsal, Call("POST", path, json=new, seconds=REHEARSAL_SECONDS))


def change(session: Session, project: str, walk: Walk, state: str) -> Walk:
    return session.ask(Walk, Call("PATCH", at("projects", project, "walks", walk.id), json={"state": state}))


def current(session: Session, project: str, walk: Walk) -> Walk:
    """Return the present state of the walk, with its errors."""
    return session.ask(Walk, Call("GET", at("projects", project, "walks", walk.id)))


def wait(session: Session, project: str, walk: Walk, out: Output) -> Walk:
    """Wait until the walk has ended. Control-C ends only this wait; the walk continues."""
    label = walk.name or f"backfill of {walk.function}"
    with out.working(label) as show:
        while walk.state is WalkState.RUNNING:
            show(f"{label}: {progress(walk)}")
            time.sleep(ASK_EVERY_SECONDS)
            walk = current(session, project, walk)
    return walk


def progress(walk: Walk) -> str:
    return f"{walk.seen} of {max(walk.total, walk.seen)}"


def exit_code(walk: Walk) -> int:
    return FAILED if walk.state is WalkState.STOPPED else 0


def show_walk(walk: Walk, out: Output) -> None:
    """Print a walk and its errors for a person."""
    out.facts([(name, getattr(walk, name)) for name in Walk.__struct_fields__ if name != "errors"])
    show_errors(walk.errors, out)


def show_end(walk: Walk, out: Output) -> None:
    counts = {name: getattr(walk, name) for name in ("changed", "deleted", "handed_on", "unchanged", "failed")}
    told = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items() if count) or "no documents"
    label = walk.name or f"backfill of {walk.function}"
    if walk.state is WalkState.STOPPED:
        out.warn(f"{label} stopped ({told}): {walk.error}")
        show_errors(walk.errors, out)
    else:
        out.done(f"{label} is {walk.state.value}: {told}")


def show_rehearsal(found: Rehearsal, out: Output) -> None:
    names = ("collection", "total", "examined", "changed", "deleted", "handed_on", "unchanged", "failed")
    out.facts([(name, getattr(found, name)) for name in names])
    if found.sample:
        rows = [(one.id, _json(touched(one)), _json(one.change)) for one in found.sample]
        out.table(("id", "before", "change"), rows)
    show_errors(found.errors, out)
    if found.examined < found.total:
        out.hint(f"Only the first {found.examined} documents were examined.")


def touched(one: Difference) -> Any:
    """Return the part of a document that a change replaces: the fields in a patch, or else the whole document."""
    if not isinstance(one.before, dict):
        return one.before
    patch = one.change.get("patch")
    if not isinstance(patch, dict):
        return one.before
    paths = [path for name, part in patch.items() for path in (part if name.startswith("$") else (name,))]
    names = {path.split(".")[0] for path in paths}
    return {name: value for name, value in one.before.items() if name in names}


def show_errors(errors: tuple[WalkError, ...], out: Output) -> None:
    if errors:
        rows = [(one.count, one.code, one.detail, ", ".join(one.ids)) for one in errors]
        out.table(("documents", "error", "detail", "first ids"), rows)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
