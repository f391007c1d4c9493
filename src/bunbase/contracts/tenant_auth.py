"""tenant-auth: the end users of each project, in separate pools."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any, Final, Protocol

import msgspec
from msgspec import UNSET, UnsetType

from bunbase.contracts.bunauth.tokens import Jwks
from bunbase.contracts.caller import Caller
from bunbase.contracts.revocations import Revocation
from bunbase.pkg.errors import Problem

USER_TOKEN_TYPE: Final = "user"

# described for the OpenAPI document only: `pkg/addresses.py` checks addresses, and its message shows an example
Email = Annotated[str, msgspec.Meta(extra_json_schema={"minLength": 3})]


class UserBanned(Problem):
    status, code, title = 403, "user_banned", "This account has been banned"


class UserNotFound(Problem):
    status, code, title = 404, "user_not_found", "There is no such user"


class TooManyUsers(Problem):
    status, code, title = 403, "too_many_users", "The project has the maximum number of users"


class CustomTokenUsed(Problem):
    status, code, title = 401, "custom_token_used", "This custom token was used before"


class User(msgspec.Struct, frozen=True):
    """An end user of one project. The user may change `data`; only servers and developers `role` and `claims`."""

    id: str
    email: str | None
    email_verified: bool
    role: str
    claims: dict[str, Any]
    data: dict[str, Any]
    created_at: datetime


class UserSignedIn(msgspec.Struct, frozen=True):
    """`expires_in`: seconds until the access token expires."""

    user: User
    access_token: str
    refresh_token: str
    expires_in: int
    token_type: str = "Bearer"


class ManagedUser(User, frozen=True):
    """A user as administrators see it."""

    banned: bool
    has_password: bool


class ManagedUsers(msgspec.Struct, frozen=True):
    items: tuple[ManagedUser, ...]
    next: str | None = None


class NewUser(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A user without a password can sign in only with a custom token.

    `claims` has at most 1 KiB of JSON, `data` at most 16 KiB.
    """

    email: Email
    password: str | None = None
    email_verified: bool = False
    role: str = "user"
    claims: dict[str, Any] = {}
    data: dict[str, Any] = {}


