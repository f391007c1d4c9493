"""A browser and a client of the OpenID Provider, which call the contract without HTTP."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from bunbase.contracts.bunauth.openid import (
    ClientKind,
    NewOAuthClient,
    OAuthClient,
    OAuthRefused,
    OAuthTokens,
    PageKind,
    PageStep,
)
from bunbase.contracts.bunauth.service import BunAuth
from bunbase.contracts.caller import Caller, CallerKind, Developer
from bunbase.pkg.oidc.person import challenge_of
from bunbase.pkg.openid_provider.client_credentials import ClientCredentials
from tests.bunauth.people import PASSWORD

CALLBACK = "https://shop.example/callback"
ISSUER = "http://127.0.0.1:7070"
VERIFIER = "a verifier that has at least forty-three characters".replace(" ", "-")
CLIENT = Caller(CallerKind.ANONYMOUS, ip="203.0.113.7", agent="shop/1")
BROWSER = Caller(CallerKind.ANONYMOUS, ip="198.51.100.9", agent="Mozilla/5.0")
ALL = "openid profile email offline_access"


async def new_client(bunauth: BunAuth, admin: Caller, **changes: Any) -> OAuthClient:
    """Register a confidential client of another developer. `changes` replace fields of the client."""
    fields: dict[str, Any] = {"name": "Shop", "redirect_uris": (CALLBACK,), "kind": ClientKind.CONFIDENTIAL}
    return await bunauth.create_oauth_client(admin, NewOAuthClient(**{**fields, **changes}))


def credentials(client: OAuthClient) -> ClientCredentials:
    return ClientCredentials(client.id, client.client_secret or "")


def request_of(client: OAuthClient, **changes: str) -> dict[str, str]:
    """Return the parameters of an authorization request. A value "" leaves its parameter out."""
    fields = {
        "client_id": client.id,
        "redirect_uri": client.redirect_uris[0],
        "response_type": "code",
        "scope": ALL,
        "state": "xyz",
        "nonce": "n-0S6",
        "code_challenge": challenge_of(VERIFIER),
        "code_challenge_method": "S256",
    }
    return {name: value for name, value in {**fields, **changes}.items() if value}


def answer_in(step: PageStep) -> dict[str, str]:
    """Return the parameters that the client gets."""
    assert step.kind is PageKind.REDIRECT, step
    return dict(parse_qsl(urlsplit(step.location).query))


class Visitor:
    """A person at a browser, which keeps the cookie of the page. `email`: the address of the account."""

    def __init__(self, bunauth: BunAuth, email: str) -> None:
        self.bunauth = bunauth
        self.email = email
        self.cookie = ""

    async def to(self, client: OAuthClient, **changes: str) -> PageStep:
        """Follow a link of a client, until a page appears or the client gets an answer."""
        step = await self.bunauth.oauth_authorize(BROWSER, request_of(client, **changes), self.cookie)
        return await self.follow(step)

    async def follow(self, step: PageStep) -> PageStep:
        self.cookie = step.browser or self.cookie
        if step.kind is not PageKind.CONTINUE:
            return step
        return await self.bunauth.oauth_page(BROWSER, step.request, self.cookie)

    async def sign_in(self, page: PageStep, email: str = "", password: str = PASSWORD) -> PageStep:
        assert page.kind is PageKind.SIGN_IN, page
        sent = (page.request, self.cookie, email or self.email, password)
        return await self.follow(await self.bunauth.oauth_sign_in(BROWSER, *sent))

    async def allow(self, page: PageStep) -> PageStep:
        assert page.kind is PageKind.CONSENT, page
        return await self.follow(await self.bunauth.oauth_allow(await self.person(), page.request, page.client_id))

    async def person(self) -> Caller:
        """Return the Caller that the gateway makes from the cookie."""
        found = await self.bunauth.page_session(self.cookie)
        assert found is not None
        account = found.account
        developer = Developer(account.id, account.email, account.role == "admin", found.session)
        return Caller(CallerKind.DEVELOPER, developer=developer, ip=BROWSER.ip, agent=BROWSER.agent)

    async def code(self, client: OAuthClient, **changes: str) -> str:
        """Sign in and give consent if the page asks for them. Return the code."""
        step = await self.to(client, **changes)
        if step.kind is PageKind.SIGN_IN:
            step = await self.sign_in(step)
        if step.kind is PageKind.CONSENT:
            step = await self.allow(step)
        return answer_in(step)["code"]


async def exchanged(bunauth: BunAuth, client: OAuthClient, code: str, **changes: str) -> OAuthTokens:
    fields = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": client.redirect_uris[0],
        "code_verifier": VERIFIER,
    }
    return await bunauth.oauth_token(CLIENT, credentials(client), {**fields, **changes})


async def refreshed(bunauth: BunAuth, client: OAuthClient, token: str, **changes: str) -> OAuthTokens:
    fields = {"grant_type": "refresh_token", "refresh_token": token}
    return await bunauth.oauth_token(CLIENT, credentials(client), {**fields, **changes})


async def refusal_of(bunauth: BunAuth, client: OAuthClient, code: str, **changes: str) -> str:
    """Exchange a code, and return the error of the token endpoint."""
    with pytest.raises(OAuthRefused) as refused:
        await exchanged(bunauth, client, changes.pop("code_sent", code), **changes)
    return str(refused.value.extra["error"])
