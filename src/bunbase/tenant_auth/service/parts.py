"""What every verb works with."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, assert_never

import msgspec

from bunbase.contracts.caller import Caller, CallerKind, Role
from bunbase.contracts.tenant_auth import User, UserNotFound, UserSignedIn
from bunbase.pkg.clock import Clock
from bunbase.pkg.errors import Forbidden, Unauthenticated
from bunbase.pkg.passwords import Passwords
from bunbase.pkg.sessions import Pair, new_pair, new_session, revoked_until
from bunbase.tenant_auth.access_tokens import Subject, UserTokens
from bunbase.tenant_auth.people import Person
from bunbase.tenant_auth.places import Places
from bunbase.tenant_auth.settings import TenantAuthSettings
from bunbase.tenant_auth.store import Stores
from bunbase.tenant_auth.store.sessions import NewSession

REFRESH_PREFIX: Final = "urt"


class Parts:
    def __init__(
        self, stores: Stores, passwords: Passwords, access: UserTokens, settings: TenantAuthSettings, clock: Clock
    ) -> None:
        self.stores = stores
        self.passwords = passwords
        self.access = access
        self.settings = settings
        self.clock = clock
        self.places = Places(settings.max_users_per_project, stores.users.count)

    async def new_session(self, caller: Caller, person: Person, claims: dict[str, Any]) -> NewSession:
        """Sign a session's first tokens; nothing is stored yet."""
        now = self.clock.now()
        session = new_session(person.user.id, caller.ip, caller.agent, now, self.settings)
        subject = Subject(person.user, person.version, session.id, claims)
        pair = await self.new_pair(caller.project, subject, session.expires_at, now)
        return NewSession(session, person.version, pair, claims)

    async def new_pair(self, project: str, subject: Subject, session_expires_at: datetime, now: datetime) -> Pair:
        access = await self.access.sign(project, subject, now)
        pair = new_pair(REFRESH_PREFIX, access, session_expires_at, now, self.settings)
        return msgspec.structs.replace(pair, version=subject.version)

    async def account(self, project: str, id: str) -> Person:
        """Give the user of a token. Raises: Unauthenticated when there is none any more."""
        person = await self.stores.users.by_id(project, id)
        if person is None:
            raise account_gone()
        return person

    def signed_in(self, user: User, pair: Pair) -> UserSignedIn:
        return UserSignedIn(user, pair.access_token, pair.refresh_token, pair.expires_in(self.clock.now()))

    def revoked_until(self, now: datetime) -> float:
        return revoked_until(now, self.settings)


def keyed_project(caller: Caller) -> str:
    """Give the project whose key was sent; either kind will do. Raises: Unauthenticated."""
    if caller.kind not in (CallerKind.PUBLISHABLE, CallerKind.SECRET) or not caller.project:
        raise Unauthenticated("Send the project's key: X-Bunbase-Key: pk_… or sk_….")
    return caller.project


def managed_project(caller: Caller, role: Role) -> str:
    """Give the project whose users the caller may manage; `role`: what a developer must be. Raises: Unauthenticated,
    Forbidden."""
    match caller.kind:
        case CallerKind.SECRET:
            pass
        case CallerKind.DEVELOPER:
            caller.need(role)
        case CallerKind.PUBLISHABLE:
            raise Forbidden("Users are managed with the project's secret key, from a server.")
        case CallerKind.ANONYMOUS:
            raise Unauthenticated("Send the project's secret key: X-Bunbase-Key: sk_….")
        case _ as never:
            assert_never(never)
    return caller.project


def account_gone() -> Unauthenticated:
    return Unauthenticated("This account is no more.")


def existing(person: Person | None) -> Person:
    """Raises: UserNotFound."""
    if person is None:
        raise no_such_user()
    return person


def no_such_user() -> UserNotFound:
    return UserNotFound("The project has no user with this id; list them with GET /v1/auth/users.")
