"""Act as an end user of a project for one call: a custom token opens a session, which ends after the call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final, TypeVar

from bunbase.cli.chosen import needed_project
from bunbase.cli.errors import Failure, Unreachable
from bunbase.cli.http import Call, decode
from bunbase.cli.session import Session
from bunbase.contracts.tenant_auth.sessions import CustomToken, UserSignedIn
from bunbase.contracts.tenant_auth.users import ManagedUsers

SECRET_KEY: Final = "sk_"

T = TypeVar("T")


@contextmanager
def signed_in_as(user: str, key: str, project: str, session: Session) -> Iterator[str]:
    """Yield an access token of the user with this id or email address; end its session after the block.

    A secret key makes the custom token. With a publishable key, the signed-in developer makes the token; `project` is
    the flag that names the project. Raises: Failure, and every error of a call.
    """
    administration = _Administration(key, project, session)
    uid = administration.id_of(user) if "@" in user else user
    custom = administration.ask(CustomToken, Call("POST", "/v1/auth/custom-token", json={"uid": uid}))
    with_key = {"x-bunbase-key": key}
    login = Call("POST", "/v1/auth/login/custom-token", headers=with_key, json={"token": custom.token})
    signed_in = decode(session.http.send(login), UserSignedIn)
    try:
        yield signed_in.access_token
    finally:
        # an error of the sign-out is harmless: the call is finished, and the session ends when its tokens expire
        with suppress(Unreachable):
            session.http.send(Call("POST", "/v1/auth/logout", headers=with_key), signed_in.access_token)


class _Administration:
    """The administrators' routes, called with the secret key or as the signed-in developer."""

    def __init__(self, key: str, project: str, session: Session) -> None:
        self.session = session
        self.has_secret_key = key.startswith(SECRET_KEY)
        if self.has_secret_key:
            self.headers = {"x-bunbase-key": key}
        else:
            self.headers = {"x-bunbase-project": needed_project(project, session)}

    def ask(self, kind: type[T], call: Call) -> T:
        call = Call(call.method, call.path, call.params, self.headers, call.json)
        return decode(self.session.http.send(call) if self.has_secret_key else self.session.send(call), kind)

    def id_of(self, email: str) -> str:
        found = self.ask(ManagedUsers, Call("GET", "/v1/auth/users", params={"email": email})).items
        if not found:
            raise Failure("user_not_found", f"The project has no user {email} at {self.session.url}.")
        return found[0].id
