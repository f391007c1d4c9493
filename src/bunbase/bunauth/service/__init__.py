"""The service of BunAuth, one part per file: registration, sign-in, sessions, personal tokens, and their checks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from bunbase.bunauth.access_tokens import AccessTokens
from bunbase.bunauth.service.email import Email
from bunbase.bunauth.service.exchange import Exchange
from bunbase.bunauth.service.external_accounts import ExternalAccounts
from bunbase.bunauth.service.external_login import ExternalLogins
from bunbase.bunauth.service.invites import InviteService
from bunbase.bunauth.service.leaving import Leaving
from bunbase.bunauth.service.letters import APP, Letters
from bunbase.bunauth.service.mail_requests import MailRequests
from bunbase.bunauth.service.new_passwords import NewPasswords
from bunbase.bunauth.service.password import Password
from bunbase.bunauth.service.personal_tokens import PersonalTokenService
from bunbase.bunauth.service.profile import Profile
from bunbase.bunauth.service.proofs import Proofs
from bunbase.bunauth.service.registration import Registration
from bunbase.bunauth.service.session_tokens import SessionTokens
from bunbase.bunauth.service.sessions import Sessions
from bunbase.bunauth.service.sign_in import SignIn
from bunbase.bunauth.service.verification import Verification
from bunbase.bunauth.settings import BunAuthSettings
from bunbase.bunauth.store import Stores
from bunbase.contracts.bunauth.accounts import (
    Account,
    AccountSessions,
    EmailConfirmed,
    NewAccount,
    ProfileChanges,
    Proof,
    Registered,
    SignedIn,
    SignupState,
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
from bunbase.contracts.bunauth.invites import Invite, Invites
from bunbase.contracts.bunauth.tokens import (
    Discovery,
    FirstUse,
    Jwks,
    PersonalToken,
    PersonalTokens,
    ServiceToken,
    Verified,
)
from bunbase.contracts.caller import Caller
from bunbase.contracts.revocations import Revocation
from bunbase.pkg.mail.letters import DevMail
from bunbase.pkg.modules import Site
from bunbase.pkg.oidc.person import Provider
from bunbase.pkg.oidc.settings import ProviderSettings
from bunbase.pkg.password_rules import Breached, PasswordRules
from bunbase.pkg.passwords import Passwords


class BunAuthService:
    """Implements the contract: every method calls the part that does the work."""

    def __init__(
        self,
        stores: Stores,
        passwords: Passwords,
        access: AccessTokens,
        settings: BunAuthSettings,
        site: Site,
        breached: Breached | None = None,
        providers: Mapping[str, tuple[ProviderSettings, Provider]] | None = None,
    ) -> None:
        self.stores = stores
        self.access = access
        self.site = site
        tokens = SessionTokens(stores, access, settings, site.clock)
        letters = Letters(site.public_url)
        new_passwords = NewPasswords(passwords, PasswordRules(APP, breached))
        self.mail_requests = MailRequests(stores, letters, site.clock)
        self.invitations = InviteService(stores, letters, site.clock)
        self.registration = Registration(
            stores, new_passwords, tokens, self.mail_requests, self.invitations, settings, site
        )
        self.sign_in = SignIn(stores, passwords, tokens)
        self.account_sessions = Sessions(stores, tokens)
        self.profile = Profile(stores.accounts)
        self.proofs = Proofs(stores, passwords, tokens)
        self.password = Password(stores, new_passwords, self.proofs, tokens, self.mail_requests)
        self.email = Email(stores, self.mail_requests, self.proofs)
        self.external_logins = ExternalLogins(stores, providers or {}, site.public_url, site.clock)
        self.external_accounts = ExternalAccounts(stores, self.external_logins, self.registration, self.proofs, tokens)
        self.leaving = Leaving(stores, self.proofs, tokens)
        self.personal_tokens = PersonalTokenService(stores.personal_tokens, site.clock)
        self.verification = Verification(stores, access, site.clock)
        self.exchanging = Exchange(settings, site.service_tokens)

    async def register(self, caller: Caller, new: NewAccount) -> Registered:
        return await self.registration.register(caller, new)

    async def confirm_signup(self, caller: Caller, token: str, password: str) -> SignedIn:
        return await self.registration.confirm(caller, token, password)

    async def login(self, caller: Caller, email: str, password: str) -> SignedIn:
        return await self.sign_in.with_password(caller, email, password)

    async def refresh(self, caller: Caller, refresh_token: str) -> SignedIn:
        return await self.account_sessions.refresh(refresh_token)

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

    async def reset_password(self, token: str, password: str) -> None:
        await self.password.reset(token, password)

    async def request_email_verification(self, email: str) -> None:
        await self.email.request_verification(email)

    async def verify_email(self, token: str) -> EmailConfirmed:
        return await self.email.verify(token)

    async def request_email_change(self, caller: Caller, email: str) -> None:
        await self.email.request_change(caller, email)

    async def confirm_email_change(self, token: str) -> EmailConfirmed:
        return await self.email.confirm_change(token)

    async def delete_account(self, caller: Caller) -> None:
        await self.leaving.delete(caller)

    async def create_invite(self, caller: Caller, email: str | None, role: str) -> Invite:
        return await self.invitations.create(caller, email, role)

    async def invites(self, caller: Caller, limit: int, cursor: str | None) -> Invites:
        return await self.invitations.list(caller, limit, cursor)

    async def delete_invite(self, caller: Caller, id: str) -> None:
        await self.invitations.delete(caller, id)

    async def reauthenticate(self, caller: Caller, proof: Proof) -> None:
        await self.proofs.reauthenticate(caller, proof)

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

    async def sessions(self, caller: Caller, limit: int, cursor: str | None) -> AccountSessions:
        return await self.account_sessions.list_own(caller, limit, cursor)

    async def end_session(self, caller: Caller, id: str) -> None:
        await self.account_sessions.end_one(caller, id)

    async def end_sessions(self, caller: Caller, keep_current: bool) -> None:
        await self.account_sessions.end_all(caller, keep_current)

    async def note_first_uses(self, uses: tuple[FirstUse, ...]) -> None:
        await self.account_sessions.note_first_uses(uses)

    async def verify(self, token: str) -> Verified:
        return await self.verification.verify(token)

    async def jwks(self) -> Jwks:
        return self.access.jwks

    async def discovery(self) -> Discovery:
        return Discovery(self.access.issuer, f"{self.site.public_url}/.well-known/jwks.json")

    async def create_token(
        self, caller: Caller, name: str, scopes: tuple[str, ...], expires_in_seconds: int | None
    ) -> PersonalToken:
        return await self.personal_tokens.create(caller, name, scopes, expires_in_seconds)

    async def tokens(self, caller: Caller) -> PersonalTokens:
        return await self.personal_tokens.list(caller)

    async def delete_token(self, caller: Caller, id: str) -> None:
        await self.personal_tokens.delete(caller, id)

    async def exchange(self, client_id: str, client_secret: str) -> ServiceToken:
        return self.exchanging.service_token(client_id, client_secret)

    async def knows_address(self, email: str, ip: str) -> bool:
        return await self.account_sessions.knows_address(email, ip)

    async def signup_state(self) -> SignupState:
        return await self.registration.state()

    async def dev_mails(self, to: str, project: str, limit: int, before: str) -> tuple[DevMail, ...]:
        return tuple(await self.stores.mails.dev_mails(to, project, limit, before))

    def revocations(self) -> AsyncIterator[Revocation]:
        return self.stores.feed.follow()
