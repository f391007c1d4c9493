"""Sign service tokens with the project's key in BunKMS.

Everybody can check these tokens with the project's public keys.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from bunbase.contracts.bunkms import Kms, PublicKey
from bunbase.contracts.service_accounts import TOKEN_TYPE, ServiceAccessToken
from bunbase.pkg.cache import Cache
from bunbase.pkg.ids import new_id
from bunbase.pkg.jwt import compact, signing_input

HEADER: Final = "at+jwt"  # RFC 9068 §2.1; the tokens of end users have another type
LIFETIME_SECONDS: Final = 600
KEYS_CACHED: Final = 10_000  # the keys of at most this number of projects are cached
KEYS_TTL_SECONDS: Final = 60.0
ATTEMPTS: Final = 2  # the key may be replaced during one attempt, but hardly during two attempts in a row


class TokenSigner:
    def __init__(self, kms: Kms, public_url: str) -> None:
        self.kms = kms
        self.public_url = public_url
        self.keys: Cache[str, PublicKey] = Cache(KEYS_CACHED, KEYS_TTL_SECONDS)

    async def sign(
        self, project: str, client: str, scopes: tuple[str, ...], now: datetime, until: float
    ) -> ServiceAccessToken:
        """Return a token for `client`, which ends after ten minutes, or at `until` (Unix seconds; 0 for never).

        Raises: KeyNotFound, KeyDestroyed.
        """
        issued_at, scope = int(now.timestamp()), " ".join(scopes)
        seconds = min(LIFETIME_SECONDS, int(until) - issued_at) if until else LIFETIME_SECONDS
        claims = {
            "iss": f"{self.public_url}/v1/auth/{project}",
            "sub": client,
            "client_id": client,
            "aud": project,
            "iat": issued_at,
            "exp": issued_at + seconds,
            "jti": new_id("jti"),
            "type": TOKEN_TYPE,
            "scope": scope,
        }
        # the header names a key before BunKMS signs, and BunKMS may then sign with a newer key
        for _ in range(ATTEMPTS):
            key = await self._key(project)
            unsigned = signing_input(key.kid, claims, HEADER, key.alg)
            signature = await self.kms.sign(project, unsigned)
            if signature.kid == key.kid:
                return ServiceAccessToken(compact(unsigned, signature.signature), seconds, scope)
            self.keys.drop(project)
        raise RuntimeError(f"BunKMS signs for {project} with a key that it does not list first")

    async def _key(self, project: str) -> PublicKey:
        key = self.keys.get(project)
        if key is None:
            key = (await self.kms.public_keys(project))[0]
            self.keys.put(project, key)
        return key
