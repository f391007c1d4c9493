"""Check keys and tokens. Results are cached, so a repeated request needs no other service.

Revocations arrive within a second.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, TypeVar

from bunbase.contracts.acts import within
from bunbase.contracts.bunauth.problems import InvalidToken, TokenExpired
from bunbase.contracts.bunauth.service import BunAuth
from bunbase.contracts.bunauth.tokens import is_access_token
from bunbase.contracts.bunkms import KeyDestroyed, KeyNotFound
from bunbase.contracts.caller import Caller, CallerKind, Developer, EndUser
from bunbase.contracts.platform import InvalidKey, KeyHolder, Membership, Platform
from bunbase.contracts.revocations import Revocation, RevokedKind
from bunbase.contracts.s3_credentials import S3Holder
from bunbase.contracts.scopes import PROJECT_ID
from bunbase.contracts.service_accounts import TOKEN_TYPE
from bunbase.contracts.tenant_auth.service import TenantAuth
from bunbase.contracts.tenant_auth.tokens import is_user_token
from bunbase.contracts.tenant_auth.users import ManagedUser
from bunbase.gateway.first_uses import FirstUses
from bunbase.gateway.key_use import KeyUse
from bunbase.gateway.keyring import Keyring
from bunbase.gateway.revoked import Revoked
from bunbase.gateway.user_tokens import UserToken, user_token
from bunbase.pkg.cache import Cache
from bunbase.pkg.errors import Unreachable
from bunbase.pkg.jwt import key_id, unverified_claims
from bunbase.pkg.opaque import fingerprint

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

PERSONAL_PREFIX: Final = "bpt_"
TTL_SECONDS: Final = 900.0
MEMBERSHIP_TTL_SECONDS: Final = 60.0
DEVELOPERS: Final = "developers"  # This is the only signer of developers' tokens.
KEY: Final = "kid"  # In cached claims, this is the id of the key that signed the token.
READY_SECONDS: Final = 2.0
CHECK_SECONDS: Final = 5.0  # A check by a room may take this long. A check usually takes milliseconds.


class Identity:
    def __init__(self, bunauth: BunAuth, platform: Platform, tenant_auth: TenantAuth, size: int) -> None:
        self.bunauth = bunauth
        self.platform = platform
        self.tenant_auth = tenant_auth
        self.developer_keys = Keyring(lambda _: in_time(bunauth.jwks()))
        self.user_keys = Keyring(lambda project: in_time(tenant_auth.jwks(project)))
        self.developers: Cache[bytes, dict[str, Any]] = Cache(size, TTL_SECONDS)
        self.users: Cache[tuple[str, bytes], UserToken] = Cache(size, TTL_SECONDS)
        self.holders: Cache[bytes, KeyHolder] = Cache(size, TTL_SECONDS)
        self.memberships: Cache[tuple[str, str], Membership] = Cache(size, MEMBERSHIP_TTL_SECONDS)
        self.active: Cache[str, str] = Cache(size, MEMBERSHIP_TTL_SECONDS)
        self.key_use = KeyUse(platform)
        self.services: Cache[bytes, dict[str, Any]] = Cache(size, TTL_SECONDS)
        self.service_holders: Cache[tuple[str, str], KeyHolder] = Cache(size, TTL_SECONDS)
        self.s3_holders: Cache[str, S3Holder] = Cache(size, TTL_SECONDS)
        self.slugs: Cache[str, str] = Cache(size, MEMBERSHIP_TTL_SECONDS)
        self.first_uses = FirstUses(bunauth.note_first_uses)
        self.user_first_uses = FirstUses(tenant_auth.note_first_uses)
        # These functions are called with a project whose settings have changed.
        self.on_settings: list[Callable[[str], None]] = []
        self.on_revoked: list[Callable[[Revocation], None]] = []
        # The epoch grows with every revocation. A result that was looked up in an earlier epoch is not cached.
        self.epoch = 0
        self.ended_sessions = Revoked("bunauth", bunauth.revocations, self._drop)
        self.ended_user_sessions = Revoked("tenant_auth", tenant_auth.revocations, self._drop)
        self.changed_projects = Revoked("platform", platform.revocations, self._drop)

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Follow the revocation feeds during the block. Wait first until each feed has sent all current revocations."""
        feeds = (self.ended_sessions, self.ended_user_sessions, self.changed_projects)
        tasks = [asyncio.create_task(feed.run(), name=f"revocations of {feed.name}") for feed in feeds]
        try:
            with suppress(TimeoutError):  # Until a room has started, each check calls that room.
                async with asyncio.timeout(READY_SECONDS):
                    await asyncio.gather(*(feed.ready.wait() for feed in feeds))
            async with self.first_uses.reporting(), self.user_first_uses.reporting():
                yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def developer(self, token: str) -> Developer:
        """Return the developer of a token. Raises: InvalidToken, TokenExpired, Unreachable."""
        personal = token.startswith(PERSONAL_PREFIX)
        claims = await self._developer_claims(token, personal)
        if claims["jti" if personal else "sid"] in self.ended_sessions or claims.get(KEY, "") in self.ended_sessions:
            raise InvalidToken
        return Developer(
            id=claims["sub"],
            email=claims["email"],
            admin=claims.get("role") == "admin",
            session="" if personal else claims["sid"],
            scopes=tuple(claims.get("scopes", ())),
            token=claims["jti"] if personal else "",
            projects=tuple(claims.get("projects", ())),
        )

    async def developer_expiry(self, token: str) -> float:
        """Return the expiry of a developer's token in Unix seconds. Raises: InvalidToken, TokenExpired, Unreachable."""
        claims = await self._developer_claims(token, token.startswith(PERSONAL_PREFIX))
        return float(claims.get("exp", math.inf))

    def knows_developer(self, token: str) -> bool:
        """True if the token can be checked without asking a room: it is cached, or it is a JWT with its own claims."""
        return not token.startswith(PERSONAL_PREFIX) or self.developers.get(fingerprint(token)) is not None

    def known_holder(self, key: str) -> KeyHolder | None:
        """Return the project and kind of a key if they are cached, else None."""
        holder = self.holders.get(fingerprint(key)) if self.changed_projects.live() else None
        if holder is None or (holder.expires_at and holder.expires_at <= time.time()):
            return None
        self.key_use.note(holder.key_id)
        return holder

    def known_user(self, project: str, token: str) -> EndUser | None:
        """Return the end user of a token if the token is cached and still valid, else None."""
        known = self.users.get((project, fingerprint(token))) if self.ended_user_sessions.live() else None
        if known is None or known.expires_at <= time.time() or self._ended(known):
            return None
        return known.user

    async def end_user(self, project: str, token: str) -> EndUser:
        """Return the end user of a token. Raises: InvalidToken, TokenExpired, Unreachable."""
        return (await self.user_token(project, token)).user

    async def user_token(self, project: str, token: str) -> UserToken:
        """Return the checked token of an end user. Raises: InvalidToken, TokenExpired, Unreachable."""
        cached = (project, fingerprint(token))
        known = self.users.get(cached)
        if known is None:
            claims = await self.user_keys.claims(project, token)
            if not is_user_token(claims, project):
                raise InvalidToken("This token belongs to another project, or it is not an end user's access token.")
            self.user_first_uses.note(claims, project)
            known = user_token(claims, key_id(token))
            self.users.put(cached, known, known.seconds_left)
        if known.seconds_left <= 0:
            raise TokenExpired
        if self._ended(known):
            raise InvalidToken
        if not self.ended_user_sessions.live() and not await self._alive(project, known):
            raise InvalidToken
        return known

    async def key_holder(self, key: str) -> KeyHolder:
        """Return the project and kind of a key. Raises: InvalidKey, Unreachable."""
        holder = await self._cached(self.holders, fingerprint(key), lambda: self.platform.key_holder(key))
        if holder.expires_at and holder.expires_at <= time.time():
            self.holders.drop(fingerprint(key))
            return await in_time(self.platform.key_holder(key))
        self.key_use.note(holder.key_id)
        return holder

    async def service(self, token: str) -> tuple[KeyHolder, tuple[str, ...]]:
        """Return the secret key or service account of a service token, and the scopes of the token.

        Raises: InvalidToken, TokenExpired, Unreachable.
        """
        cached = fingerprint(token)
        claims = self.services.get(cached)
        if claims is None:
            claims = await self._service_claims(token) | {KEY: key_id(token)}
            self.services.put(cached, claims, _seconds_left(claims))
        _check_expiry(claims)
        if claims[KEY] in self.ended_user_sessions:
            raise InvalidToken
        project, client, scopes = claims["aud"], claims["sub"], tuple(claims["scope"].split())
        try:
            holder = await self._cached(
                self.service_holders, (project, client), lambda: self.platform.service_holder(project, client)
            )
        except InvalidKey:
            raise InvalidToken("The service account or key of this token was deleted.") from None
        expired = holder.expires_at and holder.expires_at <= time.time()
        if expired or (holder.limits.scopes is not None and not within(scopes, holder.limits.scopes)):
            raise InvalidToken("The service account or key of this token has expired, or has fewer scopes now.")
        self.key_use.note(holder.key_id)
        return holder, scopes

    def known_s3_holder(self, access_key_id: str) -> S3Holder | None:
        """Return the holder of a credential for S3 if it is cached, else None."""
        holder = self.s3_holders.get(access_key_id) if self.changed_projects.live() else None
        if holder is not None:
            self.key_use.note(holder.access_key_id)
        return holder

    async def s3_holder(self, access_key_id: str) -> S3Holder:
        """Return the holder of a credential for S3. Raises: InvalidKey, ProjectSuspended, Unreachable."""
        holder = await self._cached(self.s3_holders, access_key_id, lambda: self.platform.s3_holder(access_key_id))
        self.key_use.note(holder.access_key_id)
        return holder

    async def membership(self, developer: str, project: str) -> Membership:
        """Return a developer's membership in a project. Raises: ProjectNotFound, ProjectDeleted, Unreachable."""
        return await self._cached(
            self.memberships, (developer, project), lambda: self.platform.membership(developer, project)
        )

    async def managed_user(self, project: str, id: str) -> ManagedUser:
        """Return a user of a project with current values. Raises: UserNotFound, Unreachable."""
        return await in_time(self.tenant_auth.user(Caller(CallerKind.SECRET, project=project), id))

    async def custody(self, developer: str, project: str) -> Membership:
        """Return a developer's membership in a project that may be deleted. Raises: ProjectNotFound, Unreachable."""
        return await in_time(self.platform.custody(developer, project))

    async def check_active(self, project: str) -> None:
        """Check that a project is not suspended. Raises: ProjectSuspended, Unreachable."""

        async def checked() -> str:
            await self.platform.check_active(project)
            return project

        await self._cached(self.active, project, checked)

    async def project_of(self, slug: str) -> str:
        """Return the id of the project. Raises: ProjectNotFound, Unreachable."""
        return await self._cached(self.slugs, slug, lambda: self.platform.project_of(slug))

    def _ended(self, token: UserToken) -> bool:
        """True if a user's token was revoked: its session ended, or the user changed after the token was issued."""
        ended = self.ended_user_sessions
        if token.user.session in ended or token.key in ended:
            return True
        return token.user_version in ended or token.older_version in ended

    async def _alive(self, project: str, token: UserToken) -> bool:
        return await in_time(self.tenant_auth.session_alive(project, token.user.session, token.version))

    async def _cached(self, cache: Cache[K, V], key: K, look_up: Callable[[], Awaitable[V]]) -> V:
        """Return the cached value. Look it up if it is not cached, or if the revocation feed is interrupted."""
        live = self.changed_projects.live()
        found = cache.get(key) if live else None
        if found is None:
            epoch = self.epoch
            found = await in_time(look_up())
            if live and epoch == self.epoch:
                cache.put(key, found)
        return found

    async def _developer_claims(self, token: str, personal: bool) -> dict[str, Any]:
        if not self.ended_sessions.live():
            return await self._verified(token)
        cached = fingerprint(token)
        claims = self.developers.get(cached)
        if claims is None:
            epoch = self.epoch
            claims = await self._verified(token) if personal else await self._checked(token)
            self.first_uses.note(claims)
            if epoch == self.epoch:  # Otherwise an account may have lost its role after the look-up.
                self.developers.put(cached, claims, _seconds_left(claims))
        _check_expiry(claims)
        return claims

    async def _checked(self, token: str) -> dict[str, Any]:
        claims = await self.developer_keys.claims(DEVELOPERS, token)
        if not is_access_token(claims):
            raise InvalidToken("This is not a developer's access token.")
        return claims | {KEY: key_id(token)}

    async def _service_claims(self, token: str) -> dict[str, Any]:
        """Check a token with the public keys of the project that it names. A project signs only its own tokens."""
        project = str(unverified_claims(token).get("aud"))
        if not PROJECT_ID.fullmatch(project):
            raise InvalidToken
        try:
            claims = await self.user_keys.claims(project, token)
        except (KeyNotFound, KeyDestroyed):
            raise InvalidToken from None
        texts = all(isinstance(claims.get(name), str) for name in ("sub", "scope"))
        if claims.get("aud") != project or claims.get("type") != TOKEN_TYPE or not texts:
            raise InvalidToken("This is not a service token.")
        return claims

    async def _verified(self, token: str) -> dict[str, Any]:
        verified = await in_time(self.bunauth.verify(token))
        if not verified.valid:
            raise InvalidToken
        return verified.claims

    def _drop(self, news: Revocation) -> None:
        self.epoch += 1
        match news.kind:
            case RevokedKind.ACCOUNT:
                self.developers.drop_where(lambda claims: claims["sub"] == news.id)
            case RevokedKind.KEY:
                self.s3_holders.drop(news.id)
                self.holders.drop_where(lambda holder: holder.key_id == news.id)
                self.service_holders.drop_where(lambda holder: holder.key_id == news.id)
            case RevokedKind.PROJECT:
                self.s3_holders.drop_where(lambda holder: holder.project == news.id)
                self.holders.drop_where(lambda holder: holder.project == news.id)
                self.service_holders.drop_where(lambda holder: holder.project == news.id)
                self.memberships.drop_where(lambda membership: membership.project == news.id)
                self.active.drop(news.id)
                self.slugs.drop_where(lambda project: project == news.id)
                self.user_keys.forget(news.id)
            case RevokedKind.SETTINGS:
                self.user_keys.forget(news.id)  # A new algorithm means new keys.
                for forget in self.on_settings:
                    forget(news.id)
            case RevokedKind.SIGNING_KEY:
                self.developer_keys.forget(DEVELOPERS)
                self.user_keys.forget_key(news.id)
            case RevokedKind.MEMBERSHIP:
                project, _, developer = news.id.partition(":")  # An empty part means all.
                self.memberships.drop_where(
                    lambda known: project in ("", known.project) and developer in ("", known.developer)
                )
            case _:
                pass  # Every request checks sessions, user versions and personal tokens in Revoked.
        for tell in self.on_revoked:
            tell(news)

    def hears_revocations(self) -> bool:
        """True if this process receives the revocations of end users, of members and of keys."""
        feeds = (self.ended_sessions, self.ended_user_sessions, self.changed_projects)
        return all(feed.live() for feed in feeds)


async def in_time(asked: Awaitable[V]) -> V:
    """Return the answer of a room about a credential. Raises: Unreachable after CHECK_SECONDS."""
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return await asked
    except TimeoutError:
        raise Unreachable(f"A room did not check a credential within {CHECK_SECONDS} s.") from None


def _seconds_left(claims: dict[str, Any]) -> float:
    return float(claims["exp"]) - time.time() if "exp" in claims else TTL_SECONDS


def _check_expiry(claims: dict[str, Any]) -> None:
    if _expired(claims):
        raise TokenExpired


def _expired(claims: dict[str, Any]) -> bool:
    return "exp" in claims and claims["exp"] <= time.time()
