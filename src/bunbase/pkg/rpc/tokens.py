"""Service tokens: how one process of an installation proves itself to another."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from bunbase.pkg.errors import Unauthenticated

LIFETIME_SECONDS = 300
RENEW_SECONDS = 60  # a token is replaced this long before its end, so that none dies on the way
AUDIENCE = "bunbase-internal"


class ServiceTokens:
    """Mints and checks HS256 tokens under a key that every process derives from the instance's service secret."""

    def __init__(self, secret: str, client_id: str, now: Callable[[], float] = time.time) -> None:
        self.client_id = client_id
        self.now = now
        self._secret = secret.encode()
        self._key = OctKey.import_key(hmac.digest(self._secret, b"bunbase service tokens v1", hashlib.sha256))
        self._minted = ("", 0.0)
        self._checked: dict[str, float] = {}

    def current(self) -> str:
        """Give a token for this process that is valid for at least another minute."""
        token, expires_at = self._minted
        if expires_at - self.now() < RENEW_SECONDS:
            token = self.mint(self.client_id)
            self._minted = (token, self.now() + LIFETIME_SECONDS)
        return token

    def mint(self, client_id: str) -> str:
        now = int(self.now())
        claims = {
            "sub": client_id,
            "aud": AUDIENCE,
            "type": "service",
            "iat": now,
            "exp": now + LIFETIME_SECONDS,
        }
        return jwt.encode({"alg": "HS256"}, claims, self._key, algorithms=["HS256"])

    def is_secret(self, secret: str) -> bool:
        """Compare with the service secret in constant time."""
        return hmac.compare_digest(secret.encode(), self._secret)

    def check(self, token: str) -> None:
        """Raises: Unauthenticated unless `token` was minted under the same secret and still lives."""
        if self._checked.get(token, 0.0) > self.now():
            return
        self._checked = {known: exp for known, exp in self._checked.items() if exp > self.now()}
        self._checked[token] = self._expiry(token)

    def _expiry(self, token: str) -> float:
        try:
            claims = jwt.decode(token, self._key, algorithms=["HS256"]).claims
            checked = msgspec.convert(claims, ServiceClaims)
        except (JoseError, ValueError, msgspec.ValidationError):
            raise Unauthenticated("This port takes service tokens only.") from None
        if checked.aud != AUDIENCE or checked.exp <= self.now():
            raise Unauthenticated("This service token has expired or is meant for another audience.")
        return checked.exp


class ServiceClaims(msgspec.Struct, frozen=True):
    sub: str
    aud: str
    exp: float
