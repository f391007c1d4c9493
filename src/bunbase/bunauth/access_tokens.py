"""Sign and check the access tokens of developers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from bunbase.bunauth.signing_keys import SigningKeys
from bunbase.contracts.bunauth.accounts import Account
from bunbase.contracts.bunauth.tokens import ACCESS_AUDIENCE, ACCESS_TYPE, is_access_token
from bunbase.pkg.ids import new_id
from bunbase.pkg.jwt import BadToken

IsExpected = Callable[[dict[str, Any]], bool]


class AccessTokens:
    """Signs and checks tokens. The current key in `keys` signs, and tokens of all keys are accepted."""

    def __init__(self, keys: SigningKeys, issuer: str, ttl_seconds: int) -> None:
        self.keys = keys
        self.issuer = issuer
        self.ttl_seconds = ttl_seconds

    def sign(
        self, account: Account, session: str, generation: int, now: datetime, session_expires_at: datetime
    ) -> tuple[str, int]:
        """Return an access token, and the Unix second of its expiry, which is never after the end of its session.

        Gateways check a token without a database look-up, and a session that reaches its maximum age is not in the list
        of revocations.
        `generation`: the number of refreshes of the session so far. A client that uses the token has received the
        answer of this refresh.
        """
        issued_at = int(now.timestamp())
        expires_at = min(issued_at + self.ttl_seconds, int(session_expires_at.timestamp()))
        claims = {
            "iss": self.issuer,
            "sub": account.id,
            "aud": ACCESS_AUDIENCE,
            "iat": issued_at,
            "exp": expires_at,
            "jti": new_id("jti"),
            "sid": session,
            "gen": generation,
            "type": ACCESS_TYPE,
            "role": account.role,
            "email": account.email,
        }
        return self.keys.current().sign(claims), expires_at

    def claims(self, token: str, is_expected: IsExpected = is_access_token) -> dict[str, Any]:
        """Return the claims of a valid token.

        The session of the token may have ended, so the caller must check the session.

        Raises: BadToken.

        `is_expected`: a function that returns True if the claims belong to the expected kind of token.
        """
        claims = self.keys.verifier.claims(token, iss=self.issuer)
        if not is_expected(claims):
            raise BadToken("this is another token of this server")
        return claims
