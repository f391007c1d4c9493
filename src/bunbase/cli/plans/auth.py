"""Plan the changes of the settings for users, which are in `[auth]`."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from bunbase.cli.auth_file import default_of, differences, patch_of
from bunbase.cli.http import Call, at
from bunbase.cli.output import Output
from bunbase.cli.plans.changes import Change, ChangeClass
from bunbase.cli.plans.steps import PlannedStep
from bunbase.cli.session import Session

# BunBase deletes data after each of these times; if a time becomes shorter, BunBase deletes data at once
KEEPING: Final = frozenset({"activity_days", "anonymous.idle_days"})


def shown_auth(session: Session, project: str) -> dict[str, Any]:
    """Return the settings of the project, as the API shows them."""
    return session.ask(dict, Call("GET", at("projects", project, "auth")))


def auth_changes(table: dict[str, Any], shown: dict[str, Any]) -> list[Change]:
    """Return the changes that the table of the file would make. `shown`: the settings of the server."""
    return [_change(name, mine, theirs) for name, mine, theirs in differences(table, shown)]


def auth_steps(session: Session, project: str, table: dict[str, Any], shown: dict[str, Any]) -> list[PlannedStep]:
    """Return the step that sets the settings of the table.

    If nothing differs, return no step, because the step needs the role admin.

    Raises: Usage for a secret that is missing.
    """
    if not differences(table, shown):
        return []
    patch_of(table, shown)

    def send(_out: Output) -> str:
        version = set_auth(session, project, table, shown)
        return "The settings of [auth] are in force." if version != shown["version"] else ""

    return [PlannedStep("auth", send)]


def set_auth(session: Session, project: str, table: dict[str, Any], shown: dict[str, Any]) -> int:
    """Set the settings that the table names. Return the version of the settings, which each change increases.

    If the environment variable of a stored secret is not set, the secret stays. Raises: Usage for a missing secret;
    Refused.
    """
    path = at("projects", project, "auth")
    headers = {"content-type": "application/json", "if-match": f'"{shown["version"]}"'}
    patch = msgspec.json.encode(patch_of(table, shown))
    after = session.ask(dict[str, Any], Call("PATCH", path, headers=headers, content=patch))
    version: int = after["version"]
    return version


def _change(name: str, mine: Any, theirs: Any) -> Change:
    what = f"{_text(theirs)} becomes {_text(mine)}"
    if name in KEEPING and isinstance(mine, int) and (theirs is None or mine < theirs):
        return Change(f"auth.{name}", ChangeClass.LOSING, f"{what}: older data is deleted")
    new = theirs in (None, "not set", default_of(name))
    return Change(f"auth.{name}", ChangeClass.ADDITIVE if new else ChangeClass.REWRITING, what)


def _text(value: Any) -> str:
    return value if isinstance(value, str) and value else msgspec.json.encode(value).decode()
