"""`bunbase watch`: deploy saved functions, and show what they print. `bunbase dev` runs it together with the server."""

from __future__ import annotations

import math
import os
import threading
import time
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter

from bunbase.cli.deploy import show_result, warn_of_hooks
from bunbase.cli.deploying import Outcome, Result, active_versions
from bunbase.cli.entries import FOLDER, not_a_function
from bunbase.cli.errors import Failure, NotSignedIn, Unreachable, Usage
from bunbase.cli.flags import PROJECT_FLAGS, ProjectFlags
from bunbase.cli.http import Call
from bunbase.cli.logs import follow_lines, logs_path, show
from bunbase.cli.outage import Outage
from bunbase.cli.output import Output
from bunbase.cli.project_file import NAME, enter_project_folder, read_project_file
from bunbase.cli.saved_files import SavedFiles
from bunbase.cli.session import Session, open_session
from bunbase.cli.watched_functions import WatchedFunctions
from bunbase.cli.watched_project import project_to_watch
from bunbase.contracts.functions.logs import LogPage

LOOK_SECONDS: Final = 0.05  # the pause between two checks of the disk; checking a hundred files takes a millisecond
# a pause is at least 20 times as long as a check, so that watching uses at most a twentieth of a processor core
REST: Final = 20
SETTLE_SECONDS: Final = 0.01
MAX_SETTLING: Final = 100  # after this many checks, a file that is still changing is built in its present state
WAIT_SECONDS: Final = 1.0  # the pause between two attempts while nobody is signed in, or the server is unreachable


def watch(
    *,
    logs: Annotated[bool, Parameter(help="Show the lines that functions print.")] = True,
    beside: Annotated[int, Parameter(show=False)] = 0,
    flags: ProjectFlags = PROJECT_FLAGS,
) -> None:
    """Deploy the functions of this folder now and whenever they are saved, and show what they print, until Ctrl-C.

    If no project is chosen and the server runs on this machine, a project is created for the folder. If a
    function cannot be bundled, or the server refuses it, the error is shown and its active version stays in service.

    Example: bunbase watch
    """
    out = Output(flags.json)
    if folder := enter_project_folder():
        out.hint(f"The project is in {folder}.")
    with open_session(flags) as session:
        project = _wait_for_project(session, flags, out, beside)
        if project and logs:
            _start_showing_logs(session, project, flags, out)
        if project:
            _deploy_what_is_saved(session, project, out, beside)


def _wait_for_project(session: Session, flags: ProjectFlags, out: Output, parent: int) -> str:
    """Wait for an account and a project. Return the project's id, or "" if `bunbase dev` has ended meanwhile."""
    said = ""
    while _wanted(parent):
        try:
            return project_to_watch(flags.project, session, out).id
        except (NotSignedIn, Unreachable, Usage) as missing:
            if not parent and not isinstance(missing, Unreachable):
                raise
            if missing.detail != said:
                out.warn(f"The functions of this folder are not deployed yet: {missing.detail}")
                said = missing.detail
        time.sleep(WAIT_SECONDS)
    return ""


def _deploy_what_is_saved(session: Session, project: str, out: Output, parent: int) -> None:
    files = SavedFiles([Path(FOLDER)], [Path(NAME)])
    functions = WatchedFunctions(session, project)
    changed = {Path(NAME).absolute()}
    said = ""
    out.hint(f"Functions in {FOLDER}/ are deployed whenever they are saved.")
    while _wanted(parent):
        try:
            _deploy(functions, changed, files, out)
            said = ""
        except Usage as usage:  # a mistake in bunbase.toml or the folder: wait for the next change of a file
            out.warn(usage.detail)
        except Failure as away:  # the server is unreachable: keep the changes, and try again when the server answers
            if away.detail != said:
                out.warn(away.detail)
                said = away.detail
            time.sleep(WAIT_SECONDS)
            changed |= files.changed()
            continue
        while _wanted(parent) and not (changed := _wait_for_change(files)):
            pass
        changed |= _wait_until_settled(files)


def _wait_for_change(files: SavedFiles) -> set[Path]:
    """Return the changed files. If no file has changed, pause before returning."""
    began = time.monotonic()
    if changed := files.changed():
        return changed
    time.sleep(max(LOOK_SECONDS, REST * (time.monotonic() - began)))
    return set()


def _wait_until_settled(files: SavedFiles) -> set[Path]:
    """Wait until files stop changing, and return all changes. A build of incomplete files would fail."""
    changed: set[Path] = set()
    for _ in range(MAX_SETTLING):
        time.sleep(SETTLE_SECONDS)
        more = files.changed()
        if not more:
            break
        changed |= more
    return changed


def _deploy(functions: WatchedFunctions, changed: set[Path], files: SavedFiles, out: Output) -> None:
    touched = functions.touched(changed)
    active = active_versions(functions.session, functions.project) if touched else {}
    for name in functions.gone():
        out.hint(
            f"{name} is no longer in this folder but stays in service. To delete it: bunbase functions delete {name}"
        )
    for path in functions.newly_passed_over():
        out.warn(not_a_function(path))
    for entry in touched:
        began = time.monotonic()
        result = functions.put(entry, active)
        files.watch(functions.sources[entry.name])
        if result.outcome is not Outcome.UNCHANGED:
            _tell(result, time.monotonic() - began, out)
    if Path(NAME).absolute() in changed:
        file = read_project_file()
        if file.collections or file.auth:
            out.hint(f"This command deploys functions only. For the rest of {NAME}, run: bunbase deploy")


def _tell(result: Result, seconds: float, out: Output) -> None:
    if out.json:
        out.document(result)
    elif result.outcome is Outcome.DEPLOYED:
        out.done(f"{result.name} v{result.version} is in service ({seconds * 1000:.0f} ms)")
        warn_of_hooks(result, out)
    else:
        show_result(result, out)


def _start_showing_logs(session: Session, project: str, flags: ProjectFlags, out: Output) -> None:
    """Start a thread that shows every line that functions print from now on.

    This function reads the log's last position before the first deployment. If the thread read the position, it could
    already include the first lines of a new version, which would then never be shown.
    """
    try:
        newest = session.ask(LogPage, Call("GET", logs_path(project), params={"limit": 1})).items
    except Failure as failure:
        out.warn(f"The output of functions is not shown: {failure.detail}")
        return
    after = newest[0].seq if newest else 0
    threading.Thread(target=_show_logs, args=(flags, project, after), daemon=True).start()


def _show_logs(flags: ProjectFlags, project: str, after: int) -> None:
    """Print log lines as they arrive. Only this thread uses its connections."""
    out = Output(flags.json)
    with open_session(flags) as session:
        try:
            # the developer may restart the server at any time
            outage = Outage(session.url, out.warn, max_seconds=math.inf)
            for line in follow_lines(session, logs_path(project), after, out, outage=outage):
                show(line, out, named=True)
        except Failure as failure:
            out.warn(f"The output of functions is no longer shown: {failure.detail}")


def _wanted(parent: int) -> bool:
    """Return True while the `bunbase dev` that started this process runs, and always if `parent` is 0."""
    return parent in (0, os.getppid())
