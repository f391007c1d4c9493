"""`bunbase env pull`: write the variables of a project to a .env file of this machine."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter

from bunbase.cli.chosen import needed_project
from bunbase.cli.errors import Usage
from bunbase.cli.flags import PROJECT_FLAGS, ProjectFlags
from bunbase.cli.http import Call, at
from bunbase.cli.output import Output, counted
from bunbase.cli.replaced_files import replace_file
from bunbase.cli.session import open_session
from bunbase.contracts.functions.variables import Variable, Variables

OWNER_ONLY: Final = 0o600
# every tool reads such a value in the same way, even without quotes
PLAIN: Final = re.compile(r"[A-Za-z0-9_./:@%+,=-]*")
GIT_SECONDS: Final = 10
# the exit codes of `git check-ignore`; any other code means that there is no repository, or that git refuses it
IGNORED, NOT_IGNORED = 0, 1


def pull(
    file: Annotated[Path, Parameter(help="The file to write.")] = Path(".env"),
    /,
    *,
    replace: Annotated[bool, Parameter(negative="", show_default=False, help="Replace the file if it exists.")] = False,
    flags: ProjectFlags = PROJECT_FLAGS,
) -> None:
    """Write all variables with their values to a .env file that only you can read. This needs the role admin.

    The values are secrets, so the command refuses a file that git would commit.

    Example: bunbase env pull .env
    """
    out = Output(flags.json)
    if file.exists() and not replace:
        raise Usage(f"{file} exists already: name another file, or pass --replace.", "file_exists")
    if _git_would_commit(file):
        raise Usage(f"Git would commit {file}, and its values are secrets. Add it to .gitignore first.", "not_ignored")
    with open_session(flags) as session:
        path = at("projects", needed_project(flags.project, session), "env")
        found = session.ask(Variables, Call("GET", path, params={"reveal": "true"})).items
    replace_file(file, env_text(found), OWNER_ONLY)
    if flags.json:
        out.document({"file": str(file), "variables": [one.name for one in found]})
    out.done(f"{file} has {counted(len(found), 'variable')}.")


def env_text(variables: Sequence[Variable]) -> str:
    """Return the text of a .env file. `read_env_file` reads the same variables from this text."""
    return "".join(f"{one.name}={_quoted(one.value or '')}\n" for one in variables)


def _quoted(value: str) -> str:
    if PLAIN.fullmatch(value):
        return value
    if "'" not in value and "\r" not in value:
        return f"'{value}'"
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$").replace("\r", "\\r")
    # otherwise a shell that reads the file would run the text between two backticks
    escaped = escaped.replace("`", "\\`")
    return f'"{escaped}"'


def _git_would_commit(file: Path) -> bool:
    """True if the file is in a git repository that does not ignore it. If git is not installed, return False."""
    command = ["git", "check-ignore", "--quiet", str(file.absolute())]
    folder = file.absolute().parent
    try:
        done = subprocess.run(  # noqa: S603  the words come from our code; the last one is the path to write
            command, cwd=folder, capture_output=True, timeout=GIT_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    in_repository = any((one / ".git").exists() for one in (folder, *folder.parents))
    return done.returncode == NOT_IGNORED or (done.returncode != IGNORED and in_repository)
