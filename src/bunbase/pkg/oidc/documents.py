"""Fetch the documents of a provider: its metadata and its keys (OpenID Connect Discovery 1.0). Both are cached."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, TypeVar

import msgspec
from joserfc.jwk import KeySet

from bunbase.pkg.oidc.person import ProviderFailed
from bunbase.pkg.outgoing import Outgoing, RequestFailed

DISCOVERY: Final = "/.well-known/openid-configuration"
KEPT_SECONDS: Final = 3600.0
ANEW_SECONDS: Final = 30.0  # an unknown key makes BunBase fetch the keys again, but not more often than this
MAX_KEYS: Final = 100

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
    """`issuer`: the URL below which the metadata are. `named`: the issuer in the metadata, if it differs. `now`:
    returns seconds that only increase.
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
        """Return the provider's keys. `anew`: true if a token names a key that is not among the known keys. Raises:
        ProviderFailed.
        """
        metadata = await self.metadata()
        async with self.lock:
            age = None if self.fetched_keys is None else self.now() - self.fetched_keys[0]
            if self.fetched_keys is None or age is None or age >= (ANEW_SECONDS if anew else KEPT_SECONDS):
                found = await fetch_json(self.outgoing, metadata.jwks_uri, dict[str, Any])
                self.fetched_keys = (self.now(), _key_set(found))
            return self.fetched_keys[1]


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


def _key_set(document: dict[str, Any]) -> KeySet:
    """Return the keys for signatures whose kinds are known here. Raises: ProviderFailed."""
    keys = document.get("keys")
    if not isinstance(keys, list) or len(keys) > MAX_KEYS:
        raise ProviderFailed("the keys of the provider are not a JWK set")
    usable = [one for one in keys if isinstance(one, dict) and one.get("kty") in ("RSA", "EC", "OKP")]
    try:
        return KeySet.import_key_set({"keys": [one for one in usable if one.get("use", "sig") == "sig"]})
    except Exception as error:  # joserfc raises many kinds of errors for damaged keys
        raise ProviderFailed(f"the keys of the provider cannot be read: {error}") from None
