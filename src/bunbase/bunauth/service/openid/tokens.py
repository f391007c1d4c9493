"""The token endpoint: exchange codes and refresh tokens.

A code works once. One transaction uses up the code, and stores the new session and the client of the session. So if a
server is killed in between, the code still works. The second use of a code shows that two parties have the code, so
BunBase ends the session of the first use (RFC 6749 §4.1.2). Codes and refresh tokens are looked up together with the
client, so a client cannot use the tokens of other clients.
"""

from __future__ import annotations

import hmac

from bunbase.bunauth.service.openid.clients import OAuthClientService
from bunbase.bunauth.service.openid.signers import Signers
from bunbase.bunauth.service.session_tokens import Factors, signed_in_by
from bunbase.bunauth.service.sessions import Sessions
from bunbase.bunauth.store import Stores
from bunbase.bunauth.store.oauth_clients import StoredClient
from bunbase.bunauth.store.oauth_requests import OAuthCode
from bunbase.bunauth.store.oauth_sessions import ClientSession
from bunbase.contracts.bunauth.accounts import Account, SignedIn
from bunbase.contracts.bunauth.activity import ActivityMethod
from bunbase.contracts.bunauth.administration import AccountSuspended
from bunbase.contracts.bunauth.openid import OAuthRefused, OAuthTokens
from bunbase.contracts.bunauth.problems import InvalidCredentials, InvalidToken, TokenExpired, TokenReused
from bunbase.contracts.caller import Caller, CallerKind
from bunbase.pkg.errors import Unauthenticated
from bunbase.pkg.jwt import unverified_claims
from bunbase.pkg.oidc.person import challenge_of
from bunbase.pkg.opaque import fingerprint
from bunbase.pkg.openid_provider.client_credentials import ClientCredentials
from bunbase.pkg.openid_provider.id_tokens import Authentication
from bunbase.pkg.openid_provider.requests import OFFLINE, VERIFIER


class OAuthTokenService:
    def __init__(self, stores: Stores, clients: OAuthClientService, signers: Signers, sessions: Sessions) -> None:
        self.stores = stores
        self.clients = clients
        self.signers = signers
        self.sessions = sessions
        self.clock = signers.clock

    async def exchange(self, caller: Caller, credentials: ClientCredentials, sent: dict[str, str]) -> OAuthTokens:
        """Exchange a code or a refresh token. Raises: OAuthRefused."""
        client = await self.clients.authenticated(credentials)
        match sent.get("grant_type", ""):
            case "authorization_code":
                return await self._trade_code(caller, client, sent)
            case "refresh_token":
                return await self._refresh(caller, client, sent)
            case _:
                raise refused("unsupported_grant_type", "Send grant_type=authorization_code or refresh_token.")

    async def _trade_code(self, caller: Caller, client: StoredClient, sent: dict[str, str]) -> OAuthTokens:
        hash = fingerprint(sent.get("code", ""))
        async with self.stores.db.transaction():
            if not await self.stores.oauth_clients.keep(client.id):
                raise refused("invalid_client", "The client was deleted.")
            found = await self.stores.oauth_codes.locked(hash, client.id)
            if found is None:
                raise _wrong_code()
            if found.session is None:
                self._check(found, sent)
                return await self._open(client, hash, found)
            await self.sessions.end_of(caller, found.user_id, found.session, ActivityMethod.TOKEN_REUSED)
        raise _wrong_code()  # This comes after the commit, so that the end of the session is stored.

    def _check(self, found: OAuthCode, sent: dict[str, str]) -> None:
        """Check a code.

        Raises: OAuthRefused if the code has expired, or was sent with another redirect URI or a wrong verifier.
        """
        verifier = sent.get("code_verifier", "")
        proved = VERIFIER.fullmatch(verifier) and hmac.compare_digest(challenge_of(verifier), found.code_challenge)
        if found.expires_at <= self.clock.now() or sent.get("redirect_uri", "") != found.redirect_uri or not proved:
            raise _wrong_code()

    async def _open(self, client: StoredClient, hash: bytes, found: OAuthCode) -> OAuthTokens:
        """Open the session of a code. Raises: OAuthRefused if the account was changed after the consent."""
        account = await self.stores.accounts.credentials_of(found.user_id)
        if account is None or account.version != found.user_version:
            raise _wrong_code()
        browser = Caller(CallerKind.ANONYMOUS, ip=found.ip, agent=found.agent)
        tokens, by = self.signers.session_tokens(client, found.scopes), signed_in_by(ActivityMethod.OPENID, client.name)
        try:
            signed_in = await tokens.open_session(browser, account, proved=False, factors=Factors.TWO, by=by)
        except (AccountSuspended, InvalidCredentials):
            raise _wrong_code() from None
        id = str(unverified_claims(signed_in.access_token)["sid"])  # This process has just signed the token.
        session = ClientSession(id, client.id, account.id, found.scopes, found.signed_in_at, found.amr)
        await self.stores.oauth_sessions.add(session)
        await self.stores.oauth_codes.use(hash, id)
        return self._answer(client, session, signed_in, found.nonce)

    async def _refresh(self, caller: Caller, client: StoredClient, sent: dict[str, str]) -> OAuthTokens:
        token, now = sent.get("refresh_token", ""), self.clock.now()
        stored = await self.stores.sessions.refresh_token(fingerprint(token), client.id)
        session = await self.stores.oauth_sessions.open(stored.session, now) if stored else None
        scopes = session.scopes if session else ()
        if session and not set(sent.get("scope", "").split()) <= set(scopes):
            raise refused("invalid_scope", f"This token has only the scopes {' '.join(scopes)}.")
        tokens = self.signers.session_tokens(client, scopes)
        try:
            account, pair = await self.sessions.trade(caller, token, tokens, client.id)
        except (InvalidToken, TokenExpired, TokenReused, Unauthenticated) as problem:
            raise refused("invalid_grant", problem.detail) from None
        if session is None:
            raise refused("invalid_grant", "The session has ended.")
        return self._answer(client, session, tokens.answer(account, pair))

    def _answer(
        self, client: StoredClient, session: ClientSession, signed_in: SignedIn, nonce: str = ""
    ) -> OAuthTokens:
        account: Account = signed_in.user
        found = Authentication(account.id, session.signed_in_at, session.amr)
        id_token = self.signers.id_token(client, account, found, signed_in.access_token, nonce, session.scopes)
        refresh_token = signed_in.refresh_token if OFFLINE in session.scopes else ""
        scope = " ".join(session.scopes)
        return OAuthTokens(signed_in.access_token, signed_in.expires_in, scope, id_token, refresh_token)


def refused(error: str, description: str) -> OAuthRefused:
    return OAuthRefused(description, error=error)


def _wrong_code() -> OAuthRefused:
    return refused(
        "invalid_grant",
        "The code is wrong, was used before, or has expired; or redirect_uri or code_verifier do not belong to it.",
    )
