"""`bunbase whoami --where`: the choices of a command, and the source of each. No request is sent."""

from __future__ import annotations

import os

import msgspec

from bunbase.cli.certificates import VARIABLE as CA_FILE
from bunbase.cli.chosen import chosen_project
from bunbase.cli.flags import ProjectFlags
from bunbase.cli.output import Output
from bunbase.cli.session import TOKEN, Session, open_session
from bunbase.cli.targets import where


class Chosen(msgspec.Struct, frozen=True):
    """One choice.

    `origin` (`from` in JSON): the flag, variable or file that made the choice; empty if nothing is chosen.
    """

    setting: str
    value: str | None
    origin: str = msgspec.field(name="from", default="")


def show_choices(flags: ProjectFlags, out: Output) -> None:
    """Print the server, the project, the account and the other choices. Raises: Usage."""
    with open_session(flags) as session:
        choices = _choices(flags, session)
    if out.json:
        out.document({"items": choices})
        return
    profile = session.file.profile
    if profile and not session.file.exists():
        out.warn(f"There is no sign-in with the profile {profile}. To make one: bunbase login --profile {profile}")
    out.table(("setting", "value", "from"), [(one.setting, one.value or "none", one.origin) for one in choices])


def _choices(flags: ProjectFlags, session: Session) -> list[Chosen]:
    found, project = where(flags), chosen_project(flags.project, session)
    ca_file = flags.ca_file or os.environ.get(CA_FILE, "")
    return [
        Chosen("target", found.target.name or None, found.target.chosen_by),
        Chosen("server", found.server.value, found.server.origin),
        Chosen("project", project or None, session.project.origin if session.project else ""),
        Chosen("profile", found.profile.value or None, found.profile.origin),
        _account(session),
        Chosen("certificates", ca_file or None, ("--ca-file" if flags.ca_file else CA_FILE) if ca_file else ""),
    ]


def _account(session: Session) -> Chosen:
    """Return the account. A token in the environment does not name its account."""
    if session.token:
        return Chosen("account", "the owner of the token", TOKEN)
    known = session.known()
    return Chosen("account", known.email, str(session.file.path)) if known.access_token else Chosen("account", None)
