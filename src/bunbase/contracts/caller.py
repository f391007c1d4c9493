"""The caller of a request. The gateway makes a Caller from the key and the token; rooms trust only this Caller."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from bunbase.pkg.errors import Forbidden, Unauthenticated


class CallerKind(StrEnum):
    ANONYMOUS = "anonymous"  # no credentials; may use sign-in routes and public functions
    DEVELOPER = "developer"  # an account of the platform
    PUBLISHABLE = "publishable"  # a project's key that may be public: rules apply
    SECRET = "secret"  # a project's key with full access, for servers only


class Role(StrEnum):
    """A developer's role in one project, strongest first."""

    OWNER = "owner"
    ADMIN = "admin"
    DEVELOPER = "developer"
    VIEWER = "viewer"


SECRETS = "secrets"  # the scope of personal tokens that may read secret values
RANK = {role: rank for rank, role in enumerate(reversed(Role))}


class Developer(msgspec.Struct, frozen=True):
    """A platform account; `session` is empty when a personal access token was used. `token`: the id of this token."""

    id: str
    email: str
    admin: bool
    session: str = ""
    scopes: tuple[str, ...] = ()
    token: str = ""


class EndUser(msgspec.Struct, frozen=True):
    """A signed-in user of one project, read from the access token. `uid` is `auth.uid` in rules."""

    uid: str
    email: str | None
    role: str
    claims: dict[str, Any]
    session: str


class Caller(msgspec.Struct, frozen=True):
    """The caller of one request.

    `key`: the id of the project's key that was sent. `explain`: the caller asked why rules deny a request,
    and may know it. `depth`: the number of triggered function runs in a row that led to this call.
    """

    kind: CallerKind
    project: str = ""
    developer: Developer | None = None
    role: Role | None = None
    user: EndUser | None = None
    ip: str = ""
    agent: str = ""
    explain: bool = False
    depth: int = 0
    key: str = ""

    def signed_in(self) -> Developer:
        """Return the developer. Raises: Unauthenticated if the caller is not a developer."""
        if self.developer is None:
            raise Unauthenticated("Send a developer's access token: Authorization: Bearer <token>.")
        return self.developer

    def end_user(self) -> EndUser:
        """Return the project's signed-in user. Raises: Unauthenticated if no user is signed in."""
        if self.user is None:
            raise Unauthenticated("Send the signed-in user's access token: Authorization: Bearer <token>.")
        return self.user

    def need_secrets(self) -> None:
        """Check that the developer has a session, or a personal access token with the scope `secrets`.

        Raises: Unauthenticated, Forbidden.
        """
        developer = self.signed_in()
        if not developer.session and SECRETS not in developer.scopes:
            raise Forbidden("This token may not read secret values: sign in, or create a token with the scope secrets.")

    def need(self, role: Role) -> None:
        """Check that the caller has `role` or a stronger role in the project. Raises: Forbidden."""
        if self.role is None or RANK[self.role] < RANK[role]:
            raise Forbidden(
                f"This needs the role {role.value} in the project; ask an owner of the project for this role."
            )
