"""`bunbase deploy`: make the project match bunbase.toml and the functions in the same folder."""

from __future__ import annotations

from typing import Annotated

import msgspec
from cyclopts import Parameter

from bunbase.cli.chosen import needed_project
from bunbase.cli.deployed_hooks import warning
from bunbase.cli.deploying import Outcome, PlannedFunction, Result, put_into_service
from bunbase.cli.errors import OK
from bunbase.cli.flags import PROJECT_FLAGS, ProjectFlags
from bunbase.cli.migrations import Migrated, after_deployment
from bunbase.cli.output import Output, report, size_text
from bunbase.cli.plans.changes import Change, check_losing
from bunbase.cli.plans.folder import read_folder
from bunbase.cli.plans.plan import Plan, make_plan
from bunbase.cli.plans.pushing import AllowLosing
from bunbase.cli.plans.showing import in_order, show_changes, show_place
from bunbase.cli.plans.steps import Progress, Work
from bunbase.cli.session import Session, open_session
from bunbase.contracts.functions.walks import Walk

SOME_FAILED = 1

Name = Annotated[str, Parameter(help="Deploy only these functions. Default: everything.")]
Force = Annotated[bool, Parameter(negative="", show_default=False, help="Also upload functions that have not changed.")]
Migrate = Annotated[
    bool, Parameter(negative="", show_default=False, help="Run pending migrations at the end, and wait for them.")
]
DryRun = Annotated[bool, Parameter(negative="", show_default=False, help="Only show what would change.")]


class Deployed(msgspec.Struct, frozen=True):
    """The result of a deployment. `items`: the functions. `changes`: the plan.

    `steps`: the outcome of its other changes.

    `migrations`: the migrations that ran, with their counts. `pending_migrations`: the names of the other migrations.
    """

    server: str
    project: str
    items: tuple[Result, ...]
    changes: tuple[Change, ...] = ()
    steps: tuple[Progress, ...] = ()
    migrations: tuple[Walk, ...] = ()
    pending_migrations: tuple[str, ...] = ()


def deploy(
    *names: Name,
    force: Force = False,
    dry_run: DryRun = False,
    allow_losing: AllowLosing = (),
    migrate: Migrate = False,
    flags: ProjectFlags = PROJECT_FLAGS,
) -> int:
    """Make the project match bunbase.toml: first its collections, then its functions, then its settings for users.

    The command skips unchanged parts; `bunbase diff` shows the changed parts. Nothing else of the project changes.
    If a change loses documents, nothing happens unless --allow-losing names the change; --dry-run then fails too. If a
    function cannot be bundled, nothing happens either. If the server refuses a function, its active version stays in
    service, the other functions are still deployed, and the exit code is 1. After a failure, the command prints which
    changes were applied; then run the command again. The command lists pending migrations. With --migrate, it runs the
    pending migrations at the end if everything else has succeeded.

    Example: bunbase deploy --dry-run
    """
    out = Output(flags.json)
    folder = read_folder(out, names)
    with open_session(flags) as session:
        project = needed_project(flags.project, session)
        plan = make_plan(session, project, folder, out, force=force, applying=not dry_run)
        show_place(plan.place, out)
        if dry_run:
            _rehearse(plan, project, out)
            check_losing(plan.changes, allow_losing)
            return OK
        if not out.json and any(change.name not in _names(plan) for change in plan.changes):
            show_changes(plan.changes, out)
        check_losing(plan.changes, allow_losing)
        work, results = _apply(plan, session, project, out)
        refused = any(result.outcome is Outcome.FAILED for result in results)
        migrated = Migrated()
        if work.failure is None and not refused and not names:
            migrated = after_deployment(session, project, migrate, out)
    if out.json:
        changes, steps = tuple(in_order(plan.changes)), tuple(work.progress)
        document = Deployed(plan.place.server, project, results, changes, steps, migrated.ran, migrated.pending)
        out.document(document)
    work.tell_of_failure()
    if failure := work.failure or migrated.failure:
        report(failure, out.json)
        return failure.exit_code
    return SOME_FAILED if refused else migrated.exit_code


def _names(plan: Plan) -> set[str]:
    """Return the names of the changes of functions, which are shown in a separate table."""
    return {f"functions.{one.result.name}" for one in plan.functions}


def _rehearse(plan: Plan, project: str, out: Output) -> None:
    results = tuple(one.result for one in plan.functions)
    if out.json:
        out.document(Deployed(plan.place.server, project, results, tuple(in_order(plan.changes))))
    else:
        show_changes(plan.changes, out)
        _show_functions(results, out)


def _apply(plan: Plan, session: Session, project: str, out: Output) -> tuple[Work, tuple[Result, ...]]:
    """Do the steps of the plan in order. If a step before the functions fails, the functions stay unchanged."""
    work = Work(out)
    work.do(plan.before)
    if work.failure is None:
        results = tuple(_put(session, project, one, out) for one in plan.functions)
    else:
        results = tuple(one.result for one in plan.functions)
    refused = any(result.outcome is Outcome.FAILED for result in results)
    work.do(plan.after, skip=refused)
    if not out.json:
        _show_functions(results, out)
        if not plan.changes:
            out.done("The project is what bunbase.toml says.")
    return work, results


def _put(session: Session, project: str, function: PlannedFunction, out: Output) -> Result:
    with out.busy(f"uploading {function.result.name}"):
        result = put_into_service(session, project, function)
    show_result(result, out)
    return result


def show_result(result: Result, out: Output) -> None:
    """Tell the user that a function was deployed, or why it could not be deployed."""
    match result.outcome:
        case Outcome.DEPLOYED:
            out.done(f"deployed {result.name} as version {result.version}")
            warn_of_hooks(result, out)
        case Outcome.FAILED if result.problem is not None and not out.json:
            running = f" (version {result.version} stays in service)" if result.version else ""
            out.warn(f"✗ {result.name}: {result.problem.get('detail', '')}{running}")
        case _:
            pass


def warn_of_hooks(result: Result, out: Output) -> None:
    """Warn about hooks for which the project's settings name a function whose new version lacks them."""
    for hook in result.missing_hooks:
        out.warn(warning(result.name, hook))


def _show_functions(results: tuple[Result, ...], out: Output) -> None:
    if not results:
        return
    out.table(("function", "result", "version", "size", "sha256"), [_row(result) for result in results])
    deployed_now = [result for result in results if result.outcome is Outcome.DEPLOYED]
    if ready := [result.name for result in deployed_now if result.invocable]:
        out.hint(f"Next: bunbase invoke {ready[0]}")


def _row(result: Result) -> tuple[str, Outcome, int | None, str, str]:
    return result.name, result.outcome, result.version, size_text(result.size), result.sha256[:12]
