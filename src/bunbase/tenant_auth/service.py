"""The rules of tenant-auth: who gets into a project, and when a session ends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any, Final, assert_never

from bunbase.contracts.bunauth import (
    EmailTaken,
    InvalidCredentials,
    InvalidToken,
    Jwks,
    TokenExpired,
    TokenReused,
)
from bunbase.contracts.caller import Caller, CallerKind
from bunbase.contracts.revocations import Revocation, RevokedKind
from bunbase.contracts.tenant_auth import User, UserSignedIn
from bunbase.pkg import metrics
from bunbase.pkg.addresses import email_or_none, normal_email
from bunbase.pkg.clock import Clock
from bunbase.pkg.errors import Unauthenticated
from bunbase.pkg.ids import new_id
from bunbase.pkg.opaque import fingerprint
from bunbase.pkg.passwords import Passwords
from bunbase.pkg.sessions import (
    Pair,
    RefreshToken,
    Session,
    Standing,
    new_pair,
    new_session,
    opened_pair,
    revoked_until,
    standing,
)
from bunbase.tenant_auth.access_tokens import UserTokens
from bunbase.tenant_auth.profiles import check_data
from bunbase.tenant_auth.settings import TenantAuthSettings
from bunbase.tenant_auth.store import Credentials, TenantAuthStore

POOL: Final = "users"  # as metrics call it
REFRESH_PREFIX: Final = "urt"
ROLE: Final = "user"  # of everyone who signs up; other roles are given by the server
KEEP: Final = timedelta(days=1)  # what is over stays a day, so that a late client hears why it was refused


class TenantAuthService:
    def __init__(
        self,
        store: TenantAuthStore,
        passwords: Passwords,
        access: UserTokens,
        settings: TenantAuthSettings,
        clock: Clock,
    ) -> None:
        self.store = store
        self.passwords = passwords
        self.access = access
        self.settings = settings
        self.clock = clock

    async def signup(self, caller: Caller, email: str, password: str, data: dict[str, Any]) -> UserSignedIn:
        project, email = _project(caller), normal_email(email)
        check_data(data)
        hash, now = await self.passwords.hash(password), self.clock.now()
        user = User(new_id("usr"), email, False, ROLE, {}, data, now)
        # signed first: a project whose key was destroyed must not get another user
        session, pair = await self._new_session(caller, user, now)
        if not await self.store.add_user(project, Credentials(user, hash), session, pair.stored()):
            raise EmailTaken("Sign in instead, or use another address.")
        return self._signed_in(user, pair)

    async def login(self, caller: Caller, email: str, password: str) -> UserSignedIn:
        project, normal = _project(caller), email_or_none(email)
        found = None if normal is None else await self.store.credentials(project, normal)
        matches = await self.passwords.matches(password, found.password_hash if found else None)
        metrics.logins.labels(POOL, "ok" if matches else InvalidCredentials.code).inc()
        if found is None or not matches:
            raise InvalidCredentials
        session, pair = await self._new_session(caller, found.user, self.clock.now())
        await self.store.add_session(project, session, pair.stored())
        return self._signed_in(found.user, pair)

    async def refresh(self, caller: Caller, refresh_token: str) -> UserSignedIn:
        project, hash, now = _project(caller), fingerprint(refresh_token), self.clock.now()
        while True:
            token = await self.store.refresh_token(project, hash)
            if token is None:
                raise InvalidToken
            match standing(token, now, self.settings):
                case Standing.FRESH:
                    user = await self._user(project, token.user_id)
                    pair = await self._new_pair(project, user, token.session, token.session_expires_at, now)
                    if await self.store.rotate(project, hash, now, pair, refresh_token):
                        return self._signed_in(user, pair)
                    # else a twin of this request was faster: look again, and give what it was given
                case Standing.RETRY:
                    user = await self._user(project, token.user_id)
                    return self._signed_in(user, opened_pair(refresh_token, _sealed(token)))
                case Standing.REUSED:
                    await self._end_session(project, token.session)
                    raise TokenReused("Sign in again; if this was not you, change your password.")
                case Standing.EXPIRED:
                    raise TokenExpired("Sign in again.")
                case Standing.ENDED:
                    raise InvalidToken
                case other:
                    assert_never(other)

    async def logout(self, caller: Caller) -> None:
        await self._end_session(_project(caller), caller.end_user().session)

    async def me(self, caller: Caller) -> User:
        return await self._user(_project(caller), caller.end_user().uid)

    async def update_me(self, caller: Caller, data: dict[str, Any]) -> User:
        check_data(data)
        user = await self.store.update_data(_project(caller), caller.end_user().uid, data)
        return _existing(user)

    async def jwks(self, project: str) -> Jwks:
        return await self.access.jwks(project)

    async def session_alive(self, project: str, session: str) -> bool:
        return await self.store.session_alive(project, session, self.clock.now())

    async def drop_project(self, project: str) -> None:
        self.access.forget(project)
        await self.store.drop_project(project)

    async def revocations(self) -> AsyncIterator[Revocation]:
        async for told in self.store.feed.follow(Revocation(RevokedKind.READY), Revocation(RevokedKind.ALIVE)):
            yield told

    async def forget_pairs(self) -> None:
        """Delete what used refresh tokens were traded for, once no retry may ask for it."""
        await self.store.forget_pairs(self.clock.now() - timedelta(seconds=self.settings.reuse_grace_seconds))

    async def forget(self) -> None:
        """Delete what nobody needs any more: old revocations, sessions and tokens that were over a day ago."""
        await self.store.feed.forget()
        await self.store.delete_over(self.clock.now() - KEEP)

    async def _user(self, project: str, id: str) -> User:
        return _existing(await self.store.user(project, id))

    async def _new_session(self, caller: Caller, user: User, now: datetime) -> tuple[Session, Pair]:
        session = new_session(user.id, caller.ip, caller.agent, now, self.settings)
        return session, await self._new_pair(caller.project, user, session.id, session.expires_at, now)

    async def _new_pair(
        self, project: str, user: User, session: str, session_expires_at: datetime, now: datetime
    ) -> Pair:
        access = await self.access.sign(project, user, session, now)
        return new_pair(REFRESH_PREFIX, access, session_expires_at, now, self.settings)

    async def _end_session(self, project: str, session: str) -> None:
        now = self.clock.now()
        await self.store.end_session(project, session, now, revoked_until(now, self.settings))

    def _signed_in(self, user: User, pair: Pair) -> UserSignedIn:
        return UserSignedIn(user, pair.access_token, pair.refresh_token, pair.expires_in(self.clock.now()))


def _project(caller: Caller) -> str:
    """Give the project whose key was sent; either kind will do. Raises: Unauthenticated."""
    if caller.kind not in (CallerKind.PUBLISHABLE, CallerKind.SECRET) or not caller.project:
        raise Unauthenticated("Send the project's key: X-Bunbase-Key: pk_… or sk_….")
    return caller.project


def _existing(user: User | None) -> User:
    if user is None:
        raise Unauthenticated("This account is no more.")
    return user


def _sealed(token: RefreshToken) -> bytes:
    assert token.sealed_pair is not None, "without one it would not stand as a retry"
    return token.sealed_pair
