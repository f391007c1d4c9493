"""Talk to one server as one account: send requests with the account's token, and renew the token in time."""

from __future__ import annotations

import dataclasses
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import httpx
import msgspec

from bunbase.cli.address import VARIABLE as URL
from bunbase.cli.address import server_of_link
from bunbase.cli.credentials import CredentialsFile, KnownServer
from bunbase.cli.errors import Failure, NotSignedIn, Refused, Usage, said
from bunbase.cli.flags import ServerFlags
from bunbase.cli.http import Call, Http, decode, problem_in
from bunbase.cli.prompts import is_attended
from bunbase.cli.proofs import REQUIRED, prove, unattended
from bunbase.cli.tables import visible
from bunbase.cli.targets import TARGET, Target, where
from bunbase.contracts.bunauth.accounts import SignedIn

T = TypeVar("T")
S = TypeVar("S", bound=msgspec.Struct)

TOKEN: Final = "BUNBASE_TOKEN"
# the command renews a token this long before the token expires, so that the server does not refuse a request
EARLY_SECONDS: Final = 30
PAGE_LIMIT: Final = 500
NOT_FOUND: Final = 404
INVALID_TOKEN: Final = "invalid_token"
KEYS: Final = ("sk_", "pk_")  # the prefixes of keys of projects


PROJECT_FLAG: Final = "--project"
READING_METHODS: Final = frozenset({"GET", "HEAD"})
# requests to these paths only read, although their method is POST
READING_PATHS: Final = ("/query", "/aggregate", "/misfits", "/rules/test")


class Setup(msgspec.Struct, frozen=True):
    """The part of `GET /api/instance` that this module reads. `setup_complete`: true if at least one account exists.

    `confirms_signups`: a new user chooses the password on a page that a mail links to. `signups`: who may register.
    """

    setup_complete: bool
    mode: str = ""
    signups: str = ""
    confirms_signups: bool = False


class NamedProject(msgspec.Struct, frozen=True):
    """The project that a command uses, by id or slug. `origin`: the flag, variable or file that named it."""

    name: str
    origin: str


