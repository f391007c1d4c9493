"""`bunbase account`: the second factor, password, address, profile and activity of your account, and its deletion."""

from __future__ import annotations

from typing import Annotated, Any, Final

from cyclopts import App, Parameter

from bunbase.cli.account import Me
from bunbase.cli.account_activity import activity
from bunbase.cli.attempts import until_right
from bunbase.cli.authorizations import app as authorizations
from bunbase.cli.errors import Usage
from bunbase.cli.flags import SERVER_FLAGS, ServerFlags
from bunbase.cli.http import Call
from bunbase.cli.output import Output
from bunbase.cli.passkeys import app as passkeys
from bunbase.cli.prompts import Yes, ask, ask_secret, confirmed, is_attended, secret_from_input
from bunbase.cli.session import Session, Setup, open_session
from bunbase.contracts.bunauth.accounts import Account
from bunbase.contracts.bunauth.factors import NewTotp, RecoveryCodes, TotpState
from bunbase.pkg.qr import qr_lines

ME: Final = "/api/auth/me"
TOTP: Final = "/api/auth/totp"
CODES: Final = "/api/auth/recovery-codes"
WRONG_CODE: Final = "wrong_code"
DEV: Final = "dev"

UNVERIFIED: Final = (
    "Your address is not confirmed yet. Until it is, a reset of the password also turns the second factor off. "
    "Use the link of the mail that you got, or ask for a new one on the page /account/send-verification of the server."
)


app = App(
    name="account",
    help="Change your account: its second factor, password, address and name; show who used it; or delete it.",
)
second_factor = App(name="second-factor", help="Turn the second factor of your account on or off.")
app.command(second_factor)
app.command(activity)
app.command(authorizations)
app.command(passkeys)


@second_factor.command
def status(*, flags: ServerFlags = SERVER_FLAGS) -> None:
    """Show whether a sign-in needs a code, and how many recovery codes are left.

    Example: bunbase account second-factor status
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        found = session.ask(TotpState, Call("GET", TOTP))
    if flags.json:
        out.document(found)
        return
    state = "on" if found.enabled else "off"
    out.facts((("second factor", state), ("since", found.confirmed_at), ("recovery codes", found.recovery_codes_left)))


@second_factor.command
def on(*, flags: ServerFlags = SERVER_FLAGS) -> None:
    """Set up an authenticator app on your phone, or change to another phone.

    The command shows a secret for the app, and asks for the first code of the app. Then the command shows recovery
    codes. Without a terminal, send the code with `bunbase account second-factor confirm`.

    Example: bunbase account second-factor on
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        new = session.ask(NewTotp, Call("POST", TOTP))
        if flags.json:
            out.document(new)
            return
        if not session.ask(Me, Call("GET", ME)).user.email_verified:
            out.hint(UNVERIFIED + _dev_mailbox(session))
        out.line("Add this secret to your authenticator app: scan the code, or type the secret, or open the link.")
        out.drawing(qr_lines(new.uri))
        out.facts((("secret", new.secret), ("link", new.uri)))
        if not is_attended():
            out.hint("Then, within 15 minutes: bunbase account second-factor confirm <code>")
            return
        _show_codes(_confirmed(session, out), out, "A sign-in needs a code of the app from now on.")


@second_factor.command
def confirm(
    code: Annotated[str, Parameter(help="The code that the app shows now.")], /, *, flags: ServerFlags = SERVER_FLAGS
) -> None:
    """Turn the second factor on with the first code of the app, and show recovery codes.

    Example: bunbase account second-factor confirm 123456
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        codes = session.ask(RecoveryCodes, _confirmation(code))
        _show_codes(codes, out, "A sign-in needs a code of the app from now on.")


@second_factor.command
def recovery_codes(*, flags: ServerFlags = SERVER_FLAGS) -> None:
    """Make new recovery codes, and show them once. All earlier codes stop working.

    Example: bunbase account second-factor recovery-codes
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        _show_codes(session.ask(RecoveryCodes, Call("POST", CODES)), out, "All earlier codes have ended.")


