"""The service of tenant_auth, one part per file: sign-in, sessions, a user's own profile, and administration."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from bunbase.contracts.bunauth.tokens import FirstUse, Jwks
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.caller import Caller
from bunbase.contracts.functions.hooks import OF_USERS
from bunbase.contracts.functions.service import Functions
from bunbase.contracts.revocations import Revocation
from bunbase.contracts.tenant_auth.active_users import ActiveMonth
from bunbase.contracts.tenant_auth.activity import ActivityFilter, ManagedActivity, OwnActivity
from bunbase.contracts.tenant_auth.cookies import CookieAccess, CookieMode
from bunbase.contracts.tenant_auth.identities import UserCodeExchange
from bunbase.contracts.tenant_auth.pages import UserPage
from bunbase.contracts.tenant_auth.proofs import Reauthenticated
from bunbase.contracts.tenant_auth.sessions import OwnSessions, UserSignedIn
from bunbase.contracts.tenant_auth.settings import ShownAuth
from bunbase.contracts.tenant_auth.sign_in_page import PageEnd, PageRequest, Shown, SignInLook
from bunbase.contracts.tenant_auth.signing_keys import RotatedKeys
from bunbase.contracts.tenant_auth.signups import NewUserInvite, OpenUserInvites, SignupDetails, UserInvite, WayBack
from bunbase.contracts.tenant_auth.users import User
from bunbase.pkg.identity.external import (
    ExternalAnswer,
    ExternalRedirect,
    ExternalStart,
    Identities,
    LinkTicket,
    LoginProviders,
)
from bunbase.pkg.identity.factors import (
    PasskeyOptions,
    Proof,
)
from bunbase.pkg.mail.letters import DevMail
from bunbase.tenant_auth.access_tokens import UserTokens
from bunbase.tenant_auth.captchas import Captchas
from bunbase.tenant_auth.page_codes import is_page_code
from bunbase.tenant_auth.places import Places
from bunbase.tenant_auth.pool import Pools
from bunbase.tenant_auth.service.active_months import ActiveMonths
from bunbase.tenant_auth.service.activity import UserActivity
from bunbase.tenant_auth.service.administration import Administration
from bunbase.tenant_auth.service.administration_methods import AdministrationMethods
from bunbase.tenant_auth.service.bulk import Bulk
from bunbase.tenant_auth.service.callers import linked_project
from bunbase.tenant_auth.service.cascade import Cascade
from bunbase.tenant_auth.service.cookies import Cookies
from bunbase.tenant_auth.service.email_change import EmailChange
from bunbase.tenant_auth.service.factor_methods import FactorMethods
from bunbase.tenant_auth.service.hooks import Hooks
from bunbase.tenant_auth.service.impersonation import Impersonation
from bunbase.tenant_auth.service.invites import UserInvites
from bunbase.tenant_auth.service.leaving import Leaving
from bunbase.tenant_auth.service.mail_requests import MailRequests
from bunbase.tenant_auth.service.mailbox_methods import MailboxMethods
from bunbase.tenant_auth.service.open_session import OpenSession
from bunbase.tenant_auth.service.password import Password
from bunbase.tenant_auth.service.profile import Profile
from bunbase.tenant_auth.service.proofs import Proofs
from bunbase.tenant_auth.service.session_tokens import SessionTokens
from bunbase.tenant_auth.service.sessions import Sessions
from bunbase.tenant_auth.service.settings import ProjectSettings
from bunbase.tenant_auth.service.sign_in_pages import SignInPages, look_of
from bunbase.tenant_auth.service.signing_keys import UserKeys
from bunbase.tenant_auth.service.text_messages import TextMessages
from bunbase.tenant_auth.service.totp import Totp
from bunbase.tenant_auth.service.transfers import Transfers
from bunbase.tenant_auth.service.user_links import UserLinks
from bunbase.tenant_auth.service.verify_email import VerifyEmail
from bunbase.tenant_auth.service.ways import Needs, Ways
from bunbase.tenant_auth.sign_up_links import mailed_target


class TenantAuthService(AdministrationMethods, FactorMethods, MailboxMethods):
    """Implements the contract. Every method, here and in the base classes, calls the part that does the work."""

    def __init__(self, pools: Pools, access: UserTokens, functions: Functions, bundoc: Bundoc) -> None:
        stores = pools.stores
        self.stores = stores
        self.pools = pools
        self.access = access
        places = Places(pools.settings.max_users_per_project, stores.users.count)
        self.hooks = Hooks(pools, functions)
        self.tokens = tokens = SessionTokens(access, pools.site.clock, self.hooks.before_token)
        self.opening = OpenSession(stores, pools, tokens, self.hooks)
        self.texts = TextMessages(pools, self.hooks)
        self.mail_requests = MailRequests(stores, pools, self.texts)
        self.proofs = Proofs(pools, tokens)
        self.captchas = Captchas(pools.settings.captcha_urls)
        self.ways = ways = Ways(self.opening, Needs(places, self.mail_requests, self.proofs, self.captchas))
        self.anonymous, self.by_mailbox, self.by_phone = ways.anonymous, ways.by_mailbox, ways.by_phone
        self.external, self.second_factor, self.user_passkeys = ways.external, ways.second_factor, ways.passkeys
        self.sign_in, self.sign_up = ways.sign_in, ways.sign_up
        self.sign_in_pages = SignInPages(ways)
        self.email_change = EmailChange(self.proofs)
        self.cascade = cascade = Cascade(pools, bundoc, functions)
        self.leaving = Leaving(self.proofs, places, cascade)
        self.password = Password(self.mail_requests, self.proofs, self.captchas)
        self.sessions = Sessions(stores, pools, tokens)
        self.cookies = Cookies(self.sessions)
        self.profile = Profile(stores.users)
        self.invites = UserInvites(pools)
        self.settings = ProjectSettings(pools, self.hooks)
        self.keys = UserKeys(pools, access)
        self.totp = Totp(self.proofs)
        self.verify_email = VerifyEmail(self.mail_requests, self.captchas)
        self.transfers = Transfers(self.opening, places)
        self.administration = Administration(self.opening, places, cascade)
        self.bulk = Bulk(pools, self.administration, cascade)
        self.active_months = ActiveMonths(stores, tokens.active, pools.site.clock)
        self.impersonation = Impersonation(self.opening)
        self.user_links = UserLinks(pools)
        self.activity = UserActivity(pools)

    async def signup(
        self,
        caller: Caller,
        email: str,
        password: str,
        data: dict[str, Any],
        captcha: str = "",
        details: SignupDetails | None = None,
    ) -> UserSignedIn | None:
        return await self.sign_up.sign_up(caller, email, password, data, captcha, details or SignupDetails())

    async def invite_user(self, caller: Caller, new: NewUserInvite) -> UserInvite:
        return await self.invites.invite(caller, new)

    async def user_invites(self, caller: Caller, limit: int, cursor: str | None) -> OpenUserInvites:
        return await self.invites.list_open(caller, limit, cursor)

    async def withdraw_user_invite(self, caller: Caller, id: str) -> None:
        await self.invites.withdraw(caller, id)

    async def confirm_user_signup(self, caller: Caller, token: str, password: str) -> UserSignedIn:
        return await self.sign_up.confirm(caller, token, password)

    async def open_confirmed_user(self, caller: Caller, token: str, password: str) -> WayBack:
        return await self.sign_in_pages.open_confirmed(caller, token, password)

    async def sign_in_anonymously(self, caller: Caller, data: dict[str, Any], captcha: str = "") -> UserSignedIn:
        return await self.anonymous.sign_in(caller, data, captcha)

    async def login(self, caller: Caller, email: str, password: str) -> UserSignedIn:
        return await self.sign_in.with_password(caller, email, password)

    async def login_with_custom_token(self, caller: Caller, token: str) -> UserSignedIn:
        return await self.sign_in.with_custom_token(caller, token)

    async def refresh(self, caller: Caller, refresh_token: str) -> UserSignedIn:
        return await self.sessions.refresh(caller, refresh_token)

    async def logout(self, caller: Caller) -> None:
        await self.sessions.end_own(caller)

    async def cookie_mode(self, project: str) -> CookieMode:
        return await self.cookies.mode(project)

    async def is_cookie_origin(self, origin: str) -> bool:
        return await self.cookies.is_origin(origin)

    async def cookie_access(self, project: str, cookie: str, anew: bool) -> CookieAccess:
        return await self.cookies.access(project, cookie, anew)

    async def rotate_user_keys(self, caller: Caller, now: bool) -> RotatedKeys:
        return await self.keys.rotate(caller, now)

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

    async def knows_address(self, project: str, account: str, ip: str) -> bool:
        return await self.sessions.knows_address(project, account, ip)

    async def me(self, caller: Caller) -> User:
        return await self.profile.read(caller)

    async def update_me(
        self, caller: Caller, data: dict[str, Any] | None, language: str | None = None, name: str | None = None
    ) -> User:
        return await self.profile.change(caller, data, language, name)

    async def reauthenticate(self, caller: Caller, proof: Proof) -> Reauthenticated:
        return await self.proofs.reauthenticate(caller, proof)

    async def proof_options(self, caller: Caller) -> PasskeyOptions:
        return await self.proofs.passkey_options(caller)

    async def user_login_providers(self, caller: Caller) -> LoginProviders:
        return await self.external.providers(caller)

    async def start_user_login(self, caller: Caller, provider: str, start: ExternalStart) -> ExternalRedirect:
        return await self.external.start(caller, provider, start)

    async def finish_user_login(self, provider: str, answer: ExternalAnswer) -> ExternalRedirect:
        return await self.external.finish(provider, answer)

    async def exchange_user_code(self, caller: Caller, exchange: UserCodeExchange) -> UserSignedIn:
        part = self.sign_in_pages if is_page_code(exchange.code) else self.external
        return await part.exchange(caller, exchange)

    async def create_user_link_ticket(self, caller: Caller, provider: str) -> LinkTicket:
        return await self.external.ticket(caller, provider)

    async def user_identities(self, caller: Caller) -> Identities:
        return await self.external.list(caller)

    async def delete_user_identity(self, caller: Caller, id: str) -> None:
        await self.external.delete(caller, id)

    async def change_user_password(self, caller: Caller, password: str, current: str | None) -> None:
        await self.password.change(caller, password, current)

    async def hooks_of_function(self, project: str, function: str) -> tuple[str, ...]:
        hooks = (await self.pools.of(project)).auth.hooks
        return tuple(hook.value for hook in OF_USERS if getattr(hooks, hook) == function)

    async def project_auth(self, caller: Caller) -> ShownAuth:
        return await self.settings.read(caller)

    async def change_project_auth(self, caller: Caller, patch: dict[str, Any], version: int | None) -> ShownAuth:
        return await self.settings.change(caller, patch, version)

    async def mailed_target(self, caller: Caller, token: str) -> str:
        return await mailed_target(await self.pools.of(linked_project(caller)), token)

    async def user_page(self, caller: Caller) -> UserPage:
        return look_of(await self.pools.of(linked_project(caller)))

    async def sign_in_look(self, caller: Caller, request: PageRequest) -> SignInLook:
        return await self.sign_in_pages.look(caller, request)

    async def sign_in_on_page(self, caller: Caller, request: PageRequest, shown: Shown) -> PageEnd:
        return await self.sign_in_pages.end(caller, request, shown)

    async def start_service_on_page(
        self, caller: Caller, request: PageRequest, provider: str, back: str, browser: str
    ) -> ExternalRedirect:
        return await self.sign_in_pages.start(caller, request, provider, back, browser)

    async def mail_link_of_page(
        self, caller: Caller, request: PageRequest, email: str, back: str, captcha: str
    ) -> None:
        await self.sign_in_pages.mail_link(caller, request, email, back, captcha)

    async def passkey_options_on_page(self, caller: Caller, challenge: str | None) -> PasskeyOptions:
        return await self.sign_in_pages.passkey_options(caller, challenge)

    async def dev_mails(self, to: str, project: str, limit: int, before: str) -> tuple[DevMail, ...]:
        return tuple(await self.stores.mails.dev_mails(to, project, limit, before))

    async def delete_me(self, caller: Caller) -> None:
        await self.leaving.delete(caller)

    async def own_user_activity(self, caller: Caller, limit: int, cursor: str | None) -> OwnActivity:
        return await self.activity.own(caller, limit, cursor)

    async def user_activity(self, caller: Caller, id: str, limit: int, cursor: str | None) -> ManagedActivity:
        return await self.activity.of_user(caller, id, limit, cursor)

    async def project_user_activity(
        self, caller: Caller, only: ActivityFilter, limit: int, cursor: str | None
    ) -> ManagedActivity:
        return await self.activity.of_project(caller, only, limit, cursor)

    async def monthly_active_users(self, project: str) -> tuple[ActiveMonth, ...]:
        return await self.active_months.of_project(project)

    async def active_users_of_installation(self) -> int:
        return await self.active_months.of_all()

    async def drop_project(self, project: str) -> None:
        self.active_months.active.forget(project)
        await self.administration.drop_project(project)

    async def jwks(self, project: str) -> Jwks:
        return await self.access.jwks(project)

    def revocations(self) -> AsyncIterator[Revocation]:
        return self.stores.feed.follow()
