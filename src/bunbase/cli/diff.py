"""`bunbase diff`: what `bunbase deploy` would change."""

from __future__ import annotations

from bunbase.cli.chosen import needed_project
from bunbase.cli.errors import OK, Stale
from bunbase.cli.flags import PROJECT_FLAGS, ProjectFlags
from bunbase.cli.output import Output
from bunbase.cli.plans.changes import allowing
from bunbase.cli.plans.folder import read_folder
from bunbase.cli.plans.plan import make_plan
from bunbase.cli.plans.showing import plan_document, show_changes, show_place
from bunbase.cli.session import open_session


def diff(*, flags: ProjectFlags = PROJECT_FLAGS) -> int:
    """Show what `bunbase deploy` would change, in three classes: additive, rewriting and losing. Nothing is changed.

    The exit code is 0 if the project matches bunbase.toml, and 5 if it differs. A change is losing if documents are
    deleted or no longer match their schema. `bunbase deploy` applies a losing change only if --allow-losing names it.

    Example: bunbase diff --target staging
    """
    out = Output(flags.json)
    folder = read_folder(out)
    with open_session(flags) as session:
        project = needed_project(flags.project, session)
        plan = make_plan(session, project, folder, out)
    if flags.json:
        out.document(plan_document(plan))
    else:
        show_place(plan.place, out)
        show_changes(plan.changes, out)
        if needed := allowing(plan.changes):
            out.hint(f"To deploy the losing changes too: bunbase deploy {needed}")
    return Stale.exit_code if plan.changes else OK
