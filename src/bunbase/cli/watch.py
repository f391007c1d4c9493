"""`bunbase watch`, which `bunbase dev` runs beside the server: what is saved is deployed, what it prints is shown."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter

from bunbase.cli.deploy import say
from bunbase.cli.deploying import Outcome, Result, active_versions
from bunbase.cli.entries import FOLDER
from bunbase.cli.errors import Failure, NotSignedIn, Unreachable, Usage
from bunbase.cli.flags import PROJECT_FLAGS, ProjectFlags
from bunbase.cli.http import Call
from bunbase.cli.logs import followed, logs_path, show
from bunbase.cli.output import Output
from bunbase.cli.project_file import NAME
from bunbase.cli.saved_files import SavedFiles
from bunbase.cli.session import Session, open_session
from bunbase.cli.watched_functions import WatchedFunctions
from bunbase.cli.watched_project import watched_project
from bunbase.contracts.function_logs import LogPage

LOOK_SECONDS: Final = 0.05  # between two looks at the disk; one at a hundred files takes a millisecond
REST: Final = 20  # times as long as a look took: many files cost a twentieth of a processor, not all of it
SETTLE_SECONDS: Final = 0.01
MAX_SETTLING: Final = 100  # then a file that never rests is built as it is
WAIT_SECONDS: Final = 1.0  # for somebody to sign in, or for a server to come back


def watch(
    *,
    logs: Annotated[bool, Parameter(help="Show what functions print.")] = True,
    beside: Annotated[int, Parameter(show=False)] = 0,
    flags: ProjectFlags = PROJECT_FLAGS,
) -> None:
    """Deploy the functions of this folder now and whenever they are saved, and show what they print; until Ctrl-C.

    On a server of this machine a project is made for the folder if none is chosen yet. What cannot be built or is
    refused is said, and the version before keeps running.
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        project = _needed(session, flags, out, beside)
        if project and logs:
            _start_showing_logs(session, project, flags, out)
        if project:
            _deploy_what_is_saved(session, project, out, beside)


def _needed(session: Session, flags: ProjectFlags, out: Output, parent: int) -> str:
    """Give the project's id, once somebody has signed in and there is one; "" when nobody waits for it any more."""
    said = ""
    while _wanted(parent):
        try:
            return watched_project(flags.project, session, out).id
        except (NotSignedIn, Unreachable, Usage) as missing:
            if not parent and not isinstance(missing, Unreachable):
                raise
            if missing.detail != said:
                out.warn(f"The functions here are not deployed yet: {missing.detail}")
                said = missing.detail
        time.sleep(WAIT_SECONDS)
    return ""


def _deploy_what_is_saved(session: Session, project: str, out: Output, parent: int) -> None:
    files = SavedFiles([Path(FOLDER)], [Path(NAME)])
    functions = WatchedFunctions(session, project)
    changed: set[Path] = set()
    said = ""
    out.hint(f"Functions in {FOLDER}/ are deployed as they are saved.")
    while _wanted(parent):
        try:
            _deploy(functions, changed, files, out)
            said = ""
        except Usage as usage:  # of bunbase.toml or the folder: until the next change
            out.warn(usage.detail)
        except Failure as away:  # the server: what is saved meanwhile is not forgotten
            if away.detail != said:
                out.warn(away.detail)
                said = away.detail
            time.sleep(WAIT_SECONDS)
            changed |= files.changed()
            continue
        while _wanted(parent) and not (changed := _looked(files)):
            pass
        changed |= _until_settled(files)


def _looked(files: SavedFiles) -> set[Path]:
    """Give what has changed; if nothing has, only after a rest."""
    began = time.monotonic()
    if changed := files.changed():
        return changed
    time.sleep(max(LOOK_SECONDS, REST * (time.monotonic() - began)))
    return set()


def _until_settled(files: SavedFiles) -> set[Path]:
    """Give what else changes until nothing does: half a file, or half of a checkout, is not worth a build."""
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
        out.hint(f"{name} is no longer here but stays in service; to end it: bunbase functions delete {name}")
    for entry in touched:
        began = time.monotonic()
        result = functions.put(entry, active)
        files.watch(functions.sources[entry.name])
        if result.outcome is not Outcome.UNCHANGED:
            _tell(result, time.monotonic() - began, out)


def _tell(result: Result, seconds: float, out: Output) -> None:
    if out.json:
        out.document(result)
    elif result.outcome is Outcome.DEPLOYED:
        out.done(f"{result.name} v{result.version} is in service ({seconds * 1000:.0f} ms)")
    else:
        say(result, out)


def _start_showing_logs(session: Session, project: str, flags: ProjectFlags, out: Output) -> None:
    """Show, in a thread, every line that is printed from now on.

    The place in the log is read before anything is deployed: read in the thread, it could lie behind the first lines
    of a new version, and these would never be shown.
    """
    try:
        newest = session.ask(LogPage, Call("GET", logs_path(project), params={"limit": 1})).items
    except Failure as failure:
        out.warn(f"The output of functions is not shown: {failure.detail}")
        return
    after = newest[0].seq if newest else 0
    threading.Thread(target=_show_logs, args=(flags, project, after), daemon=True).start()


def _show_logs(flags: ProjectFlags, project: str, after: int) -> None:
    """Print log lines as they come, over connections that only this thread uses."""
    out = Output(flags.json)
    with open_session(flags) as session:
        try:
            for line in followed(session, logs_path(project), after, out):
                show(line, out, named=True)
        except Failure as failure:
            out.warn(f"The output of functions is no longer shown: {failure.detail}")


def _wanted(parent: int) -> bool:
    """False once the `bunbase dev` that this runs beside has gone, by whatever way."""
    return parent in (0, os.getppid())
