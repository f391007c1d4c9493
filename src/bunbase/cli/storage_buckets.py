"""`bunbase storage buckets`: list, create, change and delete the buckets of a project."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from cyclopts import App, Parameter

from bunbase.cli.chosen import needed_project
from bunbase.cli.errors import Usage
from bunbase.cli.flags import PROJECT_FLAGS, ProjectFlags
from bunbase.cli.http import Call, at_v1, decode
from bunbase.cli.output import Output
from bunbase.cli.prompts import Yes, confirmed
from bunbase.cli.session import open_session
from bunbase.contracts.storage import Bucket, Buckets

app = App(name="buckets", help="List, create, change and delete the buckets of a project.")

UNSET: Final = -1

Name = Annotated[str, Parameter(help="The name of the bucket: 3 to 63 lower-case letters, digits, dots and hyphens.")]
Public = Annotated[
    bool | None, Parameter(show_default=False, help="Everybody may read each file of the bucket without a key.")
]
MaxBytes = Annotated[int, Parameter(show_default=False, help="The limit of one file in bytes. Default: 5 GiB.")]
Mime = Annotated[
    tuple[str, ...], Parameter(negative="", show_default=False, help="An accepted type, such as image/*. Repeatable.")
]


@app.command(name="list")
def list_buckets(*, flags: ProjectFlags = PROJECT_FLAGS) -> None:
    """Show the buckets with their settings and rules.

    Example: bunbase storage buckets list
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        headers = {"x-bunbase-project": needed_project(flags.project, session)}
        found = session.ask(Buckets, Call("GET", at_v1("storage", "buckets"), headers=headers))
    if out.json:
        out.document(found)
        return
    out.table(("bucket", "public", "types", "rules"), [_row(one) for one in found.items])
    if not found.items:
        out.hint("There is no bucket yet. Create one: bunbase storage buckets create photos")


def yes_or_no(value: bool) -> str:
    return "yes" if value else "no"


def _row(bucket: Bucket) -> tuple[str, str, str, str]:
    rules = [name for name, source in msgspec.to_builtins(bucket.rules).items() if source]
    return bucket.name, yes_or_no(bucket.public), ", ".join(bucket.mime), ", ".join(rules)


@app.command
def create(
    name: Name,
    /,
    *,
    public: Public = None,
    max_bytes: MaxBytes = UNSET,
    mime: Mime = (),
    flags: ProjectFlags = PROJECT_FLAGS,
) -> None:
    """Create a bucket. Its rules are in `[buckets.<name>]` of bunbase.toml.

    Example: bunbase storage buckets create photos --mime image/*
    """
    _send("POST", ("storage", "buckets"), {"name": name, **_settings(public, max_bytes, mime)}, "is created", flags)


@app.command
def update(
    name: Name,
    /,
    *,
    public: Public = None,
    max_bytes: MaxBytes = UNSET,
    mime: Mime = (),
    flags: ProjectFlags = PROJECT_FLAGS,
) -> None:
    """Change settings of a bucket. All other settings and the files stay.

    Example: bunbase storage buckets update photos --max-bytes 10485760
    """
    settings = _settings(public, max_bytes, mime)
    if not settings:
        raise Usage("Name a setting to change: --public, --no-public, --max-bytes or --mime.")
    _send("PATCH", ("storage", "buckets", name), settings, "is changed", flags)


@app.command
def delete(
    name: Name,
    /,
    *,
    confirm: Annotated[str, Parameter(show_default=False, help="The name of the bucket, to confirm.")] = "",
    yes: Yes = False,
    flags: ProjectFlags = PROJECT_FLAGS,
) -> None:
    """Delete an empty bucket with its settings and rules.

    Example: bunbase storage buckets delete photos --yes
    """
    out = Output(flags.json)
    given = confirmed(name, confirm, yes)
    if given != name:
        raise Usage(f"The bucket is called {name}, not {given}. Nothing was deleted.", "not_confirmed")
    with open_session(flags) as session:
        headers = {"x-bunbase-project": needed_project(flags.project, session)}
        decode(session.send(Call("DELETE", at_v1("storage", "buckets", name), headers=headers)), type(None))
    out.done(f"{name} is deleted.")


def _settings(public: bool | None, max_bytes: int, mime: tuple[str, ...]) -> dict[str, Any]:
    settings: dict[str, Any] = {} if public is None else {"public": public}
    settings |= {} if max_bytes == UNSET else {"max_bytes": max_bytes}
    return settings | ({"mime": mime} if mime else {})


def _send(method: str, path: tuple[str, ...], body: dict[str, Any], done: str, flags: ProjectFlags) -> None:
    out = Output(flags.json)
    with open_session(flags) as session:
        headers = {"x-bunbase-project": needed_project(flags.project, session)}
        bucket = session.ask(Bucket, Call(method, at_v1(*path), headers=headers, json=body))
    if out.json:
        out.document(bucket)
    out.done(f"{bucket.name} {done}.")
