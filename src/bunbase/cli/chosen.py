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
    """Return the id or slug from the flag, BUNBASE_PROJECT, bunbase.toml or the last `projects use`, else ""."""
    named = flag or os.environ.get(VARIABLE, "")
    if named:
        return named
    in_file = read_project_file().project
    if in_file.id or in_file.slug:
        return in_file.id or in_file.slug
    last = session.known().project
    return last.id if last else ""


def needed_project(flag: str, session: Session) -> str:
    """Return the chosen project. Raises: NotSignedIn, since a choice would not help then; Usage if none is chosen."""
    project = chosen_project(flag, session)
    if not project:
        session.check_signed_in()
        raise Usage("Choose a project: --project <id or slug>, or bunbase projects use <id or slug>.", "no_project")
    return project


def choose(project: ChosenProject, session: Session) -> None:
    """Keep the choice in the credentials file, and in bunbase.toml if this folder has one."""
    with session.changing() as known:
        known.project = project
    write_project(project.id, project.slug)
