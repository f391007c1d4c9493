"""Make the tokens of a session: an access token, which BunKMS signs, and a refresh token, stored only as a hash."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Final

import msgspec

from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.proofs import Reauthenticated
from bunbase.contracts.tenant_auth.sessions import UserSignedIn
from bunbase.contracts.tenant_auth.users import User
from bunbase.pkg.clock import Clock
from bunbase.pkg.jwt import key_id
from bunbase.pkg.sessions import Pair, RefreshToken, new_pair, new_session
from bunbase.tenant_auth.access_tokens import Life, Subject, UserTokens
from bunbase.tenant_auth.active_users import ActiveUsers
from bunbase.tenant_auth.people import Person
from bunbase.tenant_auth.pool import Pool
from bunbase.tenant_auth.sign_in_methods import SignInMethod
from bunbase.tenant_auth.store.sessions import NewSession

REFRESH_PREFIX: Final = "urt"

# The hook before_token gets one of these reasons for a new access token.
SIGN_IN: Final = "sign_in"
REFRESH: Final = "refresh"
REAUTHENTICATE: Final = "reauthenticate"
IMPERSONATE: Final = "impersonate"

# The function returns claims to add to an access token.
BeforeToken = Callable[[Pool, Subject, str], Awaitable[dict[str, Any]]]


async def no_claims(_pool: Pool, _subject: Subject, _reason: str) -> dict[str, Any]:
    """Add no claims. This is the default."""
    return {}


class SessionTokens:
    """Makes tokens, but does not store them. `active` counts the users that get tokens.

    `before_token`: a function that is called before each access token is signed, and returns claims to add. The
    function may take long, so no transaction may be open. If it raises a Problem, no token is made.
    """

    def __init__(self, access: UserTokens, clock: Clock, before_token: BeforeToken = no_claims) -> None:
        self.active = ActiveUsers(clock)
        self.access = access
        self.clock = clock
        self.before_token = before_token

    async def new_session(
        self, caller: Caller, pool: Pool, person: Person, method: SignInMethod, claims: dict[str, Any]
    ) -> NewSession:
        """Return a new session with its first, signed tokens. Raises: KeyNotFound, KeyDestroyed."""
        now = self.clock.now()
        session = new_session(person.id, caller.ip, caller.agent, now, pool.lifetimes)
        subject = Subject(person.user, person.version, session.id, claims, 0, method)
        pair = await self.new_pair(pool, subject, session.expires_at, now, SIGN_IN)
        return NewSession(session, person.version, pair, claims, method)

    async def new_pair(
        self, pool: Pool, subject: Subject, session_expires_at: datetime, now: datetime, reason: str = REFRESH
    ) -> Pair:
        life = Life(now, pool.lifetimes.access_ttl_seconds, session_expires_at)
        await self.access.renew_key(pool.project, pool.auth.tokens.algorithm, pool.key_days)
        access = await self._signed(pool, subject, life, reason)
        pair = new_pair(REFRESH_PREFIX, access, session_expires_at, now, pool.lifetimes)
        return msgspec.structs.replace(pair, version=subject.version)

    async def with_new_access(
        self, pool: Pool, pair: Pair, subject: Subject, token: RefreshToken, now: datetime
    ) -> Pair:
        """Return the pair with the same refresh token and a new access token.

        This is necessary if the access token of the pair has expired, or if a change of the user has ended it.
        """
        life = Life(now, pool.lifetimes.access_ttl_seconds, token.session_expires_at)
        access, expires_at = await self._signed(pool, subject, life, REFRESH)
        return msgspec.structs.replace(pair, access_token=access, access_expires_at=expires_at, version=subject.version)

    async def new_access(
        self,
        pool: Pool,
        subject: Subject,
        session_expires_at: datetime,
        now: datetime,
        reason: str = REAUTHENTICATE,
    ) -> Reauthenticated:
        """Return another access token of a session, without a refresh token."""
        life = Life(now, pool.lifetimes.access_ttl_seconds, session_expires_at)
        access, expires_at = await self._signed(pool, subject, life, reason)
        seconds = max(0, expires_at - int(self.clock.now().timestamp()))
        return Reauthenticated(access, seconds, subject.method.aal, subject.method.amr)

    async def _signed(self, pool: Pool, subject: Subject, life: Life, reason: str) -> tuple[str, int]:
        added = await self.before_token(pool, subject, reason)
        return await self.access.sign(pool.project, msgspec.structs.replace(subject, added=added), life)

    def answer(self, project: str, user: User, pair: Pair, method: SignInMethod) -> UserSignedIn:
        """Return the answer to a sign-in or refresh that has been stored."""
        self.active.note(project, user)
        return self.signed_in(user, pair, method)

    def signed_in(self, user: User, pair: Pair, method: SignInMethod) -> UserSignedIn:
        seconds = pair.expires_in(self.clock.now())
        return UserSignedIn(user, pair.access_token, pair.refresh_token, seconds, aal=method.aal, amr=method.amr)

    async def lives(self, project: str, pair: Pair, person: Person, now: datetime) -> bool:
        """True if the access token of a pair is still valid. `rotate-key --now` ends it too.

        Raises: KeyNotFound, KeyDestroyed.
        """
        young = pair.version == person.version and pair.access_expires_at > now.timestamp()
        return young and key_id(pair.access_token) in await self.access.kids(project)
