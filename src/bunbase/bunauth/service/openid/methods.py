"""The methods of the contract for the OpenID Provider."""

from __future__ import annotations

from bunbase.bunauth.service.openid.authorizations import AuthorizationService
from bunbase.bunauth.service.openid.clients import OAuthClientService
from bunbase.bunauth.service.openid.pages import SignInPages
from bunbase.bunauth.service.openid.token_checks import TokenChecks
from bunbase.bunauth.service.openid.tokens import OAuthTokenService
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
from bunbase.contracts.caller import Caller
from bunbase.pkg.openid_provider.client_credentials import ClientCredentials


class OpenIdMethods:
    """Every method calls the part that does the work."""

    authorization_service: AuthorizationService
    oauth_client_service: OAuthClientService
    oauth_tokens: OAuthTokenService
    sign_in_pages: SignInPages
    token_checks: TokenChecks

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
