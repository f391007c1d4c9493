"""`bunbase deploy`: bundle functions and deploy the changed ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import msgspec
from cyclopts import Parameter

from bunbase.cli.chosen import needed_project
from bunbase.cli.deployed_hooks import warning
from bunbase.cli.deploying import (
    BundledFunction,
    Outcome,
    Result,
    active_versions,
    bundle_all,
    put_into_service,
    rehearse,
)
from bunbase.cli.entries import entries, not_a_function, passed_over
from bunbase.cli.errors import OK
from bunbase.cli.flags import PROJECT_FLAGS, ProjectFlags
from bunbase.cli.output import Output, size_text
from bunbase.cli.project_file import enter_project_folder, read_project_file
from bunbase.cli.session import Session, open_session
from bunbase.contracts.functions.deployments import Version

SOME_FAILED = 1

Name = Annotated[str, Parameter(help="The functions to deploy. Default: all functions.")]
Force = Annotated[bool, Parameter(negative="", show_default=False, help="Also upload functions that have not changed.")]
DryRun = Annotated[bool, Parameter(negative="", show_default=False, help="Only show what would be uploaded.")]


class Deployed(msgspec.Struct, frozen=True):
    project: str
    items: tuple[Result, ...]


def deploy(*names: Name, force: Force = False, dry_run: DryRun = False, flags: ProjectFlags = PROJECT_FLAGS) -> int:
    """Bundle functions, and deploy the changed ones: all functions of functions/, or only the named ones.

    If a function cannot be bundled, nothing is uploaded. If the server refuses a function, its active version stays
    in service, the other functions are still deployed, and the exit code is 1.

    Example: bunbase deploy hello
    """
    out = Output(flags.json)
    if folder := enter_project_folder():
        out.hint(f"The project is in {folder}.")
    project_file = read_project_file()
    found = entries(project_file, names)
    for path in () if names else passed_over(project_file):
        out.warn(not_a_function(path))
    with open_session(flags) as session:
        project = needed_project(flags.project, session)
        with out.busy("bundling"):
            made = bundle_all(found)
        active = active_versions(session, project)
        if dry_run:
            results = tuple(rehearse(one, active, force) for one in made)
        else:
            results = tuple(_put(session, project, one, active, force, out) for one in made)
    _show(Deployed(project, results), out)
    return SOME_FAILED if any(result.outcome is Outcome.FAILED for result in results) else OK


def _put(
    session: Session, project: str, made: BundledFunction, active: Mapping[str, Version], force: bool, out: Output
) -> Result:
    with out.busy(f"uploading {made.entry.name}"):
        result = put_into_service(session, project, made, active, force)
    show_result(result, out)
    return result


def show_result(result: Result, out: Output) -> None:
    """Tell the user that a function was deployed, or why it could not be deployed."""
    match result.outcome:
        case Outcome.DEPLOYED:
            out.done(f"deployed {result.name} as version {result.version}")
            for hook in result.missing_hooks:
                out.warn(warning(result.name, hook))
        case Outcome.FAILED if result.problem is not None and not out.json:
            running = f" (version {result.version} stays in service)" if result.version else ""
            out.warn(f"✗ {result.name}: {result.problem.get('detail', '')}{running}")
        case _:
            pass


def _show(deployed: Deployed, out: Output) -> None:
    if out.json:
        out.document(deployed)
        return
    out.table(("function", "result", "version", "size", "sha256"), [_row(result) for result in deployed.items])
    deployed_now = [result for result in deployed.items if result.outcome is Outcome.DEPLOYED]
    if ready := [result.name for result in deployed_now if not result.only_hooks]:
        out.hint(f"Next: bunbase invoke {ready[0]}")


def _row(result: Result) -> tuple[str, Outcome, int | None, str, str]:
    return result.name, result.outcome, result.version, size_text(result.size), result.sha256[:12]
