"""`bunbase users`: manage the people who use the app of a project."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from bunbase.cli.errors import Usage
from bunbase.cli.flags import PROJECT_FLAGS, ProjectFlags
from bunbase.cli.logs import duration_of, time_of
from bunbase.cli.output import Output
from bunbase.cli.project_users import USERS, Named, ProjectUsers
from bunbase.cli.prompts import Yes, ask_secret, confirm, secret_from_input
from bunbase.cli.session import open_session
from bunbase.cli.user_activity import activity
from bunbase.cli.user_invites import user_invites
from bunbase.cli.user_lists import IdsFrom, act_on_many, named_once
from bunbase.cli.user_profiles import NO_PROFILE, ProfileFlags
from bunbase.cli.user_support import impersonate, link
from bunbase.contracts.tenant_auth.bulk import BulkAction
from bunbase.contracts.tenant_auth.signups import UserInvite
from bunbase.contracts.tenant_auth.users import ManagedUser, ManagedUsers
from bunbase.pkg.clock import rfc3339

MaybeNamed = Annotated[str | None, Parameter(show_default=False, help="The user's id, email address or phone number.")]
RoleFlag = Annotated[str | None, Parameter(name="--role", show_default=False, help="The role, which rules can read.")]
Verified = Annotated[
    bool | None,
    Parameter(
        name="--verified", negative="--not-verified", show_default=False, help="Whether the address is confirmed."
    ),
]
FromInput = Annotated[
    bool, Parameter(name="--password-stdin", negative="", show_default=False, help="Read the password from stdin.")
]

app = App(name="users", help="List, create, import, change, ban and delete the users of a project's app.")
app.command(user_invites)
for _command in (activity, impersonate, link):
    app.command(_command)
# the help is here, because the list of commands does not import the modules: these imports take long
app.command(
    "bunbase.cli.user_transfers:import_users",
    name="import",
    help="Import users with their passwords.\n\nExample: bunbase users import users.json --from firebase --dry-run",
)
app.command(
    "bunbase.cli.user_transfers:export_users",
    name="export",
    help="Export users for another project.\n\nExample: bunbase users export users.ndjson",
)


@app.command(name="list")
def list_users(
    *,
    email: Annotated[str, Parameter(show_default=False, help="Only the user with this address.")] = "",
    search: Annotated[
        str,
        Parameter(
            name=("--search", "--begins"), show_default=False, help="Only users whose address or name begins with this."
        ),
    ] = "",
    phone: Annotated[str, Parameter(show_default=False, help="Only the user with this phone number.")] = "",
    provider: Annotated[
        str, Parameter(show_default=False, help="Only users of this service, or with a password.")
    ] = "",
    role: RoleFlag = None,
    banned: Annotated[bool | None, Parameter(show_default=False, help="Only banned users, or only others.")] = None,
    anonymous: Annotated[
        bool | None, Parameter(show_default=False, help="Only anonymous users, or only others.")
    ] = None,
    created_since: Annotated[str, Parameter(show_default=False, help="Only users since this time (RFC 3339).")] = "",
    order: Annotated[Literal["newest", "oldest", "email"], Parameter(help="The order of the list.")] = "newest",
    limit: Annotated[int, Parameter(help="The maximum number of users to show.")] = 100,
    flags: ProjectFlags = PROJECT_FLAGS,
) -> None:
    """Show the users.

    Example: bunbase users list --search eve --limit 20
    """
    out = Output(flags.json)
    if limit < 1:
        raise Usage("--limit must be at least 1.")
    texts = {"email": email, "q": search, "role": role, "phone": phone, "provider": provider}
    texts |= {"created_since": created_since, "order": order if order != "newest" else ""}
    kinds = {"banned": banned, "anonymous": anonymous}
    asked = {name: text for name, text in texts.items() if text}
    asked |= {name: str(kind).lower() for name, kind in kinds.items() if kind is not None}
    with open_session(flags) as session:
        users = ProjectUsers(session, flags.project).some(asked, limit)
    if flags.json:
        out.document(ManagedUsers(tuple(users)))
        return
    rows = [
        (
            user.email or "-",
            user.phone or "-",
            user.id,
            user.role,
            _state(user),
            user.last_sign_in_at or "-",
            user.created_at,
        )
        for user in users
    ]
    out.table(("email", "phone", "id", "role", "state", "last sign-in", "created"), rows)


@app.command
def get(user: Named, /, *, flags: ProjectFlags = PROJECT_FLAGS) -> None:
    """Show one user.

    Example: bunbase users get eve@example.com
    """
    with open_session(flags) as session:
        _show(ProjectUsers(session, flags.project).one(user), Output(flags.json))


@app.command
def create(
    email: Annotated[
        str | None, Parameter(show_default=False, help="The user's email address. Optional with --phone.")
    ] = None,
    /,
    *,
    role: RoleFlag = None,
    verified: Verified = None,
    profile: ProfileFlags = NO_PROFILE,
    password_stdin: FromInput = False,
    flags: ProjectFlags = PROJECT_FLAGS,
) -> None:
    """Create a user. A user without a password signs in with a mail, a text message or a custom token.

    Example: bunbase users create eve@example.com --role editor
    """
    body: dict[str, Any] = _given(role, verified) | profile.given() | ({} if email is None else {"email": email})
    if email is None and not profile.phone:
        raise Usage("Name the email address of the user, or --phone.")
    if password_stdin:
        body["password"] = secret_from_input()
    with open_session(flags) as session:
        made = ProjectUsers(session, flags.project).ask(ManagedUser, "POST", USERS, body)
        _show(made, Output(flags.json))


@app.command
def invite(
    email: Annotated[str, Parameter(help="The address to send the invitation to.")],
    /,
    *,
    role: RoleFlag = None,
    language: Annotated[
        str, Parameter(show_default=False, help="The language of the mail and of the user, such as de.")
    ] = "",
    redirect_to: Annotated[
        str, Parameter(show_default=False, help="The address of the app to which the page behind the link leads back.")
    ] = "",
    inviter: Annotated[str, Parameter(show_default=False, help="The name of the person who invites.")] = "",
    target: Annotated[str, Parameter(show_default=False, help="The thing that the person is invited to.")] = "",
    flags: ProjectFlags = PROJECT_FLAGS,
) -> None:
    """Invite a person by mail, and show the link once. The link creates the user, and works only once, within 7 days.

    Example: bunbase users invite eve@example.com
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        more = {"language": language, "redirect_to": redirect_to, "inviter": inviter, "target": target}
        body = {"email": email, **_given(role, None)} | {name: value for name, value in more.items() if value}
        made = ProjectUsers(session, flags.project).ask(UserInvite, "POST", "/v1/auth/invites", body)
    if flags.json:
        out.document(made)
        return
    out.facts((("email", made.email), ("role", made.role), ("id", made.id), ("expires", made.expires_at)))
    out.line(made.url)
    out.hint("The link will not be shown again. Whoever has the link can accept the invitation.")


