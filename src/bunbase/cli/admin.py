"""`bunbase admin`: accounts and projects of the whole installation, for its administrators."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from cyclopts import App, Parameter
from cyclopts.validators import Number

from bunbase.cli.account_invites import app as account_invites
from bunbase.cli.flags import SERVER_FLAGS, ServerFlags
from bunbase.cli.http import Call, at
from bunbase.cli.output import Output, size_text
from bunbase.cli.people import account_id, existing_account
from bunbase.cli.prompts import Yes, confirm
from bunbase.cli.session import Session, open_session
from bunbase.contracts.bunauth.administration import ManagedAccount, ManagedAccounts
from bunbase.contracts.project_administration import InstallationUsage, ManagedProject, ManagedProjects

ACCOUNT: Final = "usr_"
ROLES: Final = {
    "admin": "This makes {} an administrator of the installation, with power over all its accounts and projects.",
    "user": "{} will no longer be an administrator of the installation.",
}

Limit = Annotated[int, Parameter(validator=Number(gte=1, lte=500), help="How many to show.")]
Named = Annotated[str, Parameter(help="The email address or id of the account.")]
Target = Annotated[str, Parameter(help="The email address or id of an account, or the id or slug of a project.")]

app = App(name="admin", help="Manage the accounts and projects of the installation, as its administrator.")
app.command(account_invites)


@app.command
def accounts(
    email: Annotated[
        str, Parameter(show_default=False, help="Only accounts whose email begins with this text. Default: all.")
    ] = "",
    /,
    *,
    limit: Limit = 100,
    flags: ServerFlags = SERVER_FLAGS,
) -> None:
    """Show accounts, ordered by email.

    Example: bunbase admin accounts bob@example.com
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        call = Call("GET", at("admin", "accounts"), params={"email": email, "limit": limit})
        page = session.ask(ManagedAccounts, call)
    if flags.json:
        out.document(page)
        return
    columns = ("id", "email", "role", "created", "last used", "suspended")
    rows = [
        (one.id, one.email, one.role.value, one.created_at, one.last_used_at, one.suspended_at) for one in page.items
    ]
    out.table(columns, rows)


@app.command
def projects(
    search: Annotated[
        str, Parameter(show_default=False, help="Only the project with this id or slug. Default: all.")
    ] = "",
    /,
    *,
    limit: Limit = 100,
    flags: ServerFlags = SERVER_FLAGS,
) -> None:
    """Show projects, newest first, with the size of their documents.

    Example: bunbase admin projects shop
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        call = Call("GET", at("admin", "projects"), params={"search": search, "limit": limit})
        page = session.ask(ManagedProjects, call)
    if flags.json:
        out.document(page)
        return
    columns = ("id", "slug", "members", "size", "last written", "suspended")
    rows = [
        (one.id, one.slug, one.members, size_text(one.bytes), one.written_at, one.suspended_at) for one in page.items
    ]
    out.table(columns, rows)


@app.command
def usage(*, flags: ServerFlags = SERVER_FLAGS) -> None:
    """Show how large the installation is.

    Example: bunbase admin usage
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        found = session.ask(InstallationUsage, Call("GET", at("admin", "usage")))
    if flags.json:
        out.document(found)
        return
    out.facts(
        [
            ("projects", found.projects),
            ("suspended", found.suspended_projects),
            ("members", found.members),
            ("keys", found.keys),
            ("documents", size_text(found.bytes)),
            ("active users this month", found.monthly_active_users),
        ]
    )


@app.command
def suspend(target: Target, /, *, yes: Yes = False, flags: ServerFlags = SERVER_FLAGS) -> None:
    """Suspend an account or a project. Sessions, tokens and keys stop working within a second.

    Example: bunbase admin suspend bob@example.com
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        named = existing_account(target, session).email if _is_account(target) else target
        out.warn(f"This suspends {named}: {_stops(target)} stop working within a second.")
        confirm(yes)
        _change(session, target, "suspend", f"{named} is suspended.", out)


@app.command
def resume(target: Target, /, *, flags: ServerFlags = SERVER_FLAGS) -> None:
    """Resume a suspended account or project.

    Example: bunbase admin resume bob@example.com
    """
    with open_session(flags) as session:
        _change(session, target, "resume", f"{target} is active again.", Output(flags.json))


@app.command
def role(
    account: Named,
    role: Annotated[Literal["admin", "user"], Parameter(help="The new role in the installation.")],
    /,
    *,
    yes: Yes = False,
    flags: ServerFlags = SERVER_FLAGS,
) -> None:
    """Change the role of an account in the installation. BunBase ends its sessions, and sends its owner a mail.

    Example: bunbase admin role bob@example.com admin
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        found = existing_account(account, session)
        out.warn(f"{ROLES[role].format(found.email)} The sessions of the account end.")
        confirm(yes)
        changed = session.ask(ManagedAccount, Call("PATCH", at("admin", "accounts", found.id), json={"role": role}))
    if flags.json:
        out.document(changed)
    out.done(f"{changed.email} now has the role {changed.role.value}.")


@app.command
def reset_factors(
    account: Named,
    /,
    *,
    yes: Yes = False,
    flags: ServerFlags = SERVER_FLAGS,
) -> None:
    """Remove the authenticator app, recovery codes and passkeys of an account whose owner has lost them.

    Example: bunbase admin reset-factors bob@example.com
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        found = existing_account(account, session)
        out.warn(
            f"This removes the authenticator app, the recovery codes and the passkeys of {found.email}: the password "
            "alone signs in afterwards. Go on only if you are sure that the owner asks."
        )
        confirm(yes)
        session.ask(type(None), Call("POST", at("admin", "accounts", found.id, "reset-factors")))
    if flags.json:
        out.document({"id": found.id, "factors_removed": True})
    out.done(f"{found.email} has no factors any more. Its owner signs in with the password.")


@app.command
def replace_signing_keys(*, yes: Yes = False, flags: ServerFlags = SERVER_FLAGS) -> None:
    """Replace all keys that sign access tokens at once, for example if somebody may have stolen one of them.

    All access tokens of developers become invalid within a second. Sessions stay open, and clients get new tokens.

    Example: bunbase admin replace-signing-keys
    """
    out = Output(flags.json)
    out.warn(
        "This ends all access tokens of developers. Programs that cache the public keys follow within five minutes."
    )
    confirm(yes)
    with open_session(flags) as session:
        session.ask(type(None), Call("POST", at("auth", "signing-keys", "replace")))
    if flags.json:
        out.document({"replaced": True})
    out.done("All signing keys are replaced.")


def _is_account(target: str) -> bool:
    return target.startswith(ACCOUNT) or "@" in target


def _stops(target: str) -> str:
    return "its sessions and personal tokens" if _is_account(target) else "its keys, functions and end users"


def _change(session: Session, target: str, verb: str, done: str, out: Output) -> None:
    changed: ManagedAccount | ManagedProject
    if _is_account(target):
        id = account_id(target, session)
        changed = session.ask(ManagedAccount, Call("POST", at("admin", "accounts", id, verb)))
    else:
        changed = session.ask(ManagedProject, Call("POST", at("admin", "projects", target, verb)))
    if out.json:
        out.document(changed)
    out.done(done)
