"""The caller of a request. The gateway makes a Caller from the key and the token; rooms trust only this Caller."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from bunbase.contracts.acts import OF_ADMINISTRATORS, OF_SESSIONS, Act
from bunbase.contracts.roles import RANK, Role
from bunbase.contracts.scopes import InsufficientScope, allows, in_project, of_collection
from bunbase.contracts.tenant_auth.problems import ImpersonationRefused
from bunbase.pkg.errors import Forbidden, Unauthenticated
from bunbase.pkg.ip_addresses import neighbourhood

__all__ = ["RANK", "Act", "Caller", "CallerKind", "Developer", "EndUser", "Role"]


class CallerKind(StrEnum):
    ANONYMOUS = "anonymous"  # no credentials; may use sign-in routes and public functions
    DEVELOPER = "developer"  # an account of the platform
    PUBLISHABLE = "publishable"  # a project's key that may be public: rules apply
    SECRET = "secret"  # a project's key for servers, with full access or the access of its scopes


class Developer(msgspec.Struct, frozen=True):
    """A platform account; `session` is empty when a personal access token was used.

    `token`: the id of the personal access token. `scopes`: the scopes of the token. `projects`: the projects to which
    the token is bound; empty for all projects.
    """

    id: str
    email: str
    admin: bool
    session: str = ""
    scopes: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()
    token: str = ""


class EndUser(msgspec.Struct, frozen=True):
    """A signed-in user of one project, read from the access token. `uid` is `auth.uid` in rules.

    `verified`: true if the user has confirmed the address. `provider`: the way in which the user signed in
    (`SignInMethod.provider`); empty in tokens of older releases. `anonymous`: true if the user has not signed up yet.
    `aal`: the number of factors that were checked. `act`: the id of the developer or key that uses the token as this
    user; empty if the user uses it.
    """

    uid: str
    email: str | None
    role: str
    claims: dict[str, Any]
    session: str
    verified: bool = False
    provider: str = ""
    anonymous: bool = False
    aal: int = 1
    act: str = ""


class Caller(msgspec.Struct, frozen=True):
    """The caller of one request.

    `key`: the id of the project's key that was sent. `scopes`: the scopes of the secret key; None for a key without
    limits. `explain`: true if the caller wants to know why rules deny a request, and may know it. `depth`: the number
    of triggered function runs in a row that led to this call. `inspects`: true if the caller is an administrator of the
    installation who reads a project without being a member. `rpc`: true if the request is a JSON-RPC request.
    `accept_language`: the first part of this header, only in requests of end users to `/v1/auth`. `act`: the id of the
    developer or key that sends the request as `user`, or as a visitor (X-Bunbase-As). `hook`: if a hook of a function
    makes this call while it runs, the name of the hook. `buckets`: the only buckets that the S3 credential may use;
    empty for all buckets.
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
    scopes: tuple[str, ...] | None = None
    inspects: bool = False
    rpc: bool = False
    accept_language: str = ""
    act: str = ""
    hook: str = ""
    buckets: tuple[str, ...] = ()

    def signed_in(self) -> Developer:
        """Return the developer. Raises: Unauthenticated if the caller is not a developer."""
        if self.developer is None:
            raise Unauthenticated("Send a developer's access token: Authorization: Bearer <token>.")
        return self.developer

    def administrator(self, act: Act) -> Developer:
        """Return the developer, who must be an administrator of the installation. Raises: the problems of `check`."""
        self.check(act)
        return self.signed_in()

    def end_user(self, impersonated: bool = False) -> EndUser:
        """Return the project's signed-in user.

        `impersonated`: true if the act is also allowed for an administrator who uses the app as this user.
        Raises: Unauthenticated if no user is signed in; ImpersonationRefused.
        """
        if self.user is None:
            raise Unauthenticated("Sign a user in first: there is no access token (Authorization: Bearer <token>).")
        if self.user.act and not impersonated:
            raise ImpersonationRefused("This belongs to the user alone. Administrators use the routes /v1/auth/users.")
        return self.user

    @property
    def counted_as(self) -> str:
        """The name under which limits count this caller: the user, the account, the secret key, or the address."""
        if self.user is not None:
            return f"user {self.user.uid}"
        if self.developer is not None:
            return f"account {self.developer.id}"
        return f"key {self.key}" if self.kind is CallerKind.SECRET else f"address {neighbourhood(self.ip)}"

    @property
    def limits(self) -> tuple[str, ...] | None:
        """The scopes that limit this caller in its project; None for a session, and for a key without scopes."""
        developer = self.developer
        if developer is None or developer.session:
            return self.scopes
        return in_project(developer.scopes, developer.projects, self.project)

    def may(self, act: Act, collection: str = "") -> bool:
        """True if both the role of the caller and its scopes allow the act.

        False for publishable keys, because rules decide about them.

        `collection`: the collection of the documents. A scope for this one collection is then enough.
        """
        return self._has_part(act) and self.has_scope(act, collection)

    def check(self, act: Act, collection: str = "") -> None:
        """Check that the caller may do the act, in the same way as `may`. Raises: Unauthenticated, Forbidden,
        InsufficientScope.
        """
        if not self._has_part(act):
            self._refuse(act)
        self.check_scope(act, collection)

    def has_scope(self, act: Act, collection: str = "") -> bool:
        """True if the scopes of the token or key allow the act, or if scopes do not limit the token or key."""
        limits = self.limits
        return not self._lacks_session(act) and (limits is None or allows(limits, act.coarse, act.fine, collection))

    def check_scope(self, act: Act, collection: str = "") -> None:
        """Check only the scopes of the caller. Raises: InsufficientScope; Forbidden, if no scope allows the act."""
        if self._lacks_session(act):
            raise Forbidden("This is a personal access token: this act needs a session: sign in.")
        if not self.has_scope(act, collection):
            needed = " or ".join(
                scope for scope in (of_collection(act.fine, collection), act.fine, act.coarse) if scope
            )
            raise InsufficientScope(
                f"This needs the scope {needed}, and the token or key does not have it here. Use another one.",
                act=act.value,
                scope=act.fine or act.coarse,
            )

    def need(self, role: Role) -> None:
        """Check that the caller has `role` or a stronger role in the project. Raises: Forbidden.

        Rooms call `check`, which also checks scopes.
        """
        if self.role is None or RANK[self.role] < RANK[role]:
            raise Forbidden(
                f"This needs the role {role.value} in the project; ask an owner of the project for this role."
            )

    def _lacks_session(self, act: Act) -> bool:
        """True if the caller has a personal access token, and only a session may do the act."""
        return act in OF_SESSIONS and self.developer is not None and not self.developer.session

    def _has_part(self, act: Act) -> bool:
        """True if this kind of caller may do the act, and a member has the role for it."""
        if self.kind is CallerKind.SECRET:
            return act.servers
        if self.kind is not CallerKind.DEVELOPER or self.developer is None:
            return False
        if act in OF_ADMINISTRATORS:
            return self.developer.admin
        return act.role is None or (self.role is not None and RANK[self.role] >= RANK[act.role])

    def _refuse(self, act: Act) -> None:
        """Raises: Unauthenticated, Forbidden."""
        match self.kind:
            case CallerKind.ANONYMOUS if act.role is None:
                raise Unauthenticated("Send a developer's access token: Authorization: Bearer <token>.")
            case CallerKind.ANONYMOUS:
                raise Forbidden("Send a developer's access token, or the project's secret key.")
            case CallerKind.PUBLISHABLE:
                raise Forbidden("A publishable key may not do this. Use the project's secret key, from a server.")
            case CallerKind.SECRET:
                raise Forbidden("A secret key may not do this. Send a developer's access token.")
            case CallerKind.DEVELOPER:
                self.signed_in()
                if act in OF_ADMINISTRATORS:
                    raise Forbidden("Only an administrator of this installation may do this.")
                if act.role is not None:
                    self.need(act.role)
