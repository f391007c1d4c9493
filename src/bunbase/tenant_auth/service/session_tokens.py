"""Make the tokens of a session: an access token, which BunKMS signs, and a refresh token, stored only as a hash."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Final

import msgspec

from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth import User, UserSignedIn
from bunbase.pkg.clock import Clock
from bunbase.pkg.sessions import Pair, new_pair, new_session, revoked_until
from bunbase.tenant_auth.access_tokens import Subject, UserTokens
from bunbase.tenant_auth.people import Person
from bunbase.tenant_auth.settings import TenantAuthSettings
from bunbase.tenant_auth.store.sessions import NewSession

REFRESH_PREFIX: Final = "urt"

LongestSeconds = Callable[[], Awaitable[int]]  # returns the longest lifetime of an access token that may be valid now


class SessionTokens:
    """Makes tokens and does not store them. `settings` has the lifetimes of the tokens."""

    def __init__(
        self, access: UserTokens, settings: TenantAuthSettings, clock: Clock, longest_seconds: LongestSeconds
    ) -> None:
        self.access = access
        self.settings = settings
        self.clock = clock
        self.longest_seconds = longest_seconds

    async def new_session(self, caller: Caller, person: Person, claims: dict[str, Any]) -> NewSession:
        """Return a new session with its first, signed tokens. Raises: KeyNotFound, KeyDestroyed."""
        now = self.clock.now()
        session = new_session(person.user.id, caller.ip, caller.agent, now, self.settings)
        subject = Subject(person.user, person.version, session.id, claims)
        pair = await self.new_pair(caller.project, subject, session.expires_at, now)
        return NewSession(session, person.version, pair, claims)

    async def new_pair(self, project: str, subject: Subject, session_expires_at: datetime, now: datetime) -> Pair:
        access = await self.access.sign(project, subject, now)
        pair = new_pair(REFRESH_PREFIX, access, session_expires_at, now, self.settings)
        return msgspec.structs.replace(pair, version=subject.version)

    async def with_new_access(self, project: str, pair: Pair, subject: Subject, now: datetime) -> Pair:
        """Return the pair with the same refresh token and a new access token.

        This is needed if a change of the user has ended the access token of the pair, but not the session.
        """
        token, expires_at = await self.access.sign(project, subject, now)
        return msgspec.structs.replace(pair, access_token=token, access_expires_at=expires_at, version=subject.version)

    def answer(self, user: User, pair: Pair) -> UserSignedIn:
        return UserSignedIn(user, pair.access_token, pair.refresh_token, pair.expires_in(self.clock.now()))

    async def revoked_until(self, now: datetime) -> float:
        return revoked_until(now, await self.longest_seconds())