class UserChanges(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Members that are left out stay as they are; `claims` and `data` are replaced as a whole."""

    email: Email | UnsetType = UNSET
    email_verified: bool | UnsetType = UNSET
    password: str | UnsetType = UNSET
    role: str | UnsetType = UNSET
    claims: dict[str, Any] | UnsetType = UNSET
    data: dict[str, Any] | UnsetType = UNSET
    banned: bool | UnsetType = UNSET


class UserFilter(msgspec.Struct, frozen=True):
    """`email`: the whole address; `q`: the beginning of the address. Case is ignored."""

    email: str | None = None
    q: str | None = None
    role: str | None = None
    banned: bool | None = None


class UserSession(msgspec.Struct, frozen=True):
    """A valid session. `ip`, `agent`: the IP address and the User-Agent header of the sign-in."""

    id: str
    ip: str
    agent: str
    created_at: datetime
    expires_at: datetime


class UserSessions(msgspec.Struct, frozen=True):
    items: tuple[UserSession, ...]
    next: str | None = None


class CustomToken(msgspec.Struct, frozen=True):
    """`expires_in`: seconds."""

    token: str
    expires_in: int


class TenantAuth(Protocol):
    """Every call takes its project from the Caller. Problems that are not defined here are those of BunAuth's contract.

    The calls from `users` to `custom_token` are for the secret key and for members of the project: the role viewer may
    read, the role developer may also change. They raise Forbidden for all other callers.

    The user's access tokens become invalid within a second after a change of the email, role or claims, a ban, a
    deletion, or a new password. A ban, a deletion and a new password also end the user's sessions.
    """

    async def signup(self, caller: Caller, email: str, password: str, data: dict[str, Any]) -> UserSignedIn:
        """Raises: EmailTaken, TooManyUsers, InvalidInput."""
        ...

    async def login(self, caller: Caller, email: str, password: str) -> UserSignedIn:
        """Sign in. Raises: InvalidCredentials, or UserBanned if the password was right.

        A wrong password and an unknown email get the same answer in the same time.
        """
        ...

    async def login_with_custom_token(self, caller: Caller, token: str) -> UserSignedIn:
        """Exchange a custom token for a session, only once. The access tokens of the session have the token's claims.

        Raises: InvalidToken, TokenExpired, CustomTokenUsed, UserBanned.
        """
        ...

    async def refresh(self, caller: Caller, refresh_token: str) -> UserSignedIn:
        """Exchange a refresh token for a new pair, as BunAuth does. A retry returns a new access token if a change of
        the user has made the first one invalid.

        Raises: InvalidToken, TokenExpired, TokenReused.
        """
        ...

    async def logout(self, caller: Caller) -> None: ...

    async def me(self, caller: Caller) -> User: ...

    async def update_me(self, caller: Caller, data: dict[str, Any]) -> User:
        """Replace the user's own `data` (at most 16 KiB of JSON)."""
        ...

    async def users(self, caller: Caller, only: UserFilter, limit: int, cursor: str | None) -> ManagedUsers:
        """Return users, newest first. Raises: InvalidCursor."""
        ...

    async def user(self, caller: Caller, id: str) -> ManagedUser:
        """Raises: UserNotFound."""
        ...

    async def create_user(self, caller: Caller, new: NewUser) -> ManagedUser:
        """Raises: EmailTaken, TooManyUsers, InvalidInput."""
        ...

    async def update_user(self, caller: Caller, id: str, changes: UserChanges) -> ManagedUser:
        """Raises: UserNotFound, EmailTaken, InvalidInput."""
        ...

    async def delete_user(self, caller: Caller, id: str) -> None:
        """Raises: UserNotFound."""
        ...

    async def user_sessions(self, caller: Caller, id: str, limit: int, cursor: str | None) -> UserSessions:
        """Return the sessions of a user, newest first. Raises: UserNotFound, InvalidCursor."""
        ...

    async def end_user_sessions(self, caller: Caller, id: str) -> None:
        """Sign a user out everywhere. Raises: UserNotFound."""
        ...

    async def custom_token(self, caller: Caller, uid: str, claims: dict[str, Any]) -> CustomToken:
        """Return a token with which a user can sign in once, within five minutes.

        Raises: UserNotFound, UserBanned, InvalidInput.
        """
        ...

    async def jwks(self, project: str) -> Jwks:
        """Return the project's public keys. Raises: KeyNotFound."""
        ...

    async def session_alive(self, project: str, session: str, version: int) -> bool:
        """True if an access token with the claims `session` (`sid`) and `version` (`ver`) is still valid.

        For a process that has lost its revocation feed.
        """
        ...

    async def knows_address(self, project: str, email: str, ip: str) -> bool:
        """True if a session of the user with this email began in the network of `ip`, and is still valid or ended
        less than a day ago. Only the limits on sign-ins use this; no caller sees the result."""
        ...

    async def drop_project(self, project: str) -> None:
        """Delete every user and session of a destroyed project. Idempotent."""
        ...

    def revocations(self) -> AsyncIterator[Revocation]:
        """Yield earlier revocations of sessions and user versions whose access tokens have not expired, then READY,
        then each new one."""
        ...


def is_user_token(claims: dict[str, Any], project: str) -> bool:
    """True if the claims of a checked token are those of an end user's access token: the key also signs others."""
    texts = all(isinstance(claims.get(name), str) for name in ("sub", "sid"))
    others = isinstance(claims.get("claims", {}), dict) and type(claims.get("ver", 0)) is int
    return texts and others and claims.get("aud") == project and claims.get("type") == USER_TOKEN_TYPE
