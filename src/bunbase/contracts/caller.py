"""The caller of a request: the gateway makes a Caller from key and token once, and rooms trust only the Caller."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from bunbase.pkg.errors import Forbidden, Unauthenticated


class CallerKind(StrEnum):
    ANONYMOUS = "anonymous"  # nothing was sent; sign-in routes and public functions
    DEVELOPER = "developer"  # an account of the platform
    PUBLISHABLE = "publishable"  # a project's key that may be shown to the world: rules apply
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
    """A platform account; `session` is empty when a personal access token was used."""

    id: str
    email: str
    admin: bool
    session: str = ""
    scopes: tuple[str, ...] = ()


class EndUser(msgspec.Struct, frozen=True):
    """A signed-in user of one project, as its access token says; `uid` is `auth.uid` in rules."""

    uid: str
    email: str | None
    role: str
    claims: dict[str, Any]
    session: str


class Caller(msgspec.Struct, frozen=True):
    """`explain`: they asked why rules deny, and may know. `depth`: how many triggered runs of functions in a row led to
    this call.
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

    def signed_in(self) -> Developer:
        """Return the developer. Raises: Unauthenticated when there is none."""
        if self.developer is None:
            raise Unauthenticated("Send a developer's access token: Authorization: Bearer <token>.")
        return self.developer

    def end_user(self) -> EndUser:
        """Return the project's signed-in user. Raises: Unauthenticated when there is none."""
        if self.user is None:
            raise Unauthenticated("Send the signed-in user's access token: Authorization: Bearer <token>.")
        return self.user

    def need_secrets(self) -> None:
        """Let a session pass, and of personal tokens those that may read secret values.

        Raises: Unauthenticated, Forbidden.
        """
        developer = self.signed_in()
        if not developer.session and SECRETS not in developer.scopes:
            raise Forbidden("This token may not read secret values: sign in, or make one with the scope secrets.")

    def need(self, role: Role) -> None:
        """Let only members with `role` or a stronger one pass. Raises: Forbidden."""
        if self.role is None or RANK[self.role] < RANK[role]:
            raise Forbidden(f"This needs the role {role.value} in the project; ask an owner for it.")
