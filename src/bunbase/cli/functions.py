"""`bunbase functions`: list, compare, roll back and delete functions, and create them from templates."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
from cyclopts import App, Parameter
from rich.text import Text

from bunbase.cli.chosen import needed_project
from bunbase.cli.errors import Failure, Usage
from bunbase.cli.flags import PROJECT_FLAGS, ProjectFlags
from bunbase.cli.functions_backfill import backfill
from bunbase.cli.functions_new import new
from bunbase.cli.http import Call, at, refuse
from bunbase.cli.output import Output, size_text
from bunbase.cli.prompts import Yes, confirmed
from bunbase.cli.session import Session, open_session
from bunbase.cli.toml_writing import settings_lines
from bunbase.contracts.functions.deployments import FunctionConfig, Version, Versions
from bunbase.contracts.functions.triggers import ChangeOp, DataTrigger, Schedule

Name = Annotated[str, Parameter(help="The function's name.")]
Number = Annotated[int | None, Parameter(help="The version's number, from `bunbase functions versions`.")]
Old = Annotated[int | None, Parameter(help="The number of the older version. Default: the version before NEW.")]
New = Annotated[int | None, Parameter(help="The number of the newer version. Default: the active version.")]

app = App(name="functions", help="List, compare, roll back, delete and create functions.")
app.command(new)
app.command(backfill)


@app.command(name="list")
def list_functions(*, flags: ProjectFlags = PROJECT_FLAGS) -> None:
    """Show the deployed functions, ordered by name.

    Example: bunbase functions list
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        found = session.ask_all(Versions, Call("GET", _path(flags, session)))
    if flags.json:
        out.document(found)
        return
    rows = [
        (one.name, one.version, one.config.access.value, _triggers(one.config), size_text(one.size), one.created_at)
        for one in found.items
    ]
    out.table(("function", "version", "access", "triggers", "size", "deployed"), rows)
    if not found.items:
        out.hint("No function is deployed yet. Create one: bunbase functions new hello")


@app.command
def versions(name: Name, /, *, flags: ProjectFlags = PROJECT_FLAGS) -> None:
    """Show a function's versions, newest first; a star marks the active one.

    Example: bunbase functions versions hello
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        found = session.ask_all(Versions, Call("GET", _path(flags, session, name, "versions")))
    if flags.json:
        out.document(found)
        return
    rows = [
        ("*" if one.active else " ", one.version, size_text(one.size), one.sha256[:12], one.created_at, one.created_by)
        for one in found.items
    ]
    out.table(("active", "version", "size", "sha256", "deployed", "by"), rows)


@app.command
def diff(name: Name, old: Old = None, new: New = None, /, *, flags: ProjectFlags = PROJECT_FLAGS) -> None:
    """Compare the settings and the bundled code of two versions.

    Example: bunbase functions diff hello 3 4
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        found = session.ask_all(Versions, Call("GET", _path(flags, session, name, "versions"))).items
        before, after = _two(name, found, old, new)
        old_code, new_code = (
            _lines(session, _path(flags, session, name, "versions", str(one.version), "bundle"))
            for one in (before, after)
        )
    old_name, new_name = f"{name} v{before.version}", f"{name} v{after.version}"
    changed = [
        *_diff(_settings(before), _settings(after), f"settings of {old_name}", f"settings of {new_name}"),
        *_diff(old_code, new_code, old_name, new_name),
    ]
    if flags.json:
        out.document({"old": before, "new": after, "diff": "\n".join(changed)})
        return
    for line in changed:
        out.line(line)
    if not changed:
        out.hint(f"Versions {before.version} and {after.version} are the same.")


@app.command
def rollback(name: Name, version: Number = None, /, *, flags: ProjectFlags = PROJECT_FLAGS) -> None:
    """Make an older version active again, at once. Default: the version before the active version.

    Example: bunbase functions rollback hello 3
    """
    out = Output(flags.json)
    body = {} if version is None else {"version": version}
    with open_session(flags) as session:
        active = session.ask(Version, Call("POST", _path(flags, session, name, "rollback"), json=body))
    if flags.json:
        out.document(active)
    out.done(f"{name} runs version {active.version}.")


@app.command
def delete(
    name: Name,
    /,
    *,
    confirm: Annotated[
        str, Parameter(show_default=False, help="The function's name again, which confirms the deletion.")
    ] = "",
    yes: Yes = False,
    flags: ProjectFlags = PROJECT_FLAGS,
) -> None:
    """Delete a function with all its versions and its log.

    Example: bunbase functions delete hello
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        path = _path(flags, session, name)
        session.ask(Version, Call("GET", path))
        if not confirm:
            out.warn(f"This deletes {name} with all its versions and its log. This cannot be undone.")
        confirm = confirmed(name, confirm, yes)
        if confirm != name:
            raise Usage(f"{confirm} is not {name}: nothing was deleted.")
        session.ask(type(None), Call("DELETE", path))
    if flags.json:
        out.document({"name": name, "deleted": True})
    out.done(f"{name} is deleted.")


def _triggers(config: FunctionConfig) -> Text:
    """Return the schedule of a function and the changes of documents that trigger it, one per line."""
    cron = config.schedule.cron if isinstance(config.schedule, Schedule) else config.schedule
    return Text("\n".join([*([cron] if cron else []), *map(_change, config.on)]), no_wrap=True)


def _change(trigger: DataTrigger) -> str:
    ops = "" if len(trigger.ops) == len(ChangeOp) else f" ({', '.join(trigger.ops)})"
    return f"{trigger.collection}{ops}{'' if trigger.where is None else ' with a filter'}"


def _two(name: str, found: tuple[Version, ...], old: int | None, new: int | None) -> tuple[Version, Version]:
    after = _version(name, found, new) if new is not None else next(one for one in found if one.active)
    if old is not None:
        return _version(name, found, old), after
    before = next((one for one in found if one.version < after.version), None)
    if before is None:
        raise Failure("version_not_found", f"{name} has no version before {after.version} to compare with.")
    return before, after


def _version(name: str, found: tuple[Version, ...], number: int) -> Version:
    for one in found:
        if one.version == number:
            return one
    raise Failure("version_not_found", f"{name} has no version {number}; see: bunbase functions versions {name}")


def _lines(session: Session, path: str) -> list[str]:
    reply = session.send(Call("GET", path))
    refuse(reply)
    return reply.content.decode("utf-8", "replace").splitlines()


def _settings(version: Version) -> list[str]:
    """Return the settings as lines of bunbase.toml, without the settings that are null, because TOML has no null."""
    config: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(version.config))
    return settings_lines(config).splitlines()


def _diff(old: list[str], new: list[str], old_name: str, new_name: str) -> Iterator[str]:
    return difflib.unified_diff(old, new, old_name, new_name, lineterm="")


def _path(flags: ProjectFlags, session: Session, *rest: str) -> str:
    return at("projects", needed_project(flags.project, session), "functions", *rest)
