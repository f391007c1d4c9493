"""`bunbase mcp`: the command line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from importlib.metadata import requires
from typing import Annotated, Any, Final

from cyclopts import Parameter

from bunbase.cli.chosen import needed_project
from bunbase.cli.errors import Failure, Refused, Unreachable, Usage
from bunbase.cli.flags import PROJECT_FLAGS, ProjectFlags
from bunbase.cli.mcp.project_api import ProjectApi
from bunbase.cli.mcp.tool import Permission
from bunbase.cli.output import Output
from bunbase.cli.plans.plan import place_of
from bunbase.cli.project_file import enter_project_folder
from bunbase.cli.session import NOT_FOUND, Session, open_session

LIBRARY: Final = "mcp"

AllowWrite = Annotated[
    str,
    Parameter(
        name="--allow-write",
        show_default=False,
        help="Also offer tools that change the project: data, deploy, or both as data,deploy. Needs --project. "
        "Default: tools only read.",
    ),
]


def mcp(*, allow_write: AllowWrite = "", flags: ProjectFlags = PROJECT_FLAGS) -> None:
    """Offer a project to a program with a language model, over the Model Context Protocol on stdin and stdout.

    Such a program starts this command itself; docs/mcp.md shows its configuration. The tools can access only the
    project that is chosen at the start. The tools can change the project only in the ways that --allow-write names.

    Example: bunbase mcp --project shop --allow-write data,deploy
    """
    allowed = permissions(allow_write)
    if allowed and not flags.project:
        raise Usage("--allow-write needs the project on the command line: --project <id or slug>.", "no_project")
    run = _library()
    with open_session(flags) as session:
        session.attended = False  # the command must not ask questions, because stdin and stdout belong to the protocol
        project = needed_project(flags.project, session)
        session.check_signed_in()
        _check_project(session, project)
        if Permission.DEPLOY in allowed:
            enter_project_folder()
        if sys.stdin.isatty():
            Output(flags.json).hint("This command waits for messages of a program: see docs/mcp.md. To end it: Ctrl-C.")
        run(ProjectApi(session, project), allowed)


def _library() -> Callable[[ProjectApi, Collection[Permission]], Any]:
    """Return the function that speaks the protocol. The import of the library takes a second. Raises: Failure."""
    try:
        from bunbase.cli.mcp.server import run
    except ImportError as error:
        detail = f"This command needs a Python package: {sys.executable} -m pip install '{_requirement()}' ({error})."
        raise Failure("mcp_missing", detail) from None
    return run


def _requirement() -> str:
    """Return the requirement of the package that the extra `mcp` installs. This function also works in a clone of the
    repository.
    """
    found = next((one for one in requires("bunbase") or () if one.startswith(f"{LIBRARY}==")), LIBRARY)
    return found.partition(";")[0].strip()


def _check_project(session: Session, project: str) -> None:
    """Raises: NotSignedIn for a wrong token, Refused if the project does not exist.

    The server may be unreachable now.
    """
    try:
        place_of(session, project)
    except Unreachable:
        return
    except Refused as refused:
        if refused.problem.get("status") == NOT_FOUND:
            raise


def permissions(text: str) -> tuple[Permission, ...]:
    """Return the permissions of a comma-separated list. Raises: Usage."""
    try:
        return tuple(dict.fromkeys(Permission(word.strip()) for word in text.split(",") if text))
    except ValueError:
        raise Usage(f"--allow-write takes data, deploy or data,deploy, not {text!r}.") from None
