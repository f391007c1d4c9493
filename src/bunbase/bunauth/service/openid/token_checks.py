"""Userinfo, revocation (RFC 7009) and introspection (RFC 7662) of the tokens of OpenID Connect clients."""

from __future__ import annotations

from typing import Any

import msgspec

from bunbase.bunauth.service.openid.clients import OAuthClientService
from bunbase.bunauth.service.openid.signers import OAUTH_TYPE, Signers, claims_of
from bunbase.bunauth.service.openid.tokens import refused
from bunbase.bunauth.service.sessions import Sessions
from bunbase.bunauth.service.verification import Verification
from bunbase.bunauth.store import Stores
from bunbase.bunauth.store.oauth_sessions import ClientSession
from bunbase.contracts.bunauth.activity import ActivityMethod
from bunbase.contracts.bunauth.openid import ClientKind, Introspection, UserInfo
from bunbase.contracts.bunauth.problems import InvalidToken
from bunbase.contracts.bunauth.tokens import is_access_token
from bunbase.contracts.caller import Caller
from bunbase.pkg.jwt import BadToken, unverified_claims
from bunbase.pkg.opaque import fingerprint
from bunbase.pkg.openid_provider.client_credentials import ClientCredentials
from bunbase.pkg.sessions import Standing, standing


class KnownToken(msgspec.Struct, frozen=True):
    """A token that is valid now, and its session."""

    session: ClientSession
    expires_at: int
    issued_at: int = 0
    generation: int = 0


class TokenChecks:
    def __init__(
        self,
        stores: Stores,
        clients: OAuthClientService,
        signers: Signers,
        sessions: Sessions,
        verification: Verification,
    ) -> None:
        self.stores = stores
        self.clients = clients
        self.signers = signers
        self.sessions = sessions
        self.verification = verification
        self.clock = signers.clock

    async def userinfo(self, token: str) -> UserInfo:
        """Return the claims that the scopes of an access token allow. Raises: InvalidToken."""
        known = await self._access_token(token)
        account = await self.stores.accounts.by_id(known.session.user_id) if known else None
        if known is None or account is None:
            raise InvalidToken
        await self.verification.note_use(known.session.session, known.generation)
        return claims_of(account, known.session.scopes)

    async def revoke(self, caller: Caller, credentials: ClientCredentials, token: str) -> None:
        """End the session of a token of this client. If the token is unknown, do nothing. Raises: OAuthRefused."""
        client = await self.clients.authenticated(credentials)
        known = await self._token(token, client.id)
        if known is not None:
            session = known.session
            await self.sessions.end_of(caller, session.user_id, session.session, ActivityMethod.OPENID)

    async def introspect(self, credentials: ClientCredentials, token: str) -> Introspection:
        """Describe a token of this client. The client must be confidential. Raises: OAuthRefused."""
        client = await self.clients.authenticated(credentials)
        if client.kind is ClientKind.PUBLIC:
            raise refused("invalid_client", "Only confidential clients may introspect tokens.")
        known = await self._token(token, client.id)
        if known is None:
            return Introspection(False)
        session = known.session
        return Introspection(
            True,
            " ".join(session.scopes),
            client.id,
            session.user_id,
            self.signers.access.issuer,
            "Bearer" if known.issued_at else "",
            known.expires_at,
            known.issued_at,
        )

    async def _token(self, token: str, client: str) -> KnownToken | None:
        """Return an access token or a refresh token of this client, or None if the token is not valid."""
        known = await self._refresh_token(token, client) or await self._access_token(token)
        return known if known is not None and known.session.client_id == client else None

    async def _refresh_token(self, token: str, client: str) -> KnownToken | None:
        found, now = await self.stores.sessions.refresh_token(fingerprint(token), client), self.clock.now()
        if found is None or standing(found, now, self.signers.settings) not in (Standing.FRESH, Standing.RETRY):
            return None
        session = await self.stores.oauth_sessions.open(found.session, now)
        return KnownToken(session, int(found.expires_at.timestamp())) if session else None

    async def _access_token(self, token: str) -> KnownToken | None:
        """Return an access token of any client. A token of a person's own session is not a client's token."""
        narrow = unverified_claims(token).get("type") == OAUTH_TYPE
        is_expected = self.signers.is_narrow if narrow else is_access_token
        try:
            claims: dict[str, Any] = await self.verification.claims(token, is_expected)
        except BadToken:
            return None
        session = await self.stores.oauth_sessions.open(claims["sid"], self.clock.now())
        if session is None or session.user_id != claims["sub"]:
            return None
        return KnownToken(session, claims["exp"], claims["iat"], claims.get("gen", 0))
