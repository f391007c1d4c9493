"""The verifiers of random tokens, which are looked up by their hash."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from bunbase.contracts.bunauth.factors import SecondFactor
from bunbase.contracts.bunauth.openid import OAuthRefused
from bunbase.contracts.bunauth.page_sign_in import ActPage, PageName
from bunbase.contracts.bunauth.problems import (
    AuthorizationPending,
    ChallengeExpired,
    DeviceCodeExpired,
    InvalidToken,
    LinkExpired,
)
from bunbase.contracts.platform import InvalidKey
from bunbase.contracts.service_accounts import TokenRefused, TokenRequest
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.openid_provider.client_credentials import ClientCredentials
from tests.bunauth.openid import credentials, exchanged, refreshed
from tests.house.token_attacks.rows import Opened, Verifier, refuses
from tests.rooms import ANYONE, publishable_caller


def opaque_verifiers(rooms: Opened) -> list[Verifier]:
    """Return the verifiers of random tokens, which are looked up by their hash."""
    bunauth, platform, tenant_auth = rooms.bunauth, rooms.platform, rooms.tenant_auth
    users = publishable_caller(rooms.bakery.id)

    async def device(code: str) -> bool:
        try:
            return await refuses(bunauth.poll_device_login(ANYONE, code), DeviceCodeExpired)
        except AuthorizationPending:
            return True

    def by_secret(secret: str) -> Awaitable[Any]:
        return platform.exchange_token(TokenRequest("client_credentials", "sa_x", secret, scope="data:read"))

    async def registered_by(token: str) -> bool:
        """Send a password that is too short, so that a right token stays valid."""
        try:
            return await refuses(platform.open_account_by_invite(ANYONE, token, "", "short"), LinkExpired)
        except InvalidInput:
            return True

    async def cookie(value: str) -> bool:
        return await bunauth.page_session(value) is not None

    async def introspected(token: str) -> bool:
        return (await bunauth.oauth_introspect(credentials(shop), token)).active

    shop = rooms.shop.client
    asked: dict[str, tuple[Callable[[str], Awaitable[Any]], type[Exception], frozenset[str]]] = {
        "application's secret": (
            lambda secret: bunauth.oauth_introspect(ClientCredentials(shop.id, secret), "x"),
            OAuthRefused,
            frozenset({"application's secret"}),
        ),
        "application's code": (
            lambda code: exchanged(bunauth, shop, code),
            OAuthRefused,
            frozenset({"application's code"}),
        ),
        "application's refresh": (
            lambda token: refreshed(bunauth, shop, token),
            OAuthRefused,
            frozenset({"application's refresh"}),
        ),
        "project key": (platform.key_holder, InvalidKey, frozenset({"secret key", "publishable key"})),
        "client secret": (by_secret, TokenRefused, frozenset({"secret key"})),
        "second factor": (
            lambda token: bunauth.login_with_second_factor(ANYONE, token, SecondFactor("123456")),
            ChallengeExpired,
            frozenset(),
        ),
        "link of a mail": (lambda token: bunauth.verify_email(ANYONE, token), LinkExpired, frozenset()),
        "invitation to an account": (bunauth.invitation, LinkExpired, frozenset({"invitation to an account"})),
        "invitation to a project": (
            lambda token: platform.accept_invite(rooms.ada, token),
            LinkExpired,
            frozenset({"invitation to a project", "mail of an invitation"}),
        ),
        "newcomer's pass": (
            lambda token: bunauth.open_invited_by_pass(
                ANYONE, ActPage(PageName.INVITE, token), token, "bob@example.com", str(rooms.ada.signed_in().id)
            ),
            ChallengeExpired,
            frozenset(),
        ),
        "developer's refresh": (
            lambda token: bunauth.refresh(ANYONE, token),
            InvalidToken,
            frozenset({"developer's refresh"}),
        ),
        "user's cookie": (
            lambda token: tenant_auth.cookie_access(rooms.bakery.id, token, False),
            InvalidToken,
            frozenset({"user's refresh"}),
        ),
        "user's refresh": (
            lambda token: tenant_auth.refresh(users, token),
            InvalidToken,
            frozenset({"user's refresh"}),
        ),
    }

    def row(name: str) -> Verifier:
        ask, refusal, kinds = asked[name]
        return Verifier(name, (), lambda token: refuses(ask(token), refusal), kinds)

    return [
        Verifier(
            "newcomer's registration", (), registered_by, frozenset({"mail of an invitation"})
        ),  # this happens before the invitation is accepted
        *(row(name) for name in asked),
        Verifier("device code", (), device, frozenset({"device code"})),
        Verifier("sign-in page's cookie", (), cookie, frozenset({"sign-in page's cookie"})),
        Verifier(
            "introspection",
            (),
            introspected,
            frozenset({"application's access token", "application's refresh"}),
        ),
    ]