class Session:
    """One server and one account. `token`: if set, the session uses this token instead of the stored tokens.
    This token is never renewed.

    `ca_file`: certificate authorities to trust in addition to the usual ones. `attended`: a person is at the terminal,
    and the session may ask this person for a proof.
    """

    def __init__(
        self, url: str, file: CredentialsFile, token: str = "", ca_file: str = "", attended: bool = False
    ) -> None:
        self.url = url
        self.file = file
        self.token = token
        self.token_from = TOKEN  # the name of the variable or flag that contains the token
        self.http = Http(url, ca_file)
        self.attended = attended
        self.project: NamedProject | None = None  # None until the command has chosen its project
        # false if the session must print the project at the first change, because the command itself does not print it
        self.place_shown = True
        self.target = Target()
        self.named_by = ""  # the flag, variable or file that named the server

    def ask(self, kind: type[T], call: Call) -> T:
        """Send a request as the signed-in developer; return its body. Raises: NotSignedIn, Refused, Unreachable."""
        return decode(self.send(call), kind)

    def ask_all(self, kind: type[S], call: Call) -> S:
        """Return all items of a list as one page."""
        items: list[Any] = []
        params = {**call.params, "limit": PAGE_LIMIT}
        while True:
            page: Any = self.ask(kind, dataclasses.replace(call, params=params))
            items += page.items
            if page.next is None:
                return kind(items=tuple(items), next=None)
            params["cursor"] = page.next

    def send(self, call: Call, stream: bool = False) -> httpx.Response:
        """Send a request as the signed-in developer, and return the answer, whose status is never 401.

        If the server refuses a stored token, the token is renewed once. If the server asks for a fresh proof, the
        command asks the person at the terminal and sends the request once more. Raises: NotSignedIn, Refused,
        Unreachable.
        """
        reply = self._send(call, stream)
        if reply.status_code == 401:
            self._prove(reply)
            reply = self._send(call, stream)
        if reply.status_code == 401:
            raise self._turned_away(reply)
        if reply.is_success and call.method not in READING_METHODS and not call.path.endswith(READING_PATHS):
            self._name_changed_project()
        return reply

    def check_signed_in(self) -> None:
        """Raise NotSignedIn unless a token is set or stored."""
        if not self.token and not self.known().access_token:
            raise self._not_signed_in()

    def known(self) -> KnownServer:
        """Return everything that is stored for this server."""
        return self.file.read().server(self.url)

    def asked(self) -> dict[str, str]:
        """Return the server and the project of this command, for the message about something that does not exist."""
        if self.project is None:
            return {"server": self.url}
        return {"server": self.url, "project": self.project.name, "project_from": self.project.origin}

    @contextmanager
    def changing(self) -> Iterator[KnownServer]:
        """Yield everything that is stored for this server. Write the block's changes to the file."""
        with self.file.changing() as credentials:
            yield credentials.server(self.url)

    def _send(self, call: Call, stream: bool = False) -> httpx.Response:
        token = self._current_token()
        reply = self.http.send(call, token, stream)
        if reply.status_code == 401 and not self.token and self.known().refresh_token and not _asks_for_proof(reply):
            reply.close()
            return self.http.send(call, self._renew(token), stream)
        return reply

    def _prove(self, reply: httpx.Response) -> None:
        """Send the proof that the server asks for. Raises: NotSignedIn if a new sign-in is needed; Refused."""
        if not _asks_for_proof(reply):
            raise self._turned_away(reply)
        problem = problem_in(reply) or {}
        reply.close()
        if not self.attended:
            raise unattended(problem, self.known().email)
        prove(problem, self._send)

    def _current_token(self) -> str:
        if self.token:
            self.check_named()
            return self.token
        known = self.known()
        if not known.access_token:
            raise self._not_signed_in()
        if known.refresh_token and known.expires_at < time.time() + EARLY_SECONDS:
            return self._renew(known.access_token)
        return known.access_token

    def check_named(self) -> None:
        """Raises: Usage if a global variable names a target whose server is defined only in this folder.

        A password or a token in the environment belongs to no particular server. Without this check, a foreign folder
        could make the command send it to a foreign server.
        """
        if self.target.chosen_by == TARGET and self.named_by and self.named_by == self.target.server.origin:
            raise Usage(
                f"No password and no {TOKEN} is sent to {self.url}, which only {self.named_by} names. Name the target "
                f"on the command line, --target {self.target.name}, or the server in {URL}.",
                "target_not_named",
            )

    def _renew(self, stale: str) -> str:
        """Trade the refresh token for a new access token, and return the new one.

        A refresh token works only once. If another command has used it meanwhile, return the token that the other
        command stored.
        """
        with self.changing() as known:
            if known.access_token != stale:
                return known.access_token
            call = Call("POST", "/api/auth/refresh", json={"refresh_token": known.refresh_token})
            reply = self.http.send(call)
            if reply.status_code == 401:
                known.sign_out()
            else:
                keep_sign_in(known, decode(reply, SignedIn))
        if reply.status_code == 401:
            raise self._turned_away(reply)
        return known.access_token

    def _not_signed_in(self) -> NotSignedIn:
        return NotSignedIn(f"You are not signed in to {self.url}. Run: {self._way_in()}")

    def _way_in(self) -> str:
        """Return the command that signs in: `register` if the server has no account yet, else `login`."""
        try:
            has_accounts = decode(self.http.send(Call("GET", "/api/instance")), Setup).setup_complete
        except Failure:
            has_accounts = True
        profile = f" --profile {self.file.profile}" if self.file.profile else ""
        return f"bunbase {'login' if has_accounts else 'register'} --url {self.url}{profile}"

    def _wrong_token(self) -> str:
        if self.token.startswith(KEYS):
            return (
                f"The token from {self.token_from} is a key of a project ({self.token[:3]}…). Commands need a personal "
                "access token (bpt_…): bunbase tokens create"
            )
        return f"The token from {self.token_from} is not valid at {self.url}: it may be mistyped, deleted or expired."

    def _name_changed_project(self) -> None:
        """After the first change, print the project unless a flag has chosen it: it may be the wrong project."""
        if self.project is None or self.project.origin == PROJECT_FLAG or self.place_shown:
            return
        self.place_shown = True
        sys.stderr.write(f"in the project {visible(self.project.name)}, from {visible(self.project.origin)}\n")

    def _turned_away(self, reply: httpx.Response) -> NotSignedIn:
        problem = problem_in(reply) or {}
        reply.close()
        request_id = str(problem.get("request_id", ""))
        if problem.get("code") == INVALID_TOKEN:
            if self.token:
                return NotSignedIn(self._wrong_token(), request_id)
            return NotSignedIn(f"Your session has ended at {self.url}. Sign in again: {self._way_in()}", request_id)
        advice = f"use another token than that from {self.token_from}" if self.token else f"run: {self._way_in()}"
        reason = said(problem).rstrip(".") or "it does not accept this token"
        return NotSignedIn(f"{self.url} asks you to sign in ({reason}); {advice}", request_id)


@contextmanager
def open_session(flags: ServerFlags, link: str = "") -> Iterator[Session]:
    """Yield a session for the flags, the environment and the credentials file.

    `link`: the link in a mail. The link names the server of the session, unless a flag or the environment names one. If
    only a link names the server, the session sends no token of the environment there, because anybody can send a link.
    """
    token = os.environ.get(TOKEN, "").strip()  # a secret from a CI service or a file often ends with a newline
    chosen = where(flags, "" if token else server_of_link(link))
    session = Session(chosen.server.value, chosen.file, token, flags.ca_file, attended=not flags.json and is_attended())
    session.target, session.named_by, session.place_shown = chosen.target, chosen.server.origin, flags.json
    try:
        yield session
    except Refused as refused:
        if refused.problem.get("status") == NOT_FOUND:
            refused.asked = session.asked()
        raise
    finally:
        session.http.close()


def keep_sign_in(known: KnownServer, signed_in: SignedIn) -> None:
    expires_at = time.time() + signed_in.expires_in
    known.sign_in(signed_in.user.email, signed_in.access_token, signed_in.refresh_token, expires_at)


def _asks_for_proof(reply: httpx.Response) -> bool:
    return (problem_in(reply) or {}).get("code") == REQUIRED
