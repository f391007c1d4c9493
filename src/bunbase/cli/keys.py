"""`bunbase keys`: list, create, change, rotate and revoke a project's keys, and rotate its data key."""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter
from cyclopts.validators import Number

from bunbase.cli.chosen import needed_project
from bunbase.cli.credentials import ChosenProject, StoredKey
from bunbase.cli.errors import Failure
from bunbase.cli.flags import PROJECT_FLAGS, ProjectFlags
from bunbase.cli.http import Call, at
from bunbase.cli.output import Output
from bunbase.cli.scope_flags import ScopeFlags, shown
from bunbase.cli.session import Session, open_session
from bunbase.contracts.bundoc.documents import KeyState
from bunbase.contracts.caller import CallerKind
from bunbase.contracts.platform import Key, Keys, Project

DAY_SECONDS = 86400
LOOK_SECONDS = 0.5

KeyId = Annotated[str, Parameter(help="The key's id, from `bunbase keys list`.")]

OriginFlags = Annotated[
    tuple[str, ...],
    Parameter(
        name="--origin",
        negative="",
        show_default=False,
        help="An origin whose pages may use a publishable key, as https://app.example.com. Repeat it for several.",
    ),
]

app = App(name="keys", help="List, create, change, rotate and revoke a project's keys.")


@app.command(name="list")
def list_keys(*, flags: ProjectFlags = PROJECT_FLAGS) -> None:
    """Show a project's keys, newest first. A key's value is shown only once, when the key is made.

    Example: bunbase keys list
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        project = needed_project(flags.project, session)
        keys = session.ask(Keys, Call("GET", at("projects", project, "keys")))
    if flags.json:
        out.document(keys)
        return
    rows = [
        (key.id, key.kind.value, key.name, key.hint, _limits(key), key.last_used_at, key.created_at, key.expires_at)
        for key in keys.items
    ]
    out.table(("id", "kind", "name", "begins", "limits", "last used", "created", "expires"), rows)
    if not rows:
        out.hint("The project has no key. Make one: bunbase keys create")


@app.command
def create(
    *,
    kind: Annotated[
        Literal["secret", "publishable"], Parameter(help="secret: for your servers; publishable: for apps and pages.")
    ] = "secret",
    name: Annotated[str, Parameter(help="A name that helps you recognise the key.")] = "key",
    expires_in_days: Annotated[
        int | None,
        Parameter(
            validator=Number(gte=1, lte=3660),
            show_default=False,
            help="Days until the key expires. Default: never.",
        ),
    ] = None,
    scope: ScopeFlags = (),
    origin: OriginFlags = (),
    allow_browser: Annotated[
        bool, Parameter(negative="", show_default=False, help="Pages may use this secret key.")
    ] = False,
    flags: ProjectFlags = PROJECT_FLAGS,
) -> None:
    """Make a key, show its value once, and store it on this machine for `bunbase invoke`.

    Without --scope, a secret key may do everything. Without --origin, all pages may use a publishable key.

    Example: bunbase keys create --kind publishable --origin https://app.example.com
    """
    body: dict[str, Any] = {"kind": kind, "name": name}
    body |= {"scopes": scope} if scope else {}
    body |= {"origins": origin} if origin else {}
    body |= {"allow_browser": True} if allow_browser else {}
    if expires_in_days is not None:
        body["expires_in_seconds"] = expires_in_days * DAY_SECONDS
    with open_session(flags) as session:
        project = needed_project(flags.project, session)
        new = session.ask(Key, Call("POST", at("projects", project, "keys"), json=body))
        _show_new(session, new, project, flags)


@app.command
def update(
    id: KeyId,
    /,
    *,
    name: Annotated[str | None, Parameter(show_default=False, help="A new name.")] = None,
    scope: ScopeFlags = (),
    origin: OriginFlags = (),
    any_origin: Annotated[
        bool, Parameter(negative="", show_default=False, help="Pages of all origins may use this publishable key.")
    ] = False,
    allow_browser: Annotated[
        bool | None, Parameter(show_default=False, help="Pages may use this secret key, or may not.")
    ] = None,
    flags: ProjectFlags = PROJECT_FLAGS,
) -> None:
    """Change the name or the limits of a key. The value of the key stays the same. You can only remove scopes.

    Example: bunbase keys update key_1 --scope data:posts:read
    """
    out = Output(flags.json)
    body: dict[str, Any] = {} if name is None else {"name": name}
    body |= {"scopes": scope} if scope else {}
    body |= {"origins": origin} if origin or any_origin else {}
    body |= {} if allow_browser is None else {"allow_browser": allow_browser}
    with open_session(flags) as session:
        project = needed_project(flags.project, session)
        changed = session.ask(Key, Call("PATCH", at("projects", project, "keys", id), json=body))
    if flags.json:
        out.document(changed)
    out.done(f"{changed.id} ({changed.name}): {_limits(changed)}.")


@app.command
def rotate(
    id: KeyId,
    /,
    *,
    grace_seconds: Annotated[
        int, Parameter(validator=Number(gte=0), help="How many seconds the old key still works.")
    ] = DAY_SECONDS,
    flags: ProjectFlags = PROJECT_FLAGS,
) -> None:
    """Replace a key with a new key of the same kind, and show the new value once.

    Example: bunbase keys rotate key_1 --grace-seconds 3600
    """
    with open_session(flags) as session:
        project = needed_project(flags.project, session)
        body = {"grace_seconds": grace_seconds}
        new = session.ask(Key, Call("POST", at("projects", project, "keys", id, "rotate"), json=body))
        _show_new(session, new, project, flags, replaces=id)


@app.command
def rotate_data(*, flags: ProjectFlags = PROJECT_FLAGS) -> None:
    """Encrypt the project's documents, and the names of its files, with new data keys. Reads and writes continue.

    Example: bunbase keys rotate-data
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        at_key = at("projects", needed_project(flags.project, session), "data-key")
        state = session.ask(KeyState, Call("POST", f"{at_key}/rotate"))
        with out.busy("encrypting the documents and the names of files with new keys"):
            while state.rotating:
                time.sleep(LOOK_SECONDS)
                state = session.ask(KeyState, Call("GET", at_key))
    if state.failed:
        raise Failure(state.failed, "The key was not rotated: the old key is still in use. Try again.")
    if flags.json:
        out.document(state)
    out.done("The documents and the names of files are encrypted with new keys.")


