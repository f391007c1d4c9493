"""Access tokens of end users: signed by BunKMS with the project's own key, which never comes here."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from bunbase.contracts.bunauth import Jwks
from bunbase.contracts.bunkms import Kms, PublicKey
from bunbase.contracts.tenant_auth import User
from bunbase.pkg.cache import Cache
from bunbase.pkg.ids import new_id
from bunbase.pkg.jwt import compact, signing_input

TYPE: Final = "user"
KEYS_TTL_SECONDS: Final = 60.0
KEYS_CACHED: Final = 10_000  # projects
ATTEMPTS: Final = 2  # a key that is replaced between two calls is not replaced again at once


class UserTokens:
    def __init__(self, kms: Kms, public_url: str, ttl_seconds: int) -> None:
        self.kms = kms
        self.public_url = public_url
        self.ttl_seconds = ttl_seconds
        self.keys: Cache[str, tuple[PublicKey, ...]] = Cache(KEYS_CACHED, KEYS_TTL_SECONDS)

    async def sign(self, project: str, user: User, session: str, now: datetime) -> tuple[str, int]:
        """Give an access token and the Unix second in which it expires. Raises: KeyNotFound, KeyDestroyed."""
        issued_at = int(now.timestamp())
        claims = {
            "iss": f"{self.public_url}/v1/auth/{project}",
            "sub": user.id,
            "aud": project,
            "iat": issued_at,
            "exp": issued_at + self.ttl_seconds,
            "jti": new_id("jti"),
            "sid": session,
            "type": TYPE,
            "role": user.role,
            "email": user.email,
            "claims": user.claims,
        }
        return await self._signed(project, claims), issued_at + self.ttl_seconds

    async def jwks(self, project: str) -> Jwks:
        """Raises: KeyNotFound, KeyDestroyed."""
        keys = await self._public_keys(project)
        return Jwks(tuple(_jwk(key) for key in keys))

    def forget(self, project: str) -> None:
        self.keys.drop(project)

    async def _signed(self, project: str, claims: dict[str, Any]) -> str:
        """Name the key in the header, then have BunKMS sign; again if that used another one."""
        for _ in range(ATTEMPTS):
            kid = (await self._public_keys(project))[0].kid
            unsigned = signing_input(kid, claims)
            signature = await self.kms.sign(project, unsigned)
            if signature.kid == kid:
                return compact(unsigned, signature.signature)
            self.forget(project)
        raise RuntimeError(f"BunKMS signs for {project} with a key that it does not list first")

    async def _public_keys(self, project: str) -> tuple[PublicKey, ...]:
        keys = self.keys.get(project)
        if keys is None:
            keys = await self.kms.public_keys(project)
            self.keys.put(project, keys)
        return keys


def _jwk(key: PublicKey) -> dict[str, str]:
    return {"kid": key.kid, "kty": key.kty, "alg": key.alg, "use": key.use, "n": key.n, "e": key.e}
