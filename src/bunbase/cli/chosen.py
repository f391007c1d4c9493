"""Choose the project that a command acts on."""

from __future__ import annotations

import os
from typing import Final

from bunbase.cli.credentials import ChosenProject
from bunbase.cli.errors import Usage
from bunbase.cli.project_file import project_file_path, read_project_file
from bunbase.cli.session import PROJECT_FLAG, NamedProject, Session
from bunbase.contracts.project_file import ProjectSection

VARIABLE: Final = "BUNBASE_PROJECT"


def chosen_project(flag: str, session: Session) -> str:
    """Return the id or slug of the chosen project, or "" if no project is chosen.

    The first of these that is set decides: the flag, BUNBASE_PROJECT, the target, bunbase.toml, the last `bunbase
    projects use`. If a target has its own server, `[project]` is ignored, because it belongs to another server.
    """
    named, session.project = _named_project(flag, session)
    return named


def _named_project(flag: str, session: Session) -> tuple[str, NamedProject | None]:
    if flag:
        return flag, NamedProject(flag, PROJECT_FLAG)
    if named := os.environ.get(VARIABLE, "").strip():
        return named, NamedProject(named, VARIABLE)
    if target := session.target.project:
        return target.value, NamedProject(target.value, target.origin)
    in_file = ProjectSection() if session.target.server else read_project_file().project
    if named := in_file.id or in_file.slug:
        return named, NamedProject(in_file.slug or named, str(project_file_path().absolute()))
    if last := session.known().project:
        return last.id, NamedProject(last.slug, "the last `bunbase projects use` or `create`")
    return "", None


def needed_project(flag: str, session: Session) -> str:
    """Return the id or slug of the chosen project.

    Raises: Usage if no project is chosen; NotSignedIn instead if the user must sign in first.
    """
    project = chosen_project(flag, session)
    if not project:
        session.check_signed_in()
        raise Usage("Choose a project: --project <id or slug>, or bunbase projects use <id or slug>.", "no_project")
    return project


def project_shown(session: Session) -> str:
    """Return the project as people know it: its slug, if the place that names the project also has the slug."""
    return session.project.name if session.project else ""


def choose_on_this_machine(project: ChosenProject, session: Session) -> None:
    """Write the choice to the credentials file only: bunbase.toml belongs to the developer, and is often committed."""
    with session.changing() as known:
        known.project = project


def choose(project: ChosenProject, session: Session) -> None:
    """Write the choice to the credentials file, and also to bunbase.toml if that file exists.

    With a target, the choice is written to the table of the target.
    """
    from bunbase.cli.toml_writing import write_project, write_target_project

    choose_on_this_machine(project, session)
    if session.target.name:
        write_target_project(session.target.name, project.slug)
    else:
        write_project(project.id, project.slug)
