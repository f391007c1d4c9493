"""Apply one part of a plan: what `bunbase collections push`, `rules push` and `schemas push` do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from cyclopts import Parameter

from bunbase.cli.chosen import needed_project
from bunbase.cli.errors import OK
from bunbase.cli.flags import ProjectFlags
from bunbase.cli.output import Output, report
from bunbase.cli.plans.changes import check_losing
from bunbase.cli.plans.collections import plan_collections
from bunbase.cli.plans.plan import place_of
from bunbase.cli.plans.showing import in_order, show_changes, show_place
from bunbase.cli.plans.steps import Work
from bunbase.cli.session import open_session
from bunbase.contracts.bundoc.collections import CollectionSpec

AllowLosing = Annotated[
    tuple[str, ...],
    Parameter(
        negative="",
        show_default=False,
        help="A change that loses something, by its name in the plan, such as posts.price. Repeat it for each of them.",
    ),
]


def push_collections(
    wanted: dict[str, CollectionSpec], allowed: Sequence[str], flags: ProjectFlags, drops: bool = False
) -> int:
    """Make the collections of the project match the wanted collections, and return the exit code.

    `drops`: drop all other collections.

    Raises: Usage for losing changes that are not allowed; Refused for a rule or a schema that the server refuses.
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        project = needed_project(flags.project, session)
        show_place(place_of(session, project), out)
        plan = plan_collections(session, project, wanted, drops)
        if not out.json:
            show_changes(plan.changes, out)
        check_losing(plan.changes, allowed)
        work = Work(out)
        work.do(plan.steps)
    if out.json:
        document = {"collections": list(wanted), "changes": in_order(plan.changes), "steps": work.progress}
        out.document(document)
    if work.failure is not None:
        work.tell_of_failure()
        report(work.failure, out.json)
        return work.failure.exit_code
    return OK
