"""Choose the project that a command acts on."""

from __future__ import annotations

import os
from typing import Final

from bunbase.cli.credentials import ChosenProject
from bunbase.cli.errors import Usage
from bunbase.cli.project_file import read_project_file, write_project
from bunbase.cli.session import Session

VARIABLE: Final = "BUNBASE_PROJECT"


def chosen_project(flag: str, session: Session) -> str:
    """Return the id or slug of the chosen project, or "" if no project is chosen.

    The first of these names it: the flag, BUNBASE_PROJECT, bunbase.toml, the last `bunbase projects use`.
    """
    named = flag or os.environ.get(VARIABLE, "")
    if named:
        return named
    in_file = read_project_file().project
    if in_file.id or in_file.slug:
        return in_file.id or in_file.slug
    last = session.known().project
    return last.id if last else ""


def needed_project(flag: str, session: Session) -> str:
    """Return the id or slug of the chosen project.

    Raises: Usage if no project is chosen; NotSignedIn instead if the user must sign in first.
    """
    project = chosen_project(flag, session)
    if not project:
        session.check_signed_in()
        raise Usage("Choose a project: --project <id or slug>, or bunbase projects use <id or slug>.", "no_project")
    return project


def choose(project: ChosenProject, session: Session) -> None:
    """Write the choice to the credentials file, and to bunbase.toml if this folder has that file."""
    with session.changing() as known:
        known.project = project
    write_project(project.id, project.slug)