@second_factor.command
def off(*, flags: ServerFlags = SERVER_FLAGS) -> None:
    """Turn the second factor off, and delete the recovery codes. Afterwards you sign in with your password alone.

    Example: bunbase account second-factor off
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        session.ask(type(None), Call("DELETE", TOTP))
    if flags.json:
        out.document({"enabled": False})
    out.done("The second factor is off.")


@app.command
def password(
    *,
    password_stdin: Annotated[
        bool,
        Parameter(negative="", show_default=False, help="Read the new password from stdin. Default: the command asks."),
    ] = False,
    flags: ServerFlags = SERVER_FLAGS,
) -> None:
    """Set a new password. All other sessions end.

    If you forgot the password, open the page /account/forgot-password of the server instead.

    Example: bunbase account password
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        session.check_signed_in()
        new = secret_from_input() if password_stdin else _new_password()
        session.ask(type(None), Call("POST", "/api/auth/password", json={"password": new}))
    if flags.json:
        out.document({"changed": True})
    out.done("The new password is set, and all other sessions have ended.")


@app.command
def email(address: Annotated[str, Parameter(help="The new address.")], /, *, flags: ServerFlags = SERVER_FLAGS) -> None:
    """Change the address of your account. BunBase sends a link to the old and to the new address; open both links to
    confirm.

    Example: bunbase account email ada@new.example.com
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        answer: dict[str, Any] = session.ask(dict[str, Any], Call("POST", "/api/auth/email", json={"email": address}))
    if flags.json:
        out.document(answer)
    out.done(f"Mails are on their way. Open the links of both to change the address to {address}.")


@app.command
def update(
    *,
    name: Annotated[str | None, Parameter(show_default=False, help="Your name.")] = None,
    avatar_url: Annotated[
        str | None, Parameter(show_default=False, help='The https address of your picture; "" removes it.')
    ] = None,
    flags: ServerFlags = SERVER_FLAGS,
) -> None:
    """Change your name or picture, which other members see.

    Example: bunbase account update --name "Ada Lovelace"
    """
    given = {"name": name, "avatar_url": avatar_url}
    changes = {field: value for field, value in given.items() if value is not None}
    if not changes:
        raise Usage("Pass a new value: --name or --avatar-url.")
    out = Output(flags.json)
    with open_session(flags) as session:
        changed = session.ask(Me, Call("PATCH", ME, json=changes)).user
    if flags.json:
        out.document(changed)
    out.done("Your account is changed.")


@app.command
def delete(
    *,
    confirm: Annotated[
        str, Parameter(show_default=False, help="The address of your account, which confirms the deletion.")
    ] = "",
    yes: Yes = False,
    flags: ServerFlags = SERVER_FLAGS,
) -> None:
    """Delete your account with its sessions, tokens and memberships. This cannot be undone.

    You cannot delete an account that is the only owner of projects: transfer or delete them first.

    Example: bunbase account delete
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        found = session.ask(Me, Call("GET", ME)).user
        _check_confirmed(found, confirm, yes, out)
        session.ask(type(None), Call("DELETE", ME))
        with session.file.changing() as credentials:
            credentials.forget(session.url)
    if flags.json:
        out.document({"id": found.id, "deleted": True})
    out.done(f"The account {found.email} is deleted.")


def _confirmed(session: Session, out: Output) -> RecoveryCodes:
    """Ask for the first code of the app. A person may correct a wrong one. Raises: Refused."""

    def attempt() -> RecoveryCodes:
        return session.ask(RecoveryCodes, _confirmation(ask("Code that the app shows now", "")))

    return until_right(attempt, WRONG_CODE, out)


def _confirmation(code: str) -> Call:
    return Call("POST", f"{TOTP}/confirm", json={"code": code})


def _dev_mailbox(session: Session) -> str:
    """Return where to read the mails of a server in dev mode, or "" for a production server."""
    if session.ask(Setup, Call("GET", "/api/instance")).mode != DEV:
        return ""
    return f" In dev mode, a server without a mail server shows its mails at {session.url}/api/dev/mail."


def _show_codes(codes: RecoveryCodes, out: Output, told: str) -> None:
    if out.json:
        out.document(codes)
        return
    out.line("Recovery codes, each for one sign-in without the app:")
    for code in codes.recovery_codes:
        out.line(code)
    out.done(told)
    out.hint("The codes will not be shown again. Store them outside of your phone.")


def _new_password() -> str:
    new = ask_secret("New password", "No password was given. Pass it with --password-stdin.")
    if ask_secret("New password again", "") != new:
        raise Usage("The two passwords are not the same.")
    return new


def _check_confirmed(account: Account, confirm: str, yes: bool, out: Output) -> None:
    """Raises: Usage if the person has not typed the address of the account."""
    if not confirm:
        out.warn(f"This deletes the account {account.email}. This cannot be undone.")
    if confirmed(account.email, confirm, yes) != account.email:
        raise Usage("Nothing was changed.", "not_confirmed")
