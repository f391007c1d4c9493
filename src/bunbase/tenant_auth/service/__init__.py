"""The service of tenant-auth, one part per file: sign-in, sessions, a user's own profile, and administration."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from bunbase.contracts.bunauth.tokens import Jwks
from bunbase.contracts.caller import Caller
from bunbase.contracts.revocations import Revocation
from bunbase.contracts.tenant_auth import (
    CustomToken,
    ManagedUser,
    ManagedUsers,
    NewUser,
    User,
    UserChanges,
    UserFilter,
    UserSessions,
    UserSignedIn,
)
from bunbase.pkg.clock import Clock
from bunbase.pkg.passwords import Passwords
from bunbase.tenant_auth.access_tokens import UserTokens
from bunbase.tenant_auth.places import Places
from bunbase.tenant_auth.service.administration import Administration
from bunbase.tenant_auth.service.profile import Profile
from bunbase.tenant_auth.service.session_tokens import SessionTokens
from bunbase.tenant_auth.service.sessions import Sessions
from bunbase.tenant_auth.service.sign_in import SignIn
from bunbase.tenant_auth.settings import TenantAuthSettings
from bunbase.tenant_auth.store import Stores


class TenantAuthService:
    """Implements the contract: every method calls the part that does the work."""

    def __init__(
        self, stores: Stores, passwords: Passwords, access: UserTokens, settings: TenantAuthSettings, clock: Clock
    ) -> None:
        self.stores = stores
        self.access = access
        places = Places(settings.max_users_per_project, stores.users.count)
        tokens = SessionTokens(access, settings, clock, stores.lifetimes.longest_seconds)
        self.sign_in = SignIn(stores, passwords, places, tokens)
        self.sessions = Sessions(stores, tokens)
        self.profile = Profile(stores.users)
        self.administration = Administration(stores, passwords, places, tokens)

    async def signup(self, caller: Caller, email: str, password: str, data: dict[str, Any]) -> UserSignedIn:
        return await self.sign_in.sign_up(caller, email, password, data)

    async def login(self, caller: Caller, email: str, password: str) -> UserSignedIn:
        return await self.sign_in.with_password(caller, email, password)

    async def login_with_custom_token(self, caller: Caller, token: str) -> UserSignedIn:
        return await self.sign_in.with_custom_token(caller, token)

    async def refresh(self, caller: Caller, refresh_token: str) -> UserSignedIn:
        return await self.sessions.refresh(caller, refresh_token)

    async def logout(self, caller: Caller) -> None:
        await self.sessions.end_own(caller)

    async def session_alive(self, project: str, session: str, version: int) -> bool:
        return await self.sessions.is_alive(project, session, version)

    async def knows_address(self, project: str, email: str, ip: str) -> bool:
        return await self.sessions.knows_address(project, email, ip)

    async def me(self, caller: Caller) -> User:
        return await self.profile.read(caller)

    async def update_me(self, caller: Caller, data: dict[str, Any]) -> User:
        return await self.profile.replace_data(caller, data)

    async def users(self, caller: Caller, only: UserFilter, limit: int, cursor: str | None) -> ManagedUsers:
        return await self.administration.list_users(caller, only, limit, cursor)

    async def user(self, caller: Caller, id: str) -> ManagedUser:
        return await self.administration.get_user(caller, id)

    async def create_user(self, caller: Caller, new: NewUser) -> ManagedUser:
        return await self.administration.create_user(caller, new)

    async def update_user(self, caller: Caller, id: str, changes: UserChanges) -> ManagedUser:
        return await self.administration.update_user(caller, id, changes)

    async def delete_user(self, caller: Caller, id: str) -> None:
        await self.administration.delete_user(caller, id)

    async def user_sessions(self, caller: Caller, id: str, limit: int, cursor: str | None) -> UserSessions:
        return await self.administration.list_sessions(caller, id, limit, cursor)

    async def end_user_sessions(self, caller: Caller, id: str) -> None:
        await self.administration.end_sessions(caller, id)

    async def custom_token(self, caller: Caller, uid: str, claims: dict[str, Any]) -> CustomToken:
        return await self.administration.make_custom_token(caller, uid, claims)

    async def drop_project(self, project: str) -> None:
        await self.administration.drop_project(project)

    async def jwks(self, project: str) -> Jwks:
        return await self.access.jwks(project)

    def revocations(self) -> AsyncIterator[Revocation]:
        return self.stores.feed.follow()
