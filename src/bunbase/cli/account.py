"""`bunbase login`, `logout` and `whoami`: the account that commands use. `registration.py` has `register`."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Final

import msgspec
from cyclopts import Parameter

from bunbase.cli.address import is_loopback
from bunbase.cli.attempts import MOST, until_right
from bunbase.cli.browser_login import check_provider, sign_in_by_provider
from bunbase.cli.chosen import chosen_project
from bunbase.cli.chosen_by import show_choices
from bunbase.cli.credentials import KnownServer
from bunbase.cli.device_login import sign_in_by_browser
from bunbase.cli.errors import Failure, NotSignedIn, Refused, Usage
from bunbase.cli.flags import PROJECT_FLAGS, SERVER_FLAGS, ProjectFlags, ServerFlags
from bunbase.cli.http import Call, decode
from bunbase.cli.output import Output
from bunbase.cli.prompts import ask, ask_secret, is_attended, secret_from_input
from bunbase.cli.session import TOKEN, Session, keep_sign_in, open_session
from bunbase.contracts.bunauth.accounts import Account, SignedIn
from bunbase.contracts.bunauth.factors import TotpState
from bunbase.contracts.bunauth.tokens import UsedToken
from bunbase.contracts.platform import AcceptedInvite

PASSWORD: Final = "BUNBASE_PASSWORD"
SECOND_FACTOR: Final = "second_factor_required"
WRONG_CODE: Final = "wrong_code"
PERSONAL: Final = "bpt_"
UNAUTHENTICATED: Final = 401
END: Final = Call("POST", "/api/auth/logout")
NO_EMAIL: Final = (
    f"Nobody can be asked here. For a script, set {TOKEN} to a personal access token, or pass it with --token-stdin. "
    "For a sign-in with a password: --email ada@example.com --password-stdin"
)
APP_CODE: Final = re.compile(r"\d{6}")


Where = Annotated[
    bool,
    Parameter(
        negative="",
        show_default=False,
        help="Show the source of each choice: a flag, the environment, bunbase.toml or the last sign-in.",
    ),
]


class Me(msgspec.Struct, frozen=True):
    """The signed-in account, the server's address, and the slug of the project chosen with `bunbase projects use`."""

    user: Account
    url: str = ""
    project: str | None = None
    token: UsedToken | None = None


@Parameter(name="*")
@dataclass(frozen=True)
class PasswordFlags:
    email: Annotated[
        str, Parameter(show_default=False, help="Your email address. Default: the command asks for it.")
    ] = ""
    password_stdin: Annotated[
        bool,
        Parameter(
            negative="",
            show_default=False,
            help=f"Read the password from stdin. Default: {PASSWORD}, else the command asks for it.",
        ),
    ] = False


NO_PASSWORD_FLAGS: Final = PasswordFlags()


