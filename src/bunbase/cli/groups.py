"""The project or organisation that a command about members or invitations acts on."""

from __future__ import annotations

from typing import Literal

from bunbase.cli.chosen import needed_project
from bunbase.cli.flags import GroupFlags
from bunbase.cli.http import at
from bunbase.cli.session import Session

RoleName = Literal["viewer", "developer", "admin", "owner"]


def group_path(flags: GroupFlags, session: Session) -> str:
    """Return the path of the organisation that `--org` names, or else the path of the chosen project. Raises: Usage."""
    return at("orgs", flags.org) if flags.org else at("projects", needed_project(flags.project, session))


def group_name(flags: GroupFlags, session: Session) -> str:
    """Return the group as a question to the user names it, such as "the project shop"."""
    if flags.org:
        return f"the organisation {flags.org}"
    named, last = needed_project(flags.project, session), session.known().project
    return f"the project {last.slug if last and last.id == named else named}"
