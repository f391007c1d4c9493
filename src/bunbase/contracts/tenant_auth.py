"""tenant-auth: the end users of each project, in separate pools."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, Protocol

import msgspec
from msgspec import UNSET, UnsetType

from bunbase.contracts.bunauth import Jwks
from bunbase.contracts.caller import Caller
from bunbase.contracts.revocations import Revocation
from bunbase.pkg.errors import Problem


class UserBanned(Problem):
    status, code, title = 403, "user_banned", "This account has been banned"


class UserNotFound(Problem):
    status, code, title = 404, "user_not_found", "There is no such user"


class TooManyUsers(Problem):
    status, code, title = 403, "too_many_users", "The project has as many users as it can have"


class CustomTokenUsed(Problem):
    status, code, title = 401, "custom_token_used", "This custom token was used before"


class User(msgspec.Struct, frozen=True):
    """An end user of one project; the user may change `data`; only servers may change `role` and `claims`."""

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
    """A user without a password can sign in by custom token only. `claims`: at most 1 KiB of JSON, `data`: 16 KiB."""

    email: str
    password: str | None = None
    email_verified: bool = False
    role: str = "user"
    claims: dict[str, Any] = {}
    data: dict[str, Any] = {}


class UserChanges(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Members that are left out stay as they are; `claims` and `data` are replaced as a whole."""

    email: str | UnsetType = UNSET
    email_verified: bool | UnsetType = UNSET
    password: str | UnsetType = UNSET
    role: str | UnsetType = UNSET
    claims: dict[str, Any] | UnsetType = UNSET
    data: dict[str, Any] | UnsetType = UNSET
    banned: bool | UnsetType = UNSET


class UserFilter(msgspec.Struct, frozen=True):
    """`email`: the whole address; `q`: its beginning. Case is ignored."""

    email: str | None = None
    q: str | None = None
    role: str | None = None
    banned: bool | None = None


class UserSession(msgspec.Struct, frozen=True):
    """A valid session. `ip`, `agent`: address and User-Agent of the sign-in."""

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
    """Every call takes its project from the Caller. Problems are those of BunAuth's contract.

    Administration (`users` to `custom_token`) is for the secret key, and for developers who are members: viewers read,
    developers change. It raises Forbidden to everybody else. A change of a user's email, role or claims, a ban,
    a deletion and a new password end the user's access tokens within a second; all but the first end the sessions too.
    """

    async def signup(self, caller: Caller, email: str, password: str, data: dict[str, Any]) -> UserSignedIn:
        """Raises: EmailTaken, TooManyUsers, InvalidInput."""
        ...

    async def login(self, caller: Caller, email: str, password: str) -> UserSignedIn:
        """Raises: InvalidCredentials, in the same words and time for a wrong password and an unknown email; UserBanned,
        if the password was right."""
        ...

    async def login_with_custom_token(self, caller: Caller, token: str) -> UserSignedIn:
        """Exchange a custom token, once, for a session whose access tokens have its claims.

        Raises: InvalidToken, TokenExpired, CustomTokenUsed, UserBanned.
        """
        ...

    async def refresh(self, caller: Caller, refresh_token: str) -> UserSignedIn:
        """Rotate as BunAuth does; a retry gets a new access token if a change of the user ended the first.

        Raises: InvalidToken, TokenExpired, TokenReused.
        """
        ...

    async def logout(self, caller: Caller) -> None: ...

    async def me(self, caller: Caller) -> User: ...

    async def update_me(self, caller: Caller, data: dict[str, Any]) -> User:
        """Replace the user's own `data` (at most 16 KiB of JSON)."""
        ...

    async def users(self, caller: Caller, only: UserFilter, limit: int, cursor: str | None) -> ManagedUsers:
        """Newest first. Raises: InvalidCursor."""
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
        """Newest first. Raises: UserNotFound, InvalidCursor."""
        ...

    async def end_user_sessions(self, caller: Caller, id: str) -> None:
        """Sign a user out everywhere. Raises: UserNotFound."""
        ...

    async def custom_token(self, caller: Caller, uid: str, claims: dict[str, Any]) -> CustomToken:
        """Return a token that signs a user in, once and within five minutes. Raises: UserNotFound, UserBanned,
        InvalidInput."""
        ...

    async def jwks(self, project: str) -> Jwks:
        """Return the project's public keys. Raises: KeyNotFound."""
        ...

    async def session_alive(self, project: str, session: str, version: int) -> bool:
        """Return whether an access token of a session is still valid, by its claims `sid` and `ver`; for a process
        whose revocation feed is broken.
        """
        ...

    async def knows_address(self, project: str, email: str, ip: str) -> bool:
        """Return whether the user with this email signed in from the neighbourhood of `ip` in a session that stands,
        or that ended less than a day ago. Used for limits on sign-ins only; no caller ever sees it."""
        ...

    async def drop_project(self, project: str) -> None:
        """Delete every user and session of a destroyed project. Idempotent."""
        ...

    def revocations(self) -> AsyncIterator[Revocation]:
        """Tell every ended session and version of a user whose access tokens could still be in use, then READY, then
        news."""
        ...
