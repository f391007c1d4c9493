"""Which project a command acts on."""

from __future__ import annotations

import os
from typing import Final

from bunbase.cli.credentials import ChosenProject
from bunbase.cli.errors import Usage
from bunbase.cli.project_file import read_project_file, write_project
from bunbase.cli.session import Session

VARIABLE: Final = "BUNBASE_PROJECT"


def chosen_project(flag: str, session: Session) -> str:
    """Give its id or slug: the flag, BUNBASE_PROJECT, bunbase.toml, the last `projects use`; "" if none says so."""
    named = flag or os.environ.get(VARIABLE, "")
    if named:
        return named
    in_file = read_project_file().project
    if in_file.id or in_file.slug:
        return in_file.id or in_file.slug
    last = session.known().project
    return last.id if last else ""


def needed_project(flag: str, session: Session) -> str:
    """Raises: Usage when no project is chosen; NotSignedIn before that, since a choice would not help."""
    project = chosen_project(flag, session)
    if not project:
        session.check_signed_in()
        raise Usage("Choose a project: --project <id or slug>, or bunbase projects use <id or slug>.", "no_project")
    return project


def choose(project: ChosenProject, session: Session) -> None:
    """Remember the project, in bunbase.toml too if there is one here."""
    with session.changing() as known:
        known.project = project
    write_project(project.id, project.slug)
