"""tenant-auth: the end users of each project, in pools that know nothing of each other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, Protocol

import msgspec

from bunbase.contracts.bunauth import Jwks
from bunbase.contracts.caller import Caller
from bunbase.contracts.revocations import Revocation


class User(msgspec.Struct, frozen=True):
    """An end user of one project; `data` is the user's own, `role` and `claims` are the server's."""

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


class TenantAuth(Protocol):
    """Every call takes its project from the Caller. Problems are those of BunAuth's contract."""

    async def signup(self, caller: Caller, email: str, password: str, data: dict[str, Any]) -> UserSignedIn:
        """Raises: EmailTaken, InvalidInput."""
        ...

    async def login(self, caller: Caller, email: str, password: str) -> UserSignedIn:
        """Raises: InvalidCredentials, alike and in like time for a wrong password and an unknown email."""
        ...

    async def refresh(self, caller: Caller, refresh_token: str) -> UserSignedIn:
        """Rotate as BunAuth does. Raises: InvalidToken, TokenExpired, TokenReused."""
        ...

    async def logout(self, caller: Caller) -> None: ...

    async def me(self, caller: Caller) -> User: ...

    async def update_me(self, caller: Caller, data: dict[str, Any]) -> User:
        """Replace the user's own `data` (at most 16 KiB of JSON)."""
        ...

    async def jwks(self, project: str) -> Jwks:
        """Give the project's public keys. Raises: KeyNotFound."""
        ...

    async def session_alive(self, project: str, session: str) -> bool:
        """Say whether a session still stands; for a process whose revocation feed is broken."""
        ...

    async def drop_project(self, project: str) -> None:
        """Delete every user and session of a destroyed project; again is harmless."""
        ...

    def revocations(self) -> AsyncIterator[Revocation]:
        """Tell every ended session whose access token could still be in use, then READY, then news."""
        ...