@app.command
def update(
    user: Named,
    /,
    *,
    email: Annotated[str | None, Parameter(show_default=False, help="The new email address.")] = None,
    role: RoleFlag = None,
    verified: Verified = None,
    password: Annotated[bool, Parameter(negative="", show_default=False, help="Ask for a new password.")] = False,
    profile: ProfileFlags = NO_PROFILE,
    password_stdin: FromInput = False,
    flags: ProjectFlags = PROJECT_FLAGS,
) -> None:
    """Change a user. A new password signs the user out everywhere.

    Example: bunbase users update eve@example.com --role editor
    """
    changes = _given(role, verified) | profile.given() | ({} if email is None else {"email": email})
    if password_stdin:
        changes["password"] = secret_from_input()
    elif password:
        changes["password"] = ask_secret("New password", "To set a password without a terminal: --password-stdin")
    if not changes:
        raise Usage(
            "Name what to change: --email, --phone, --name, --role, --verified, --claims, --data or --password."
        )
    with open_session(flags) as session:
        users = ProjectUsers(session, flags.project)
        _show(users.ask(ManagedUser, "PATCH", users.path(user), changes), Output(flags.json))


@app.command
def ban(
    user: MaybeNamed = None,
    /,
    *,
    ids_from: IdsFrom = "",
    yes: Yes = False,
    until: Annotated[str, Parameter(show_default=False, help="End of the ban: a time, such as 2027-01-31.")] = "",
    lasting: Annotated[
        str, Parameter(name="--for", show_default=False, help="How long the ban lasts: 30m, 12h, 7d.")
    ] = "",
    flags: ProjectFlags = PROJECT_FLAGS,
) -> None:
    """Ban a user. The user is signed out everywhere within a second, and cannot sign in until the ban ends.

    Without --until and --for, the ban has no end.

    Example: bunbase users ban eve@example.com --for 7d
    """
    user = named_once(user, ids_from)
    if user is None:
        if until or lasting:
            raise Usage("A ban of many users has no end: leave out --until and --for.")
        act_on_many(BulkAction.BAN, ids_from, yes, flags)
        return
    _change_ban(user, {"banned": True, "banned_until": _end_of_ban(until, lasting)}, flags)


