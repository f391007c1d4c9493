"""The service of BunAuth, one part per file: registration, sign-in, sessions, personal tokens, and their checks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from bunbase.bunauth.access_tokens import AccessTokens
from bunbase.bunauth.service.administration import Administration
from bunbase.bunauth.service.device_logins import Approvers, DeviceLogins
from bunbase.bunauth.service.email import Email
from bunbase.bunauth.service.exchange import Exchange
from bunbase.bunauth.service.external_accounts import ExternalAccounts, external_logins
from bunbase.bunauth.service.factor_removal import FactorRemoval
from bunbase.bunauth.service.factors import factor_checks
from bunbase.bunauth.service.invites import InviteService
from bunbase.bunauth.service.leaving import Leaving
from bunbase.bunauth.service.letters import APP, Letters
from bunbase.bunauth.service.mail_requests import MailRequests
from bunbase.bunauth.service.new_devices import NewDevices
from bunbase.bunauth.service.newcomers import NewcomerMethods, NewcomerService
from bunbase.bunauth.service.openid.authorizations import AuthorizationService
from bunbase.bunauth.service.openid.clients import OAuthClientService
from bunbase.bunauth.service.openid.metadata import discovery
from bunbase.bunauth.service.openid.pages import PAGE_SESSION_SECONDS, SignInPages
from bunbase.bunauth.service.openid.signers import Signers
from bunbase.bunauth.service.openid.token_checks import TokenChecks
from bunbase.bunauth.service.openid.tokens import OAuthTokenService
from bunbase.bunauth.service.page_passes import PagePasses
from bunbase.bunauth.service.page_sign_in import PageSignIn
from bunbase.bunauth.service.page_ways_in import PageWaysIn
from bunbase.bunauth.service.passkeys import PasskeyService
from bunbase.bunauth.service.password import Password
from bunbase.bunauth.service.personal_tokens import PersonalTokenService
from bunbase.bunauth.service.profile import Profile
from bunbase.bunauth.service.proofs import Proofs
from bunbase.bunauth.service.registration import Registration, admissions
from bunbase.bunauth.service.second_factor import SecondFactorSignIn
from bunbase.bunauth.service.session_tokens import POOL, SessionTokens
from bunbase.bunauth.service.sessions import Sessions
from bunbase.bunauth.service.sign_in import SignIn
from bunbase.bunauth.service.signing import Signing
from bunbase.bunauth.service.totp import Totp
from bunbase.bunauth.service.verification import Verification
from bunbase.bunauth.settings import BunAuthSettings
from bunbase.bunauth.store import Stores
from bunbase.contracts.bunauth.accounts import (
    Account,
    AccountSessions,
    EmailConfirmed,
    NewAccount,
    PasswordReset,
    ProfileChanges,
    Proof,
    Registered,
    SignedIn,
    SignupState,
)
from bunbase.contracts.bunauth.activity import AccountActivity, UnauditedActivity
from bunbase.contracts.bunauth.administration import AccountRole, ManagedAccount, ManagedAccounts
from bunbase.contracts.bunauth.devices import DeviceLogin, WaitingDevice
from bunbase.contracts.bunauth.factors import (
    NewTotp,
    Passkey,
    PasskeyOptions,
    Passkeys,
    RecoveryCodes,
    SecondFactor,
    TotpState,
)
from bunbase.contracts.bunauth.identities import (
    CodeExchange,
    ExternalAnswer,
    ExternalRedirect,
    ExternalStart,
    Identities,
    LinkTicket,
    LoginProviders,
)
from bunbase.contracts.bunauth.invites import AccountInvitation, AccountInvite, AccountInvites
from bunbase.contracts.bunauth.openid import (
    Authorizations,
    Introspection,
    NewOAuthClient,
    OAuthClient,
    OAuthClients,
    OAuthTokens,
    PageSession,
    PageStep,
    UserInfo,
)
from bunbase.contracts.bunauth.page_sign_in import ActPage, PagePass, PageReturn, PageWays
from bunbase.contracts.bunauth.tokens import (
    Discovery,
    FirstUse,
    Jwks,
    PersonalToken,
    PersonalTokens,
    ServiceToken,
    Verified,
)
from bunbase.contracts.bunkms import Kms
from bunbase.contracts.caller import Caller
from bunbase.contracts.revocations import Revocation
from bunbase.pkg.mail.letters import DevMail
from bunbase.pkg.modules import Site
from bunbase.pkg.new_passwords import NewPasswords
from bunbase.pkg.oidc.person import Provider
from bunbase.pkg.oidc.settings import ProviderSettings
from bunbase.pkg.openid_provider.client_credentials import ClientCredentials
from bunbase.pkg.password_rules import Breached, PasswordRules
from bunbase.pkg.passwords import Passwords


@dataclass(frozen=True)
class Helpers:
    """The objects that the service uses besides its stores.

    `breached`: None if the settings name no list of breached passwords.
    `providers`: the services by which people sign in, by their names.
    """

    passwords: Passwords
    access: AccessTokens
    kms: Kms
    breached: Breached | None = None
    providers: Mapping[str, tuple[ProviderSettings, Provider]] = field(default_factory=dict)


class BunAuthService(NewcomerMethods):
    """Implements the contract: every method calls the part that does the work."""

    def __init__(
        self,
        stores: Stores,
        helpers: Helpers,
        settings: BunAuthSettings,
        site: Site,
    ) -> None:
        passwords, access = helpers.passwords, helpers.access
        self.stores = stores
        self.access = access
        self.site = site
        letters = Letters(site.public_url)
        devices = NewDevices(stores, letters, site.clock, settings.sign_in_notices)
        tokens = SessionTokens(stores, access, settings, site.clock, devices)
        self.account_activity = tokens.activity
        new_passwords = NewPasswords(passwords, PasswordRules(APP, helpers.breached), POOL)
        self.mail_requests = MailRequests(stores, letters, site.clock)
        self.invitations = InviteService(stores, letters, site.clock)
        admitted = admissions(self.invitations, settings, site)
        self.registration = Registration(stores, new_passwords, tokens, self.mail_requests, admitted)
        self.sign_in = SignIn(stores, passwords, tokens)
        self.account_sessions = Sessions(stores, tokens)
        self.profile = Profile(stores.accounts)
        checks = factor_checks(stores, helpers.kms, letters.account, site)
        self.proofs = Proofs(stores, passwords, checks, tokens)
        self.second_factor = SecondFactorSignIn(checks, tokens)
        self.page_passes = PagePasses(stores, tokens)
        self.page_sign_in = PageSignIn(self.sign_in, self.second_factor, self.account_sessions, self.page_passes)
        approvers = Approvers(self.page_sign_in, self.proofs)
        self.device_logins = DeviceLogins(stores, tokens, approvers, site.public_url)
        self.totp = Totp(stores, self.proofs)
        self.account_passkeys = PasskeyService(stores, self.proofs, tokens)
        self.factor_removal = FactorRemoval(self.totp, self.proofs)
        self.password = Password(stores, new_passwords, self.proofs, tokens, self.mail_requests)
        self.email = Email(stores, self.mail_requests, self.proofs)
        self.external_logins = external_logins(stores, helpers.providers, site)
        self.external_accounts = ExternalAccounts(stores, self.external_logins, self.registration, self.proofs, tokens)
        self.newcomers = NewcomerService(self.external_accounts)
        ways = (self.page_passes, self.newcomers, self.second_factor)
        self.page_ways_in = PageWaysIn(*ways, self.account_passkeys.passkeys, site.public_url)
        self.leaving = Leaving(stores, self.proofs, tokens, letters.account)
        self.personal_tokens = PersonalTokenService(stores.personal_tokens, self.proofs)
        self.verification = Verification(stores, access, site.clock)
        self.signing = Signing(access.keys, self.proofs)
        self.administration = Administration(stores, self.proofs, tokens, letters.account)
        self.exchanging = Exchange(settings, site.service_tokens)
        page_settings = msgspec.structs.replace(settings, session_ttl_seconds=PAGE_SESSION_SECONDS)
        page_tokens = tokens.changed(page_settings)
        signers = Signers(tokens, f"{site.public_url.rstrip('/')}/oauth/userinfo")
        self.oauth_client_service = OAuthClientService(stores, self.proofs, tokens)
        self.sign_in_pages = SignInPages(
            stores,
            SignIn(stores, passwords, page_tokens),
            SecondFactorSignIn(checks, page_tokens),
            self.oauth_client_service,
            page_tokens,
            self.page_passes,
        )
        of_clients = (stores, self.oauth_client_service, signers, self.account_sessions)
        self.oauth_tokens = OAuthTokenService(*of_clients)
        self.token_checks = TokenChecks(*of_clients, self.verification)
        self.authorization_service = AuthorizationService(stores, tokens)

    async def register(self, caller: Caller, new: NewAccount) -> Registered:
        return await self.registration.register(caller, new)

    async def confirm_signup(self, caller: Caller, token: str, password: str) -> SignedIn:
        return await self.registration.confirm(caller, token, password)

    async def open_account(self, caller: Caller, token: str, password: str) -> Account:
        return (await self.registration.open_confirmed(caller, token, password)).account()

    async def signup_address(self, token: str) -> str:
        return await self.registration.address_of(token)

    async def login(self, caller: Caller, email: str, password: str) -> SignedIn:
        return await self.sign_in.with_password(caller, email, password)

    async def start_device_login(self, caller: Caller, client: str) -> DeviceLogin:
        return await self.device_logins.start(caller, client)

    async def poll_device_login(self, caller: Caller, device_code: str) -> SignedIn:
        return await self.device_logins.poll(caller, device_code)

    async def waiting_device(self, user_code: str) -> WaitingDevice:
        return await self.device_logins.waiting(user_code)

    async def decide_device_login(self, caller: Caller, user_code: str, approve: bool) -> None:
        await self.device_logins.decide(caller, user_code, approve)

    async def decide_device_login_by_password(
        self, caller: Caller, user_code: str, email: str, password: str, approve: bool
    ) -> None:
        await self.device_logins.decide_by_password(caller, user_code, email, password, approve)

    async def decide_device_login_by_code(
        self, caller: Caller, user_code: str, challenge: str, code: str, approve: bool
    ) -> int | None:
        return await self.device_logins.decide_by_code(caller, user_code, challenge, code, approve)

    async def identify_by_password(self, caller: Caller, email: str, password: str) -> Account:
        return await self.page_sign_in.by_password(caller, email, password)

    async def identify_by_code(self, caller: Caller, challenge: str, code: str) -> Account:
        return await self.page_sign_in.by_code(caller, challenge, code)

    async def identify_by_pass(self, caller: Caller, to: ActPage, cookie: str) -> Account:
        return await self.page_sign_in.by_pass(caller, to, cookie)

    async def decide_device_login_by_pass(self, caller: Caller, user_code: str, cookie: str, approve: bool) -> None:
        await self.device_logins.decide_by_pass(caller, user_code, cookie, approve)

    async def start_page_sign_in(self, provider: str, to: ActPage, browser: str) -> ExternalRedirect:
        return await self.page_ways_in.start(provider, to, browser)

    async def finish_page_sign_in(self, caller: Caller, back: PageReturn) -> PagePass:
        return await self.page_ways_in.finish(caller, back)

    async def page_second_factor(self, caller: Caller, to: ActPage, challenge: str, code: str) -> PagePass:
        return await self.page_ways_in.by_code(caller, to, challenge, code)

    async def page_passkey(self, caller: Caller, to: ActPage, challenge: str, credential: dict[str, Any]) -> PagePass:
        return await self.page_ways_in.by_passkey(caller, to, challenge, credential)

    async def page_ways(self, to: ActPage, cookie: str) -> PageWays:
        return await self.page_ways_in.ways(to, cookie)

    async def login_with_second_factor(self, caller: Caller, challenge: str, answer: SecondFactor) -> SignedIn:
        return await self.second_factor.finish(caller, challenge, answer)

    async def passkey_login_options(self, challenge: str | None) -> PasskeyOptions:
        if challenge is None:
            return await self.account_passkeys.sign_in_options()
        return await self.second_factor.passkey_options(challenge)

    async def login_with_passkey(self, caller: Caller, credential: dict[str, Any]) -> SignedIn:
        return await self.account_passkeys.sign_in(caller, credential)

    async def refresh(self, caller: Caller, refresh_token: str) -> SignedIn:
        return await self.account_sessions.refresh(caller, refresh_token)

    async def logout(self, caller: Caller) -> None:
        await self.account_sessions.end_own(caller)

    async def me(self, caller: Caller) -> Account:
        return await self.profile.read(caller)

    async def update_me(self, caller: Caller, changes: ProfileChanges) -> Account:
        return await self.profile.change(caller, changes)

    async def change_password(self, caller: Caller, password: str, current: str | None) -> None:
        await self.password.change(caller, password, current)

    async def request_password_reset(self, email: str) -> None:
        await self.password.request_reset(email)

    async def reset_password(self, caller: Caller, token: str, password: str) -> PasswordReset:
        return await self.password.reset(caller, token, password)

    async def request_email_verification(self, email: str) -> None:
        await self.email.request_verification(email)

    async def verify_email(self, caller: Caller, token: str) -> EmailConfirmed:
        return await self.email.verify(caller, token)

    async def request_email_change(self, caller: Caller, email: str) -> None:
        await self.email.request_change(caller, email)

    async def confirm_email_change(self, caller: Caller, token: str) -> EmailConfirmed:
        return await self.email.confirm_change(caller, token)

    async def check_account_deletion(self, caller: Caller) -> None:
        await self.leaving.check(caller)

    async def delete_account(self, caller: Caller) -> None:
        await self.leaving.delete(caller)

    async def create_invite(self, caller: Caller, email: str | None, role: str) -> AccountInvite:
        return await self.invitations.create(caller, email, role)

    async def invites(self, caller: Caller, limit: int, cursor: str | None) -> AccountInvites:
        return await self.invitations.list(caller, limit, cursor)

    async def invitation(self, token: str) -> AccountInvitation:
        return await self.invitations.of_link(token)

    async def accept_invite(self, caller: Caller, new: NewAccount) -> Account:
        return (await self.registration.open_invited(caller, new)).account()

    async def delete_invite(self, caller: Caller, id: str) -> None:
        await self.invitations.delete(caller, id)

    async def reauthenticate(self, caller: Caller, proof: Proof) -> None:
        await self.proofs.reauthenticate(caller, proof)

    async def proof_options(self, caller: Caller) -> PasskeyOptions:
        return await self.proofs.passkey_options(caller)

    async def login_providers(self) -> LoginProviders:
        return self.external_logins.list()

    async def start_external_login(self, provider: str, start: ExternalStart) -> ExternalRedirect:
        return await self.external_logins.start(provider, start)

    async def finish_external_login(self, provider: str, answer: ExternalAnswer) -> ExternalRedirect:
        return await self.external_logins.finish(provider, answer)

    async def exchange_code(self, caller: Caller, exchange: CodeExchange) -> SignedIn:
        return await self.external_accounts.exchange(caller, exchange)

    async def create_link_ticket(self, caller: Caller, provider: str) -> LinkTicket:
        return await self.external_accounts.ticket(caller, provider)

    async def identities(self, caller: Caller) -> Identities:
        return await self.external_accounts.list(caller)

    async def delete_identity(self, caller: Caller, id: str) -> None:
        await self.external_accounts.delete(caller, id)

    async def need_fresh_proof(self, caller: Caller) -> None:
        await self.proofs.need_fresh(caller)

    async def totp_state(self, caller: Caller) -> TotpState:
        return await self.totp.state(caller)

    async def start_totp(self, caller: Caller) -> NewTotp:
        return await self.totp.start(caller)

    async def confirm_totp(self, caller: Caller, code: str) -> RecoveryCodes:
        return await self.totp.confirm(caller, code)

    async def remove_totp(self, caller: Caller) -> None:
        await self.totp.remove(caller)

    async def new_recovery_codes(self, caller: Caller) -> RecoveryCodes:
        return await self.totp.new_codes(caller)

    async def passkeys(self, caller: Caller) -> Passkeys:
        return await self.account_passkeys.list(caller)

    async def passkey_options(self, caller: Caller) -> PasskeyOptions:
        return await self.account_passkeys.registration_options(caller)

    async def register_passkey(self, caller: Caller, credential: dict[str, Any], name: str) -> Passkey:
        return await self.account_passkeys.register(caller, credential, name)

    async def rename_passkey(self, caller: Caller, id: str, name: str) -> None:
        await self.account_passkeys.rename(caller, id, name)

    async def delete_passkey(self, caller: Caller, id: str) -> None:
        await self.account_passkeys.delete(caller, id)

    async def remove_factors(self, caller: Caller, id: str) -> None:
        await self.factor_removal.remove(caller, id)

    async def sessions(self, caller: Caller, limit: int, cursor: str | None) -> AccountSessions:
        return await self.account_sessions.list_own(caller, limit, cursor)

    async def end_session(self, caller: Caller, id: str) -> None:
        await self.account_sessions.end_one(caller, id)

    async def end_sessions(self, caller: Caller, keep_current: bool) -> None:
        await self.account_sessions.end_all(caller, keep_current)

    async def activity(self, caller: Caller, limit: int, cursor: str | None) -> AccountActivity:
        return await self.account_activity.page(caller, limit, cursor)

    async def unaudited_activity(self) -> tuple[UnauditedActivity, ...]:
        return await self.account_activity.unaudited()

    async def activity_audited(self, ids: tuple[str, ...]) -> None:
        await self.stores.activity.note_audited(ids)

    async def note_first_uses(self, uses: tuple[FirstUse, ...]) -> None:
        await self.account_sessions.note_first_uses(uses)

    async def verify(self, token: str) -> Verified:
        return await self.verification.verify(token)

    async def jwks(self) -> Jwks:
        return await self.signing.jwks()

    async def replace_signing_keys(self, caller: Caller) -> None:
        await self.signing.replace_keys(caller)

    async def discovery(self) -> Discovery:
        return discovery(self.access.issuer, self.site.public_url)

    async def create_token(
        self,
        caller: Caller,
        name: str,
        scopes: tuple[str, ...],
        expires_in_seconds: int | None,
        projects: tuple[str, ...] = (),
    ) -> PersonalToken:
        return await self.personal_tokens.create(caller, name, scopes, expires_in_seconds, projects)

    async def tokens(self, caller: Caller) -> PersonalTokens:
        return await self.personal_tokens.list(caller)

    async def delete_token(self, caller: Caller, id: str) -> None:
        await self.personal_tokens.delete(caller, id)

    async def exchange(self, client_id: str, client_secret: str) -> ServiceToken:
        return self.exchanging.service_token(client_id, client_secret)

    async def knows_address(self, email: str, ip: str) -> bool:
        return await self.account_sessions.knows_address(email, ip)

    async def accounts(self, ids: tuple[str, ...]) -> tuple[Account, ...]:
        return await self.profile.read_many(ids)

    async def signup_state(self) -> SignupState:
        return await self.registration.state()

    async def managed_accounts(self, caller: Caller, email: str, limit: int, cursor: str | None) -> ManagedAccounts:
        return await self.administration.accounts(caller, email, limit, cursor)

    async def managed_account(self, caller: Caller, id: str) -> ManagedAccount:
        return await self.administration.account(caller, id)

    async def suspend_account(self, caller: Caller, id: str) -> ManagedAccount:
        return await self.administration.suspend(caller, id)

    async def resume_account(self, caller: Caller, id: str) -> ManagedAccount:
        return await self.administration.resume(caller, id)

    async def set_account_role(self, caller: Caller, id: str, role: AccountRole) -> ManagedAccount:
        return await self.administration.set_role(caller, id, role)

    async def oauth_authorize(self, caller: Caller, sent: dict[str, str], browser: str) -> PageStep:
        return await self.sign_in_pages.authorize(caller, sent, browser)

    async def oauth_page(self, caller: Caller, request: str, browser: str) -> PageStep:
        return await self.sign_in_pages.page(caller, request, browser)

    async def oauth_sign_in(self, caller: Caller, request: str, browser: str, email: str, password: str) -> PageStep:
        return await self.sign_in_pages.sign_in_with_password(caller, request, browser, email, password)

    async def oauth_second_factor(
        self, caller: Caller, request: str, browser: str, challenge: str, code: str
    ) -> PageStep:
        return await self.sign_in_pages.sign_in_with_code(caller, request, browser, challenge, code)

    async def oauth_continue(self, caller: Caller, request: str, browser: str, cookie: str) -> PageStep:
        return await self.sign_in_pages.sign_in_with_pass(caller, request, browser, cookie)

    async def oauth_allow(self, caller: Caller, request: str, client: str) -> PageStep:
        return await self.sign_in_pages.allow(caller, request, client)

    async def oauth_deny(self, request: str, browser: str) -> PageStep:
        return await self.sign_in_pages.deny(request, browser)

    async def oauth_sign_out(self, request: str, browser: str) -> PageStep:
        return await self.sign_in_pages.sign_out(request, browser)

    async def page_session(self, browser: str) -> PageSession | None:
        return await self.sign_in_pages.session(browser)

    async def oauth_token(self, caller: Caller, client: ClientCredentials, sent: dict[str, str]) -> OAuthTokens:
        return await self.oauth_tokens.exchange(caller, client, sent)

    async def oauth_userinfo(self, token: str) -> UserInfo:
        return await self.token_checks.userinfo(token)

    async def oauth_revoke(self, caller: Caller, client: ClientCredentials, token: str) -> None:
        await self.token_checks.revoke(caller, client, token)

    async def oauth_introspect(self, client: ClientCredentials, token: str) -> Introspection:
        return await self.token_checks.introspect(client, token)

    async def oauth_clients(self, caller: Caller) -> OAuthClients:
        return await self.oauth_client_service.list(caller)

    async def create_oauth_client(self, caller: Caller, new: NewOAuthClient) -> OAuthClient:
        return await self.oauth_client_service.create(caller, new)

    async def rotate_oauth_client(self, caller: Caller, id: str) -> OAuthClient:
        return await self.oauth_client_service.rotate(caller, id)

    async def delete_oauth_client(self, caller: Caller, id: str) -> None:
        await self.oauth_client_service.delete(caller, id)

    async def authorizations(self, caller: Caller) -> Authorizations:
        return await self.authorization_service.list(caller)

    async def delete_authorization(self, caller: Caller, id: str) -> None:
        await self.authorization_service.delete(caller, id)

    async def dev_mails(self, to: str, project: str, limit: int, before: str) -> tuple[DevMail, ...]:
        return tuple(await self.stores.mails.dev_mails(to, project, limit, before))

    def revocations(self) -> AsyncIterator[Revocation]:
        return self.stores.feed.follow()
