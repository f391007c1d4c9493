"""Make and check tokens of end users. BunKMS signs them with the project's own key, which never leaves BunKMS.

The gateway reads access tokens, which prove a session. Custom tokens sign a user in, and only tenant-auth reads them.
The two kinds differ in `typ`, in `type` and in `aud`, so a token of one kind is never accepted as the other kind.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from bunbase.contracts.bunauth.problems import InvalidToken, TokenExpired
from bunbase.contracts.bunauth.tokens import Jwks
from bunbase.contracts.bunkms import Kms, PublicKey, SigningAlgorithm
from bunbase.contracts.tenant_auth.sessions import CustomToken
from bunbase.contracts.tenant_auth.tokens import USER_TOKEN_TYPE
from bunbase.contracts.tenant_auth.users import User
from bunbase.pkg.cache import Cache
from bunbase.pkg.ids import new_id
from bunbase.pkg.jwt import BadToken, ExpiredToken, UnknownKey, Verifier, compact, signing_input
from bunbase.tenant_auth.sign_in_methods import PASSWORD, SignInMethod

CUSTOM_TYPE: Final = "custom"
CUSTOM_HEADER: Final = "custom+jwt"  # This is explicit typing (RFC 8725 §3.11).
CUSTOM_TTL_SECONDS: Final = 300
KEYS_TTL_SECONDS: Final = 60.0
YOUNG_SECONDS: Final = 3600.0  # A process asks BunKMS at this interval whether a key must be renewed.
KEYS_CACHED: Final = 10_000  # The keys of at most this many projects are cached.
# The shortest pause between two calls of BunKMS for unknown key ids, because attackers can invent key ids.
REFETCH_SECONDS: Final = 5.0
ATTEMPTS: Final = 2  # The key may be replaced during the first attempt, but hardly also during the second.


class Subject(msgspec.Struct, frozen=True):
    """The content of an access token.

    `claims`: the claims of the session. A claim of the user replaces a claim of the session with the same name.
    `generation`: the number of refreshes of the session so far. A client that uses the token has received the answer of
    this refresh. `method`: the way in which the user signed in. `act`: the administrator who uses the session in the
    user's place, or None. `added`: the claims of the hook `before_token`, which replace claims of the user with the
    same name.
    """

    user: User
    version: int
    session: str
    claims: dict[str, Any] = {}
    generation: int = 0
    method: SignInMethod = PASSWORD
    act: dict[str, Any] | None = None
    added: dict[str, Any] = {}


class Life(msgspec.Struct, frozen=True):
    """The life of an access token. `seconds`: its lifetime.

    `session_expires_at`: the expiry of the session; the token expires at this time at the latest.

    Gateways check a token without a database look-up, and a session that reaches its maximum age is not in the list of
    revocations.
    """

    now: datetime
    seconds: int
    session_expires_at: datetime

    @property
    def expires_at(self) -> int:
        return min(int(self.now.timestamp()) + self.seconds, int(self.session_expires_at.timestamp()))


class Voucher(msgspec.Struct, frozen=True):
    """The content of a custom token. `uid`: the user whom the token signs in. `claims`: claims of the new session."""

    id: str
    uid: str
    claims: dict[str, Any]
    expires_at: datetime


class UserTokens:
    def __init__(self, kms: Kms, public_url: str) -> None:
        self.kms = kms
        self.public_url = public_url
        self.keys: Cache[str, tuple[PublicKey, ...]] = Cache(KEYS_CACHED, KEYS_TTL_SECONDS)
        # This counts how often keys were forgotten. An answer of BunKMS that is older than the last time is not cached.
        self.forgotten = 0
        self.refetched: Cache[str, bool] = Cache(KEYS_CACHED, REFETCH_SECONDS)
        self.renewed: Cache[tuple[str, SigningAlgorithm], bool] = Cache(KEYS_CACHED, KEYS_TTL_SECONDS)
        self.young: Cache[tuple[str, int], bool] = Cache(KEYS_CACHED, YOUNG_SECONDS)

    async def sign(self, project: str, subject: Subject, life: Life) -> tuple[str, int]:
        """Return an access token and the Unix second in which it expires. Raises: KeyNotFound, KeyDestroyed."""
        user = subject.user
        claims = self._standard(project, user.id, life.now, life.expires_at) | {
            "aud": project,
            "sid": subject.session,
            "gen": subject.generation,
            "ver": subject.version,
            "type": USER_TOKEN_TYPE,
            "role": user.role,
            "email": user.email,
            "email_verified": user.email_verified,
            "anonymous": user.anonymous,
            "amr": subject.method.amr,
            "aal": subject.method.aal,
            "provider": subject.method.provider,
            "claims": subject.claims | user.claims | subject.added,
        }
        if subject.act is not None:
            claims["act"] = subject.act  # See RFC 8693 §4.1.
        return await self._signed(project, claims), life.expires_at

    async def sign_custom(self, project: str, uid: str, claims: dict[str, Any], now: datetime) -> CustomToken:
        """Return a custom token. Raises: KeyNotFound, KeyDestroyed."""
        said = self._standard(project, uid, now, int(now.timestamp()) + CUSTOM_TTL_SECONDS) | {
            "aud": _custom_audience(project),
            "type": CUSTOM_TYPE,
            "claims": claims,
        }
        return CustomToken(await self._signed(project, said, CUSTOM_HEADER), CUSTOM_TTL_SECONDS)

    async def read_custom(self, project: str, token: str, now: datetime) -> Voucher:
        """Return the content of a custom token. Raises: InvalidToken, TokenExpired, KeyNotFound, KeyDestroyed."""
        try:
            claims = await self._checked(project, token, now)
        except ExpiredToken:
            raise TokenExpired("A custom token is valid for five minutes. Ask your server for a new token.") from None
        except BadToken:
            raise InvalidToken("This is not a custom token of this project. Ask your server for one.") from None
        texts = all(isinstance(claims.get(name), str) for name in ("jti", "sub"))
        if not texts or not isinstance(claims.get("claims"), dict):
            raise InvalidToken("This custom token is incomplete. Ask your server for a new token.")
        return Voucher(claims["jti"], claims["sub"], claims["claims"], datetime.fromtimestamp(claims["exp"], UTC))

    async def jwks(self, project: str) -> Jwks:
        """Return the project's public keys. Raises: KeyNotFound, KeyDestroyed."""
        keys = await self._public_keys(project)
        return Jwks(tuple(key.jwk() for key in keys))

    async def kids(self, project: str) -> tuple[str, ...]:
        """Return the ids of the project's public keys. Raises: KeyNotFound, KeyDestroyed."""
        return tuple([key.kid for key in await self._public_keys(project)])

    async def renew_key(self, project: str, algorithm: SigningAlgorithm, days: int) -> None:
        """Ask BunKMS for a new key if the project's key has another algorithm, or has signed for `days` already.

        The new key signs after a few minutes, so that every process has read it by then. All users stay signed in.
        Raises: KeyNotFound, KeyDestroyed.
        """
        same = (await self._public_keys(project))[0].alg is algorithm
        if self.young.get((project, days)) if same else self.renewed.get((project, algorithm)):
            return
        await self.kms.renew_signing_key(project, algorithm, days)
        self.young.put((project, days), True)
        self.renewed.put((project, algorithm), not same)
        self.forget_keys(project)

    async def replace_keys(self, project: str, algorithm: SigningAlgorithm) -> None:
        """Replace all keys at once. Raises: KeyNotFound, KeyDestroyed."""
        await self.kms.replace_signing_keys(project, algorithm)
        self.forget_keys(project)

    def end_key(self, kid: str) -> None:
        """Forget all cached sets of keys that contain a key, because another process has replaced the key."""
        self.forgotten += 1
        self.keys.drop_where(lambda keys: any(key.kid == kid for key in keys))

    async def check_key(self, project: str) -> None:
        """Check with BunKMS that the project still has a key. Raises: KeyNotFound, KeyDestroyed."""
        await self.kms.public_keys(project)

    def forget_keys(self, project: str) -> None:
        self.forgotten += 1
        self.keys.drop(project)

    def _standard(self, project: str, uid: str, now: datetime, expires_at: int) -> dict[str, Any]:
        return {
            "iss": f"{self.public_url}/v1/auth/{project}",
            "sub": uid,
            "iat": int(now.timestamp()),
            "exp": expires_at,
            "jti": new_id("jti"),
        }

    async def _signed(self, project: str, claims: dict[str, Any], typ: str = "JWT") -> str:
        """Return a signed token. The header of the token names a key before BunKMS signs.

        If BunKMS has used another key, try again.
        """
        for _ in range(ATTEMPTS):
            key = (await self._public_keys(project))[0]
            unsigned = signing_input(key.kid, claims, typ, key.alg)
            signature = await self.kms.sign(project, unsigned)
            if signature.kid == key.kid:
                return compact(unsigned, signature.signature)
            self.forget_keys(project)
        raise RuntimeError(f"BunKMS signs for {project} with a key that it does not list first")

    async def _checked(self, project: str, token: str, now: datetime) -> dict[str, Any]:
        """Return the claims of a custom token. Raises: BadToken, ExpiredToken."""
        expected = {"type": CUSTOM_TYPE, "aud": _custom_audience(project)}
        try:
            return (await self._verifier(project, now)).claims(token, **expected)
        except UnknownKey:  # Another process may have signed the token with a newer key.
            if self.refetched.get(project):
                raise
            self.refetched.put(project, True)
            self.forget_keys(project)
            return (await self._verifier(project, now)).claims(token, **expected)

    async def _verifier(self, project: str, now: datetime) -> Verifier:
        return Verifier((await self.jwks(project)).keys, now.timestamp)

    async def _public_keys(self, project: str) -> tuple[PublicKey, ...]:
        keys = self.keys.get(project)
        if keys is None:
            forgotten = self.forgotten
            keys = await self.kms.public_keys(project)
            if forgotten == self.forgotten:
                self.keys.put(project, keys)
        return keys


def _custom_audience(project: str) -> str:
    return f"{project}/custom-token"
