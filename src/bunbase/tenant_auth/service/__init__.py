"""The service of tenant-auth, one part per file: sign-in, sessions, a user's own profile, and administration."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from bunbase.contracts.bunauth.accounts import EmailConfirmed
from bunbase.contracts.bunauth.tokens import FirstUse, Jwks
from bunbase.contracts.caller import Caller
from bunbase.contracts.revocations import Revocation
from bunbase.contracts.tenant_auth.pages import UserPage
from bunbase.contracts.tenant_auth.sessions import CustomToken, OwnSessions, UserSessions, UserSignedIn
from bunbase.contracts.tenant_auth.settings import ShownAuth
from bunbase.contracts.tenant_auth.signups import NewUserInvite, UserInvite
from bunbase.contracts.tenant_auth.users import ManagedUser, ManagedUsers, NewUser, User, UserChanges, UserFilter
from bunbase.pkg.mail.letters import DevMail
from bunbase.tenant_auth.access_tokens import UserTokens
from bunbase.tenant_auth.places import Places
from bunbase.tenant_auth.pool import Pools
from bunbase.tenant_auth.service.administration import Administration
from bunbase.tenant_auth.service.callers import linked_project
from bunbase.tenant_auth.service.invites import UserInvites
from bunbase.tenant_auth.service.mail_requests import MailRequests
from bunbase.tenant_auth.service.open_session import OpenSession
from bunbase.tenant_auth.service.profile import Profile
from bunbase.tenant_auth.service.proofs import Proofs
from bunbase.tenant_auth.service.session_tokens import SessionTokens
from bunbase.tenant_auth.service.sessions import Sessions
from bunbase.tenant_auth.service.settings import ProjectSettings
from bunbase.tenant_auth.service.sign_in import SignIn
from bunbase.tenant_auth.service.sign_up import SignUp
from bunbase.tenant_auth.service.verify_email import VerifyEmail


class TenantAuthService:
    """Implements the contract: every method calls the part that does the work."""

    def __init__(self, pools: Pools, access: UserTokens) -> None:
        stores = pools.stores
        self.stores = stores
        self.pools = pools
        self.access = access
        places = Places(pools.settings.max_users_per_project, stores.users.count)
        tokens = SessionTokens(access, pools.site.clock)
        self.opening = OpenSession(stores, pools, tokens)
        self.mail_requests = MailRequests(stores, pools)
        self.proofs = Proofs(pools)
        self.sign_in = SignIn(self.opening)
        self.sign_up = SignUp(self.opening, places, self.mail_requests)
        self.sessions = Sessions(stores, pools, tokens)
        self.profile = Profile(stores.users)
        self.invites = UserInvites(pools)
        self.settings = ProjectSettings(pools)
        self.verify_email = VerifyEmail(self.mail_requests)
        self.administration = Administration(self.opening, places)

    async def signup(self, caller: Caller, email: str, password: str, data: dict[str, Any]) -> UserSignedIn | None:
        return await self.sign_up.sign_up(caller, email, password, data)

    async def invite_user(self, caller: Caller, new: NewUserInvite) -> UserInvite:
        return await self.invites.invite(caller, new)

    async def confirm_user_signup(self, caller: Caller, token: str, password: str) -> UserSignedIn:
        return await self.sign_up.confirm(caller, token, password)

    async def open_confirmed_user(self, caller: Caller, token: str, password: str) -> None:
        await self.sign_up.open_confirmed(caller, token, password)

    async def login(self, caller: Caller, email: str, password: str) -> UserSignedIn:
        return await self.sign_in.with_password(caller, email, password)

    async def login_with_custom_token(self, caller: Caller, token: str) -> UserSignedIn:
        return await self.sign_in.with_custom_token(caller, token)

    async def refresh(self, caller: Caller, refresh_token: str) -> UserSignedIn:
        return await self.sessions.refresh(caller, refresh_token)

    async def logout(self, caller: Caller) -> None:
        await self.sessions.end_own(caller)

    async def note_first_uses(self, uses: tuple[FirstUse, ...]) -> None:
        await self.sessions.note_first_uses(uses)

    async def own_sessions(self, caller: Caller, limit: int, cursor: str | None) -> OwnSessions:
        return await self.sessions.list_own(caller, limit, cursor)

    async def end_own_session(self, caller: Caller, id: str) -> None:
        await self.sessions.end_one(caller, id)

    async def end_own_sessions(self, caller: Caller, keep_current: bool) -> None:
        await self.sessions.end_all(caller, keep_current)

    async def session_alive(self, project: str, session: str, version: int) -> bool:
        return await self.sessions.is_alive(project, session, version)

    async def knows_address(self, project: str, email: str, ip: str) -> bool:
        return await self.sessions.knows_address(project, email, ip)

    async def me(self, caller: Caller) -> User:
        return await self.profile.read(caller)

    async def update_me(self, caller: Caller, data: dict[str, Any]) -> User:
        return await self.profile.replace_data(caller, data)

    async def request_user_verification(self, caller: Caller, email: str) -> None:
        await self.verify_email.request(caller, email)

    async def verify_user_email(self, caller: Caller, token: str) -> EmailConfirmed:
        return await self.verify_email.confirm(caller, token)

    async def project_auth(self, caller: Caller) -> ShownAuth:
        return await self.settings.read(caller)

    async def change_project_auth(self, caller: Caller, patch: dict[str, Any], version: int | None) -> ShownAuth:
        return await self.settings.change(caller, patch, version)

    async def user_page(self, caller: Caller) -> UserPage:
        pool = await self.pools.of(linked_project(caller))
        return UserPage(pool.app_name, pool.auth.sign_in_page.languages)

    async def dev_mails(self, to: str, project: str, limit: int, before: str) -> tuple[DevMail, ...]:
        return tuple(await self.stores.mails.dev_mails(to, project, limit, before))

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
