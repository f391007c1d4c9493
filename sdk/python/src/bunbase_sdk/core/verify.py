"""Check access tokens with the public keys of their project, without a request for each token."""

from __future__ import annotations

import time
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, NotRequired, TypedDict, TypeGuard, cast

from bunbase_sdk.core.flow import Flow, alone
from bunbase_sdk.core.json_values import parsed
from bunbase_sdk.core.transport import Transport, Wanted, search
from bunbase_sdk.problem import Denied, invalid_value

LEEWAY_SECONDS: Final = 60
REFETCH_SECONDS: Final = 60.0
KEEP_SECONDS: Final = 3600.0
MAX_TOKEN_LENGTH: Final = 16 * 1024
LOCK: Final = "keys"
OTHER: Final = "The token is not of a user of this project. Check the id of the project."
SERVICE: Final = "This is the token of a service account or a key, not of a user. Pass allow_service=True to accept it."
ALGORITHMS: Final = {"RSA": "RS256", "EC": "ES256", "OKP": "EdDSA"}
CURVES: Final[dict[str, str | None]] = {"RSA": None, "EC": "P-256", "OKP": "Ed25519"}


class Claims(TypedDict):
    """The contents of an access token. Tokens of service accounts have `scope` in place of the user's claims."""

    sub: str
    aud: str
    iss: str
    exp: int
    iat: int
    type: str
    sid: NotRequired[str]
    email: NotRequired[str | None]
    email_verified: NotRequired[bool]
    role: NotRequired[str]
    claims: NotRequired[dict[str, Any]]
    provider: NotRequired[str]
    amr: NotRequired[list[str]]
    aal: NotRequired[int]
    scope: NotRequired[str]


class Keys:
    """The public keys of projects. The client keeps keys for an hour, and all threads or tasks share one request."""

    def __init__(self) -> None:
        self._kept: dict[str, Kept] = {}

    def verified(
        self, transport: Transport, token: str, project: str, allow_service: bool, timeout: float | None
    ) -> Flow[Claims]:
        """Return the claims of a token. Raises: Denied, or another Problem if the keys cannot be fetched."""
        fits = _library()
        parts = _parts(token)
        head, claims = _object(parts[0]), _object(parts[1])
        kid = head.get("kid")
        # this client supports no extension (RFC 7515 §4.1.11)
        if not isinstance(kid, str) or "crit" in head or "b64" in head:
            raise _refused("This is no access token.")
        key = yield from self._key(transport, kid, project, timeout)
        # the algorithm comes from the key, never from the token: a token could name a weaker one
        algorithm = ALGORITHMS[key["kty"]]
        if head.get("alg") != algorithm:
            raise _refused("Its algorithm is not that of the key.")
        if not fits(key, algorithm, ".".join(token.split(".")[:2]).encode(), parts[2]):
            raise _refused("The signature is wrong.")
        return _checked(claims, project, allow_service)

    def _key(self, transport: Transport, kid: str, project: str, timeout: float | None) -> Flow[dict[str, Any]]:
        kept = self._kept.get(project)
        if kept is None or not kept.answers(kid):
            kept = yield from alone(LOCK, self._fetched(transport, kid, project, timeout))
        key = kept.keys.get(kid)
        if key is None:
            raise _refused("The project has no such key.")
        return key

    def _fetched(self, transport: Transport, kid: str, project: str, timeout: float | None) -> Flow[Kept]:
        kept = self._kept.get(project)
        if kept and kept.answers(kid):
            return kept  # another thread or task has already fetched the keys
        if kept:  # many tokens with unknown keys must not cause many requests, even if the server does not answer
            self._kept[project] = replace(kept, tried_at=time.monotonic())
        wanted = Wanted("GET", f"/v1/auth/jwks.json{search({'project': project})}", repeatable=True)
        answer = yield from transport.json(wanted, transport.deadline(timeout))
        keys = {key["kid"]: key for key in answer["keys"] if "kid" in key and _is_known(key)}
        self._kept[project] = found = Kept(keys, time.monotonic(), time.monotonic())
        return found


@dataclass(frozen=True, slots=True)
class Kept:
    """`tried_at`: the time of the last request for the keys, even if the request failed."""

    keys: dict[str, dict[str, Any]]
    fetched_at: float
    tried_at: float

    def answers(self, kid: str) -> bool:
        """True if no request is needed. For an unknown key, which anybody can invent, a request waits a minute."""
        if kid in self.keys:
            return time.monotonic() - self.fetched_at < KEEP_SECONDS
        return time.monotonic() - self.tried_at < REFETCH_SECONDS


def _library() -> Callable[[dict[str, Any], str, bytes, bytes], bool]:
    """Return a function that checks a signature. Raises: Problem, if the extra is not installed."""
    try:
        from joserfc.errors import JoseError
        from joserfc.jwk import ECKey, OKPKey, RSAKey
        from joserfc.jws import JWSRegistry
    except ModuleNotFoundError:
        raise invalid_value("token", "Install bunbase-sdk[jwt]: it checks signatures.") from None
    kinds: dict[str, Any] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}

    def fits(key: dict[str, Any], algorithm: str, signed: bytes, signature: bytes) -> bool:
        try:
            imported = kinds[key["kty"]].import_key({name: value for name, value in key.items() if name != "key_ops"})
            return bool(JWSRegistry.algorithms[algorithm].verify(signed, signature, imported))
        except (JoseError, ValueError, TypeError):
            return False

    return fits


def _is_known(key: dict[str, Any]) -> bool:
    return CURVES.get(key.get("kty", ""), "-") == key.get("crv")


def _checked(claims: dict[str, Any], project: str, allow_service: bool) -> Claims:
    """Return the claims if the token is for this project and valid now. Raises: Denied."""
    if claims.get("aud") != project or claims.get("type") not in ("user", "service"):
        raise Denied("invalid_token", OTHER, status=401)
    if claims["type"] == "service" and not allow_service:
        raise Denied("invalid_token", SERVICE, status=401)
    now = time.time()
    end, begins = claims.get("exp"), [claims.get("iat", 0), claims.get("nbf", 0)]
    if not _is_time(end) or not all(map(_is_time, begins)):
        raise _refused("Its times are no numbers.")
    if end + LEEWAY_SECONDS < now:
        raise Denied("token_expired", "The token has expired. The client refreshes it.", status=401)
    if max(begins) - LEEWAY_SECONDS > now:
        raise _refused("The token is of the future.")
    return cast("Claims", claims)


def _is_time(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _parts(token: str) -> list[bytes]:
    texts = token.split(".") if isinstance(token, str) and len(token) <= MAX_TOKEN_LENGTH else []
    try:
        parts = [b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True) for text in texts]
    except ValueError:
        parts = []
    if len(parts) != 3:
        raise _refused("This is no access token.")
    return parts


def _object(part: bytes) -> dict[str, Any]:
    try:
        value = parsed(part)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise _refused("This is no access token.")
    return value


def _refused(detail: str) -> Denied:
    return Denied("invalid_token", f"{detail} Sign in again.", status=401)
