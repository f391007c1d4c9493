"""The access tokens and id_tokens of OpenID Connect clients."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import msgspec

from bunbase.bunauth.access_tokens import AccessTokens
from bunbase.bunauth.service.session_tokens import SessionTokens
from bunbase.bunauth.store.oauth_clients import StoredClient
from bunbase.contracts.bunauth.accounts import Account
from bunbase.contracts.bunauth.openid import UserInfo
from bunbase.pkg.ids import new_id
from bunbase.pkg.openid_provider.id_tokens import Authentication, id_token_claims
from bunbase.pkg.openid_provider.requests import OFFLINE

OAUTH_TYPE: Final = "oauth"


class Signers:
    """Signs tokens.

    `userinfo`: the URL of the userinfo endpoint, which is the audience of tokens for third-party clients.
    """

    def __init__(self, tokens: SessionTokens, userinfo: str) -> None:
        self.tokens = tokens
        self.access = tokens.access
        self.settings = tokens.settings
        self.userinfo = userinfo
        self.clock = tokens.clock

    def session_tokens(self, client: StoredClient, scopes: tuple[str, ...]) -> SessionTokens:
        """Return an object that makes the sessions of a client.

        Without refresh tokens, a session ends with its access token.
        """
        access = self.access if client.first_party else NarrowTokens(self.access, self.userinfo, client.id, scopes)
        settings = self.settings
        if OFFLINE not in scopes:
            settings = msgspec.structs.replace(settings, session_ttl_seconds=settings.access_ttl_seconds)
        return self.tokens.changed(settings, access)

    def is_narrow(self, claims: dict[str, Any]) -> bool:
        """True if the claims of a checked token belong to an access token that is valid only for userinfo."""
        texts = all(isinstance(claims.get(name), str) for name in ("sub", "sid"))
        return texts and claims.get("aud") == self.userinfo and claims.get("type") == OAUTH_TYPE

    def id_token(
        self, client: StoredClient, account: Account, found: Authentication, access_token: str, nonce: str,
        scopes: tuple[str, ...],
    ) -> str:  # fmt: skip
        """Return an id_token, which is valid for as long as an access token."""
        about = msgspec.to_builtins(claims_of(account, scopes))
        issued_at = int(self.clock.now().timestamp())
        claims = id_token_claims(found, access_token, nonce, about) | {
            "iss": self.access.issuer,
            "aud": client.id,
            "iat": issued_at,
            "exp": issued_at + self.settings.access_ttl_seconds,
        }
        return self.access.keys.current().sign(claims)


class NarrowTokens(AccessTokens):
    """Access tokens that only the userinfo endpoint accepts.

    The type and audience of these tokens differ from those of a developer's token.
    """

    def __init__(self, access: AccessTokens, userinfo: str, client: str, scopes: tuple[str, ...]) -> None:
        super().__init__(access.keys, access.issuer, access.ttl_seconds)
        self.userinfo = userinfo
        self.client = client
        self.scopes = scopes

    def sign(
        self, account: Account, session: str, generation: int, now: datetime, session_expires_at: datetime
    ) -> tuple[str, int]:
        issued_at = int(now.timestamp())
        expires_at = min(issued_at + self.ttl_seconds, int(session_expires_at.timestamp()))
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "sub": account.id,
            "aud": self.userinfo,
            "iat": issued_at,
            "exp": expires_at,
            "jti": new_id("jti"),
            "sid": session,
            "gen": generation,
            "type": OAUTH_TYPE,
            "client_id": self.client,
            "scope": " ".join(self.scopes),
        }
        return self.keys.current().sign(claims), expires_at


def claims_of(account: Account, scopes: tuple[str, ...]) -> UserInfo:
    """Return the claims about a person that the scopes allow (OpenID Connect Core 1.0 §5.4)."""
    profile, email = "profile" in scopes, "email" in scopes
    return UserInfo(
        account.id,
        name=account.name or None if profile else None,
        picture=account.avatar_url or None if profile else None,
        email=account.email if email else None,
        email_verified=account.email_verified if email else None,
    )
