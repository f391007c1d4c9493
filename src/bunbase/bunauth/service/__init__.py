"""The service of BunAuth, one part per file: registration, sign-in, sessions, personal tokens, and their checks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

import msgspec

from bunbase.bunauth.access_tokens import AccessTokens
from bunbase.bunauth.service.administration import Administration
from bunbase.bunauth.service.administration_methods import AdministrationMethods
from bunbase.bunauth.service.device_logins import Approvers, DeviceLogins
from bunbase.bunauth.service.device_methods import DeviceMethods
from bunbase.bunauth.service.email import Email
from bunbase.bunauth.service.exchange import Exchange
from bunbase.bunauth.service.external_accounts import ExternalAccounts, external_logins
from bunbase.bunauth.service.external_methods import ExternalMethods
from bunbase.bunauth.service.factor_methods import FactorMethods
from bunbase.bunauth.service.factor_removal import FactorRemoval
from bunbase.bunauth.service.factors import factor_checks
from bunbase.bunauth.service.invites import InviteService
from bunbase.bunauth.service.leaving import Leaving
from bunbase.bunauth.service.letters import APP, Letters
from bunbase.bunauth.service.mail_requests import MailRequests
from bunbase.bunauth.service.mailbox_methods import MailboxMethods
from bunbase.bunauth.service.new_devices import NewDevices
from bunbase.bunauth.service.newcomers import NewcomerMethods, NewcomerService
from bunbase.bunauth.service.openid.authorizations import AuthorizationService
from bunbase.bunauth.service.openid.clients import OAuthClientService
from bunbase.bunauth.service.openid.metadata import discovery
from bunbase.bunauth.service.openid.methods import OpenIdMethods
from bunbase.bunauth.service.openid.pages import PAGE_SESSION_SECONDS, SignInPages
from bunbase.bunauth.service.openid.signers import Signers
from bunbase.bunauth.service.openid.token_checks import TokenChecks
from bunbase.bunauth.service.openid.tokens import OAuthTokenService
from bunbase.bunauth.service.page_methods import PageMethods
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
    NewAccount,
    ProfileChanges,
    Registered,
    SignedIn,
    SignupState,
)
from bunbase.contracts.bunauth.activity import AccountActivity, UnauditedActivity
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
from bunbase.pkg.password_rules import Breached, PasswordRules
from bunbase.pkg.passwords import Passwords


@dataclass(frozen=True)
class ServiceParts:
    """The objects that the service uses in addition to its stores.

    `breached`: None if no list of breached passwords is configured.
    `providers`: the services with which people sign in, by name.
    """

    passwords: Passwords
    access: AccessTokens
    kms: Kms
    breached: Breached | None = None
    providers: Mapping[str, tuple[ProviderSettings, Provider]] = field(default_factory=dict)


class BunAuthService(
    AdministrationMethods,
    DeviceMethods,
    ExternalMethods,
    FactorMethods,
    MailboxMethods,
    NewcomerMethods,
    OpenIdMethods,
    PageMethods,
):
    """Implements the contract. Every method, here and in the base classes, calls the part that does the work."""

    def __init__(
        self,
        stores: Stores,
        parts: ServiceParts,
        settings: BunAuthSettings,
        site: Site,
    ) -> None:
        passwords, access = parts.passwords, parts.access
        self.stores = stores
        self.access = access
        self.site = site
        letters = Letters(site.public_url)
        devices = NewDevices(stores, letters, site.clock, settings.sign_in_notices)
        tokens = SessionTokens(stores, access, settings, site.clock, devices)
        self.account_activity = tokens.activity
        new_passwords = NewPasswords(passwords, PasswordRules(APP, parts.breached), POOL)
        self.mail_requests = MailRequests(stores, letters, site.clock)
        self.invitations = InviteService(stores, letters, site.clock)
        admitted = admissions(self.invitations, settings, site)
        self.registration = Registration(stores, new_passwords, tokens, self.mail_requests, admitted)
        self.sign_in = SignIn(stores, passwords, tokens)
        self.account_sessions = Sessions(stores, tokens)
        self.profile = Profile(stores.accounts)
        checks = factor_checks(stores, parts.kms, letters.account, site)
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
        self.external_logins = external_logins(stores, parts.providers, site)
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

    async def login(self, caller: Caller, email: str, password: str) -> SignedIn:
        return await self.sign_in.with_password(caller, email, password)

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

    async def check_account_deletion(self, caller: Caller) -> None:
        await self.leaving.check(caller)

    async def delete_account(self, caller: Caller) -> None:
        await self.leaving.delete(caller)

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

    async def dev_mails(self, to: str, project: str, limit: int, before: str) -> tuple[DevMail, ...]:
        return tuple(await self.stores.mails.dev_mails(to, project, limit, before))

    def revocations(self) -> AsyncIterator[Revocation]:
        return self.stores.feed.follow()
