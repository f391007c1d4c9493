"""Fetch the documents of a provider: its metadata and its keys (OpenID Connect Discovery 1.0). Both are cached."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from typing import Any, Final, TypeVar

import msgspec
from joserfc.jwk import ECKey, Key, KeySet, OKPKey, RSAKey

from bunbase.pkg.jwt import MAX_RSA_BITS, MIN_RSA_BITS
from bunbase.pkg.oidc.person import ProviderFailed
from bunbase.pkg.outgoing import Outgoing, RequestFailed

DISCOVERY: Final = "/.well-known/openid-configuration"
KEPT_SECONDS: Final = 3600.0
ANEW_SECONDS: Final = 30.0  # an unknown key makes us fetch the keys again, but not more often than this
MAX_KEYS: Final = 100
KEY_TYPES: Final[dict[str, type[RSAKey | ECKey | OKPKey]]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}

T = TypeVar("T")


class Metadata(msgspec.Struct, frozen=True):
    """The parts of a provider's metadata that are needed here."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str = ""
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    authorization_response_iss_parameter_supported: bool = False


class Documents:
    """`issuer`: the address below which the metadata are. `named`: the issuer that they name, if it is another one.

    `now`: returns seconds that only increase.
    """

    def __init__(self, issuer: str, outgoing: Outgoing, now: Callable[[], float], named: str = "") -> None:
        self.issuer = issuer
        self.named = named or issuer
        self.outgoing = outgoing
        self.now = now
        self.lock = asyncio.Lock()
        self.known: tuple[float, Metadata] | None = None
        self.fetched_keys: tuple[float, KeySet] | None = None

    async def metadata(self) -> Metadata:
        """Raises: ProviderFailed."""
        async with self.lock:
            if self.known is None or self.now() - self.known[0] >= KEPT_SECONDS:
                found = await fetch_json(self.outgoing, self.issuer.rstrip("/") + DISCOVERY, Metadata)
                if found.issuer != self.named:
                    raise ProviderFailed(f"the metadata of {self.issuer} name another issuer: {found.issuer[:200]!r}")
                self.known = (self.now(), found)
            return self.known[1]

    async def keys(self, anew: bool = False) -> KeySet:
        """Return the provider's keys. `anew`: a token names a key that is not among them. Raises: ProviderFailed."""
        metadata = await self.metadata()
        async with self.lock:
            age = None if self.fetched_keys is None else self.now() - self.fetched_keys[0]
            if self.fetched_keys is None or age is None or age >= (ANEW_SECONDS if anew else KEPT_SECONDS):
                found = await fetch_json(self.outgoing, metadata.jwks_uri, dict[str, Any])
                self.fetched_keys = (self.now(), usable_keys(found))
            return self.fetched_keys[1]


def usable_keys(document: dict[str, Any]) -> KeySet:
    """Return the keys for signatures that can be used here, without the others (RFC 7517 §5). Raises: ProviderFailed.

    One key of a new kind must not end every sign-in of a provider.
    """
    keys = document.get("keys")
    if not isinstance(keys, list) or len(keys) > MAX_KEYS:
        raise ProviderFailed("the keys of the provider are not a JWK set")
    usable = [key for one in keys if (key := _key(one)) is not None]
    if not usable:
        raise ProviderFailed("the provider has no key that can be used here")
    return KeySet(usable)


async def fetch_json(outgoing: Outgoing, url: str, kind: type[T], headers: dict[str, str] | None = None) -> T:
    """Raises: ProviderFailed."""
    try:
        answer = await outgoing.get(url, {"accept": "application/json", **(headers or {})})
    except RequestFailed as error:
        raise ProviderFailed(str(error)) from None
    return decode_json(url, answer.status, answer.body, kind)


def decode_json(url: str, status: int, body: bytes, kind: type[T]) -> T:
    """Raises: ProviderFailed."""
    if status != 200:
        raise ProviderFailed(f"{url} answered {status}")
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ProviderFailed(f"{url}: {error}") from None


def _key(jwk: Any) -> Key | None:
    """Return a key for signatures, None if it is damaged, of an unknown kind or size, or for something else."""
    if not isinstance(jwk, dict) or jwk.get("use", "sig") != "sig":
        return None
    try:
        if jwk.get("kty") == "RSA" and not MIN_RSA_BITS <= _bits(jwk["n"]) <= MAX_RSA_BITS:
            return None
        return KEY_TYPES[jwk["kty"]].import_key(jwk)
    except Exception:  # joserfc raises many kinds for keys that are damaged
        return None


def _bits(number: str) -> int:
    """Return the size of a number in base64url. joserfc would load an RSA key of any size."""
    return int.from_bytes(base64.urlsafe_b64decode(number + "=" * (-len(number) % 4)), "big").bit_length()