@app.command
def unban(
    user: MaybeNamed = None, /, *, ids_from: IdsFrom = "", yes: Yes = False, flags: ProjectFlags = PROJECT_FLAGS
) -> None:
    """End the ban of a user.

    Example: bunbase users unban eve@example.com
    """
    user = named_once(user, ids_from)
    if user is None:
        act_on_many(BulkAction.UNBAN, ids_from, yes, flags)
        return
    _change_ban(user, {"banned": False}, flags)


@app.command
def sign_out(
    user: MaybeNamed = None, /, *, ids_from: IdsFrom = "", yes: Yes = False, flags: ProjectFlags = PROJECT_FLAGS
) -> None:
    """End all sessions of a user. The user can sign in again afterwards.

    Example: bunbase users sign-out eve@example.com
    """
    user = named_once(user, ids_from)
    if user is None:
        act_on_many(BulkAction.SIGN_OUT, ids_from, yes, flags)
        return
    out = Output(flags.json)
    with open_session(flags) as session:
        users = ProjectUsers(session, flags.project)
        path = users.path(user)
        users.ask(type(None), "DELETE", f"{path}/sessions")
    if flags.json:
        out.document({"id": path.rpartition("/")[2], "signed_out": True})
    out.done("All sessions of the user have ended.")


@app.command
def delete(
    user: MaybeNamed = None, /, *, ids_from: IdsFrom = "", yes: Yes = False, flags: ProjectFlags = PROJECT_FLAGS
) -> None:
    """Delete a user permanently, with all sessions, and with the documents that the setting `deletion` names.

    Example: bunbase users delete eve@example.com
    """
    user = named_once(user, ids_from)
    if user is None:
        act_on_many(BulkAction.DELETE, ids_from, yes, flags)
        return
    out = Output(flags.json)
    with open_session(flags) as session:
        users = ProjectUsers(session, flags.project)
        found = users.one(user)
        out.say(f"This deletes {found.email or found.phone or found.id} ({found.id}) for good.")
        confirm(yes)
        users.ask(type(None), "DELETE", users.path(found.id))
    if flags.json:
        out.document({"id": found.id, "deleted": True})
    out.done("The user is deleted.")


def _end_of_ban(until: str, lasting: str) -> str | None:
    """Return the end of a ban, or None for a permanent ban. Raises: Usage."""
    if until and lasting:
        raise Usage("Choose one: --until or --for.")
    now = datetime.now(UTC)
    if not lasting:
        if duration_of(until):
            raise Usage(f"--until needs a time. For a ban of {until}: --for {until}")
        return time_of(until, now) or None
    duration = duration_of(lasting)
    if not duration:
        raise Usage(f"{lasting!r} is not a duration: write 30m, 12h or 7d.")
    try:
        return rfc3339(now + duration)
    except OverflowError:
        raise Usage("A ban can last at most 100 years.") from None


def _change_ban(user: str, changes: dict[str, Any], flags: ProjectFlags) -> None:
    with open_session(flags) as session:
        users = ProjectUsers(session, flags.project)
        _show(users.ask(ManagedUser, "PATCH", users.path(user), changes), Output(flags.json))


def _given(role: str | None, verified: bool | None) -> dict[str, Any]:
    named = {"role": role, "email_verified": verified}
    return {name: value for name, value in named.items() if value is not None}


def _state(user: ManagedUser) -> str:
    if user.banned:
        return f"banned until {rfc3339(user.banned_until)}" if user.banned_until else "banned"
    return "verified" if user.email_verified or user.phone_verified else "not verified"


def _show(user: ManagedUser, out: Output) -> None:
    if out.json:
        out.document(user)
        return
    facts = [("email", user.email or "-"), ("phone", user.phone or "-"), ("name", user.name or "-"), ("id", user.id)]
    facts += [("role", user.role), ("state", _state(user))]
    more = [("password", "yes" if user.has_password else "no"), ("claims", user.claims), ("data", user.data)]
    times = [("last sign-in", user.last_sign_in_at or "-"), ("created", user.created_at)]
    out.facts([*facts, *more, *times])