def login(
    *,
    credentials: PasswordFlags = NO_PASSWORD_FLAGS,
    token: Annotated[
        str, Parameter(show_default=False, help="Sign in with a token, such as bpt_…, instead of a password.")
    ] = "",
    token_stdin: Annotated[
        bool,
        Parameter(
            negative="", show_default=False, help="Read the token from stdin, so that it is not in the shell's history."
        ),
    ] = False,
    device: Annotated[
        bool,
        Parameter(
            negative="",
            show_default=False,
            help="Sign in on a page in the browser. Default at a terminal without email, password and code.",
        ),
    ] = False,
    code: Annotated[
        str,
        Parameter(
            show_default=False,
            help="A code of your authenticator app, or a recovery code. Default: the command asks for it if needed.",
        ),
    ] = "",
    provider: Annotated[
        str,
        Parameter(show_default=False, help="Sign in by this service, such as google or github, in a browser."),
    ] = "",
    flags: ServerFlags = SERVER_FLAGS,
) -> None:
    """Sign in, and stay signed in on this machine.

    Example: bunbase login --url https://api.example.com
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        session.check_named()
        if token or token_stdin:
            session.token_from = "--token" if token else "stdin"
            _accept_token(session, _token(token, token_stdin, out), out)
        elif provider:
            check_provider(session.http, provider)
            _sign_in(session, sign_in_by_provider(session.url, provider, out), code, out)
        elif device or not (code or _by_password(credentials)):
            keep(session, sign_in_by_browser(session, out), out)
        else:
            warn_of_plain_http(session.url, out)
            email, password = email_of(credentials, NO_EMAIL), password_of(credentials, again=False)
            call = Call("POST", "/api/auth/login", json={"email": email, "password": password})
            _sign_in(session, call, code, out)


def logout(*, flags: ServerFlags = SERVER_FLAGS) -> None:
    """Sign out, and delete everything that this machine stores for the server, including project keys.

    Example: bunbase logout
    """
    out = Output(flags.json)
    with open_session(flags) as session:
        session.token = ""  # the sign-out must use the stored token, not the token from the environment
        if session.known().access_token:
            _end(session, out)
        with session.file.changing() as credentials:
            credentials.forget(session.url)
    if flags.json:
        out.document({"url": session.url, "signed_in": False})
    of_profile = f" with the profile {session.file.profile}" if session.file.profile else ""
    out.done(f"Signed out of {session.url}{of_profile}.")


def whoami(*, where: Where = False, flags: ProjectFlags = PROJECT_FLAGS) -> None:
    """Show the account, the server and the project that commands use.

    Example: bunbase whoami --where
    """
    out = Output(flags.json)
    if where:
        show_choices(flags, out)
        return
    with open_session(flags) as session:
        me = session.ask(Me, Call("GET", "/api/auth/me"))
        chosen_project(flags.project, session)
        _show(Me(me.user, session.url, session.project.name if session.project else None, me.token), out)


def _sign_in(session: Session, call: Call, code: str, out: Output) -> None:
    """Send a request that signs in, and then a code if the account has a second factor."""
    try:
        _enter(session, call, out)
    except Refused as refused:
        if refused.code != SECOND_FACTOR:
            raise
        _enter_with_code(session, str(refused.problem["challenge"]), code, out)


def _enter(session: Session, call: Call, out: Output) -> None:
    with out.busy("signing in"):
        signed_in = decode(session.http.send(call), SignedIn)
    keep(session, signed_in, out)


def keep(session: Session, signed_in: SignedIn, out: Output, joined: AcceptedInvite | None = None) -> None:
    """Store a sign-in. If an earlier session of the same account is stored, end it."""
    with session.file.changing() as credentials:
        credentials.current = session.url
        known = credentials.server(session.url)
        earlier = msgspec.structs.replace(known)
        keep_sign_in(known, signed_in)
    if earlier.refresh_token and earlier.email == signed_in.user.email:
        _end_earlier(session, earlier)
    welcome(session, signed_in.user, out, joined)


def _end_earlier(session: Session, earlier: KnownServer) -> None:
    """End the earlier session of the account that has signed in again: this machine no longer stores its tokens.

    The sign-in has succeeded, so a failure here does not make the command fail. The earlier session then expires by
    itself.
    """
    with suppress(Failure):
        ended = session.http.send(END, earlier.access_token)
        if ended.status_code == UNAUTHENTICATED:  # if the access token has expired, the session may still be open
            call = Call("POST", "/api/auth/refresh", json={"refresh_token": earlier.refresh_token})
            session.http.send(END, decode(session.http.send(call), SignedIn).access_token)


def _enter_with_code(session: Session, challenge: str, code: str, out: Output) -> None:
    """Complete a sign-in with a code.

    A person may correct a wrong code. A code of the command line is sent only once.
    """

    def attempt() -> None:
        typed = code or _asked_code(out)
        answer = {"challenge": challenge, "code": typed}
        _enter(session, Call("POST", "/api/auth/login/second-factor", json=answer), out)
        if not APP_CODE.fullmatch(typed.replace(" ", "")):
            _tell_of_codes_left(session, out)

    until_right(attempt, WRONG_CODE, out, most=1 if code else MOST)


def _tell_of_codes_left(session: Session, out: Output) -> None:
    """Print how many recovery codes are left. If this fails, the sign-in still succeeds."""
    try:
        left = session.ask(TotpState, Call("GET", "/api/auth/totp")).recovery_codes_left
    except Failure:
        return
    out.warn(
        f"You have used a recovery code; {left} are left. If you have lost your phone, set up another one: "
        "bunbase account second-factor on. For new codes: bunbase account second-factor recovery-codes"
    )


def _asked_code(out: Output) -> str:
    missing = "This account needs a second factor. Pass a code of your authenticator app, or a recovery code: --code"
    if out.json:
        raise Usage(missing, SECOND_FACTOR)
    try:
        return ask("Code of your authenticator app, or a recovery code", missing)
    except Usage as usage:
        raise Usage(usage.detail, SECOND_FACTOR) from None


def _token(token: str, from_stdin: bool, out: Output) -> str:
    """Return the token of the command line or of stdin. Raises: Usage."""
    if token and from_stdin:
        raise Usage("Pass --token or --token-stdin, and not both.")
    if token:
        out.hint("A token in the command line stays in the history of the shell. --token-stdin reads it from stdin.")
        return token
    token = secret_from_input().strip()
    if not token:
        raise Usage("stdin has no token.")
    return token


def _accept_token(session: Session, token: str, out: Output) -> None:
    session.token = token
    me = session.ask(Me, Call("GET", "/api/auth/me"))
    with session.file.changing() as credentials:
        credentials.current = session.url
        credentials.server(session.url).sign_in(me.user.email, token)
    welcome(session, me.user, out, token=me.token)


def welcome(
    session: Session,
    user: Account,
    out: Output,
    joined: AcceptedInvite | None = None,
    token: UsedToken | None = None,
) -> None:
    """Print the account that is signed in. `joined`: the project or organisation that a new account has joined."""
    if out.json:
        out.document({"user": user, "url": session.url} | ({"joined": joined} if joined else {}))
    out.done(f"Signed in to {session.url} as {user.email}{_rank(user, token)}.")
    if os.environ.get(TOKEN, ""):
        out.warn(f"{TOKEN} is set: commands use that token instead of this sign-in.")


def _end(session: Session, out: Output) -> None:
    """End the session on the server. A personal token is not a session: it stays valid until its owner deletes it."""
    if session.known().access_token.startswith(PERSONAL):
        return
    try:
        decode(session.send(END), type(None))
    except NotSignedIn:
        return
    except Failure as failure:
        out.warn(f"The session may stay valid at the server until it expires: {failure.detail}")


def _show(me: Me, out: Output) -> None:
    if out.json:
        out.document(me)
        return
    account = me.user.email + _rank(me.user, me.token)
    out.facts([("account", account), ("id", me.user.id), ("server", me.url), ("project", me.project)])


def _rank(user: Account, token: UsedToken | None) -> str:
    """Return the rights of the sign-in, in words. A personal token may have fewer rights than its account."""
    if token is None:
        return " (administrator)" if user.role == "admin" else ""
    places = f" in {', '.join(token.projects)}" if token.projects else ""
    return f" (by a token with the scopes {', '.join(token.scopes)}{places})"


def _by_password(given: PasswordFlags) -> bool:
    """False if a person at a terminal has given neither an email address nor a password."""
    return bool(given.email or given.password_stdin or os.environ.get(PASSWORD, "")) or not is_attended()


def email_of(given: PasswordFlags, otherwise: str = "") -> str:
    """Return the address, or ask for it. Raises: Usage with the text `otherwise` if nobody can be asked."""
    otherwise = otherwise or "No email address was given. Pass one: --email ada@example.com"
    return given.email or ask("Email", otherwise)


def password_of(given: PasswordFlags, again: bool) -> str:
    if given.password_stdin:
        return secret_from_input()
    if password := os.environ.get(PASSWORD, ""):
        return password
    password = ask_secret("Password", f"No password was given. Pass it with --password-stdin, or set {PASSWORD}.")
    if again and ask_secret("Password again", "") != password:
        raise Usage("The two passwords are not the same.")
    return password


def warn_of_plain_http(url: str, out: Output) -> None:
    if url.startswith("http://") and not is_loopback(url):
        out.warn(f"{url} is not encrypted: anyone on the network path can read your password.")