@app.command
def revoke(id: KeyId, /, *, flags: ProjectFlags = PROJECT_FLAGS) -> None:
    """Revoke a key: it stops working within a second.

    Example: bunbase keys revoke key_1
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        project = needed_project(flags.project, session)
        session.ask(type(None), Call("DELETE", at("projects", project, "keys", id)))
        with session.changing() as known:
            known.forget_key(id)
    if flags.json:
        out.document({"id": id, "revoked": True})
    out.done(f"{id} no longer works.")


def _limits(key: Key) -> str:
    if key.kind is CallerKind.PUBLISHABLE:
        return shown(key.origins, "all origins")
    return shown(key.scopes, "all scopes") + (", browsers" if key.allow_browser else "")


def _show_new(session: Session, new: Key, of: str, flags: ProjectFlags, replaces: str = "") -> None:
    out = Output(flags.json)
    if flags.json:
        out.document(new)
    else:
        out.table(("key", "id", "value"), [(new.kind.value, new.id, new.key)])
    out.hint("The value will not be shown again.")
    try:
        project = session.ask(Project, Call("GET", at("projects", of)))
        with session.changing() as known:
            if replaces:
                known.forget_key(replaces)
            known.keep(StoredKey(new.id, new.kind, new.key or "", ChosenProject(project.id, project.slug)))
    except Failure as failure:  # the key exists and was shown, so the command succeeds even if it cannot store the key
        out.warn(f"The key was made, but could not be stored for `bunbase invoke`: {failure.detail}")
