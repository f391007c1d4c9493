"""The service of BunAuth, one part per file: registration, sign-in, sessions, personal tokens, and their checks."""

from __future__ import annotations

from collections.abc import AsyncIterator

from bunbase.bunauth.access_tokens import AccessTokens
from bunbase.bunauth.service.exchange import Exchange
from bunbase.bunauth.service.personal_tokens import PersonalTokenService
from bunbase.bunauth.service.registration import Registration
from bunbase.bunauth.service.session_tokens import SessionTokens
from bunbase.bunauth.service.sessions import Sessions
from bunbase.bunauth.service.sign_in import SignIn
from bunbase.bunauth.service.verification import Verification
from bunbase.bunauth.settings import BunAuthSettings
from bunbase.bunauth.store import Stores
from bunbase.contracts.bunauth.accounts import Account, SignedIn, SignupState
from bunbase.contracts.bunauth.tokens import Discovery, Jwks, PersonalToken, PersonalTokens, ServiceToken, Verified
from bunbase.contracts.caller import Caller
from bunbase.contracts.revocations import Revocation
from bunbase.pkg.modules import Site
from bunbase.pkg.passwords import Passwords


class BunAuthService:
    """Implements the contract: every method calls the part that does the work."""

    def __init__(
        self, stores: Stores, passwords: Passwords, access: AccessTokens, settings: BunAuthSettings, site: Site
    ) -> None:
        self.stores = stores
        self.access = access
        self.site = site
        tokens = SessionTokens(stores, access, settings, site.clock)
        self.registration = Registration(stores, passwords, tokens, settings, site)
        self.sign_in = SignIn(stores, passwords, tokens)
        self.sessions = Sessions(stores, tokens)
        self.personal_tokens = PersonalTokenService(stores.personal_tokens, site.clock)
        self.verification = Verification(stores, access, site.clock)
        self.exchanging = Exchange(settings, site.service_tokens)

    async def register(self, caller: Caller, email: str, password: str, name: str, setup_token: str = "") -> SignedIn:
        return await self.registration.register(caller, email, password, name, setup_token)

    async def login(self, caller: Caller, email: str, password: str) -> SignedIn:
        return await self.sign_in.with_password(caller, email, password)

    async def refresh(self, caller: Caller, refresh_token: str) -> SignedIn:
        return await self.sessions.refresh(refresh_token)

    async def logout(self, caller: Caller) -> None:
        await self.sessions.end_own(caller)

    async def me(self, caller: Caller) -> Account:
        return await self.stores.accounts.existing(caller.signed_in().id)

    async def verify(self, token: str) -> Verified:
        return await self.verification.verify(token)

    async def jwks(self) -> Jwks:
        return self.access.jwks

    async def discovery(self) -> Discovery:
        return Discovery(self.access.issuer, f"{self.site.public_url}/.well-known/jwks.json")

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
        return await self.sessions.knows_address(email, ip)

    async def signup_state(self) -> SignupState:
        return await self.registration.state()

    def revocations(self) -> AsyncIterator[Revocation]:
        return self.stores.feed.follow()
