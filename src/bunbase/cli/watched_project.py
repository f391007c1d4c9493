"""Choose the project to which a watched folder is deployed. Create a project if none is chosen."""

from __future__ import annotations

import re
from pathlib import Path

from bunbase.cli.address import is_loopback
from bunbase.cli.chosen import chosen_project
from bunbase.cli.errors import Refused, Usage
from bunbase.cli.http import Call, at
from bunbase.cli.output import Output
from bunbase.cli.projects import keep_project
from bunbase.cli.session import Session
from bunbase.contracts.platform import NewProject, Project

GONE = "project_not_found"


def project_to_watch(flag: str, session: Session, out: Output) -> Project:
    """Return the chosen project. If none is chosen and the server is on this machine, create one for this folder.

    Raises: Usage, and every error of a call.
    """
    chosen = chosen_project(flag, session)
    if chosen:
        return _existing(chosen, session)
    if not is_loopback(session.url):
        session.check_signed_in()
        raise Usage("Choose a project: --project <id or slug>, or bunbase projects use <id or slug>.", "no_project")
    new = session.ask(NewProject, Call("POST", at("projects"), json={"name": folder_name(Path.cwd())}))
    keep_project(session, new, out, in_file=True)
    out.done(f"created the project {new.name} ({new.slug}) for this folder")
    return Project(new.id, new.name, new.slug, new.role, new.created_at)


def folder_name(folder: Path) -> str:
    """Return the name of a project that is created for this folder."""
    return re.sub(r"[^\w .-]", "", folder.name).strip()[:60] or "App"


def _existing(chosen: str, session: Session) -> Project:
    try:
        return session.ask(Project, Call("GET", at("projects", chosen)))
    except Refused as refused:
        if refused.code != GONE:
            raise
        advice = "choose another: bunbase projects use <id or slug>, or bunbase projects create <name>"
        named = session.project.origin if session.project else "the command line"
        raise Usage(f"{session.url} has no project {chosen} (named by {named}); {advice}.", "no_project") from None
