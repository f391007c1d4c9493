"""`bunbase schedules`: show the functions that run on a schedule."""

from __future__ import annotations

from cyclopts import App

from bunbase.cli.chosen import needed_project
from bunbase.cli.flags import PROJECT_FLAGS, ProjectFlags
from bunbase.cli.http import Call, at
from bunbase.cli.output import Output
from bunbase.cli.session import open_session
from bunbase.contracts.functions.triggers import Schedules

MOST = 500  # the size of the largest page; by default, a project cannot have more functions

app = App(name="schedules", help="Show the functions that run on a schedule.")


@app.command(name="list")
def list_schedules(*, flags: ProjectFlags = PROJECT_FLAGS) -> None:
    """Show the functions that run on a schedule, and the time of their next run.

    Example: bunbase schedules list
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        path = at("projects", needed_project(flags.project, session), "schedules")
        found = session.ask(Schedules, Call("GET", path, params={"limit": MOST}))
    if flags.json:
        out.document(found)
        return
    rows = [(one.function, one.cron, one.time_zone, "yes" if one.overlap else "no", one.next_at) for one in found.items]
    out.table(("function", "schedule", "time zone", "overlap", "next run"), rows)
    if not found.items:
        out.hint(
            'No function has a schedule. Add one to bunbase.toml, below [functions.<name>]: schedule = "0 9 * * *"'
        )
