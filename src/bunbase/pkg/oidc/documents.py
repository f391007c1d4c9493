"""Fetch the documents of a provider: its metadata and its keys (OpenID Connect Discovery 1.0). Both are cached.

If several sign-ins need a document at the same time, it is fetched once. If the provider does not answer, no sign-in
waits longer than the deadline of one request.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final, TypeVar

import msgspec

from bunbase.pkg.logger import logger
from bunbase.pkg.oidc.person import ProviderFailed
from bunbase.pkg.oidc.provider_keys import ProviderKeys
from bunbase.pkg.outgoing import Outgoing, RequestFailed
from bunbase.pkg.shared_calls import SharedCalls

DISCOVERY: Final = "/.well-known/openid-configuration"
KEPT_SECONDS: Final = 3600.0
# If a token has an unknown key, BunBase fetches the keys again, but at most once in this time.
ANEW_SECONDS: Final = 30.0

T = TypeVar("T")

log = logger("identity")


class Metadata(msgspec.Struct, frozen=True):
    """The parts of a provider's metadata that are needed here. Some providers send null for a missing part."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    token_endpoint_auth_methods_supported: tuple[str, ...] | None = None
    authorization_response_iss_parameter_supported: bool | None = None

    @property
    def has_basic_authentication(self) -> bool:
        """True if the token endpoint takes the secret of a client by HTTP Basic, which is the default (RFC 8414 §2)."""
        methods = self.token_endpoint_auth_methods_supported
        return methods is None or "client_secret_basic" in methods


class Documents:
    """The documents of one provider. `issuer`: the URL below which the metadata is.

    `named`: the issuer in the metadata, if it differs.

    `now`: a clock that returns Unix seconds. If the clock is set back, a document that was fetched at a later time
    counts as old.
    """

    def __init__(self, issuer: str, outgoing: Outgoing, now: Callable[[], float], named: str = "") -> None:
        self.issuer = issuer
        self.named = named or issuer
        self.outgoing = outgoing
        self.now = now
        self.fetching: SharedCalls[str, None] = SharedCalls()
        self.known: tuple[float, Metadata] | None = None
        self.fetched_keys: tuple[float, ProviderKeys] | None = None

    async def metadata(self) -> Metadata:
        """Return the metadata of the provider. Raises: ProviderFailed."""
        if self.known is None or self._is_old(self.known[0], KEPT_SECONDS):
            await self.fetching.result("metadata", self._fetch_metadata)
        assert self.known is not None, "the fetch has stored it, or has failed"
        return self.known[1]

    async def keys(self, anew: bool = False) -> ProviderKeys:
        """Return the provider's keys. Raises: ProviderFailed.

        `anew`: true if a token names an unknown key, so that the keys may have to be fetched again.
        """
        metadata = await self.metadata()
        kept = ANEW_SECONDS if anew else KEPT_SECONDS
        if self.fetched_keys is None or self._is_old(self.fetched_keys[0], kept):
            await self.fetching.result("keys", partial(self._fetch_keys, metadata.jwks_uri))
        assert self.fetched_keys is not None, "the fetch has stored them, or has failed"
        return self.fetched_keys[1]

    def _is_old(self, fetched_at: float, seconds: float) -> bool:
        return not 0 <= self.now() - fetched_at < seconds

    async def _fetch_metadata(self) -> None:
        found = await fetch_json(self.outgoing, self.issuer.rstrip("/") + DISCOVERY, Metadata)
        if found.issuer != self.named:
            raise ProviderFailed(f"the metadata of {self.issuer} name another issuer: {found.issuer[:200]!r}")
        self.known = (self.now(), found)

    async def _fetch_keys(self, jwks_uri: str) -> None:
        found = await fetch_json(self.outgoing, jwks_uri, dict[str, Any])
        try:
            self.fetched_keys = (self.now(), ProviderKeys(found))
        except ValueError as error:
            raise ProviderFailed(f"the keys of the provider cannot be read: {error}") from None


async def fetch_more(outgoing: Outgoing, url: str, kind: type[T], headers: dict[str, str] | None = None) -> T | None:
    """Return a document that a sign-in does not need. If it cannot be fetched, log the reason and return None."""
    try:
        return await fetch_json(outgoing, url, kind, headers)
    except ProviderFailed as failed:
        log.warning("a provider does not give all it knows about a person", reason=str(failed)[:500])
        return None


async def fetch_json(outgoing: Outgoing, url: str, kind: type[T], headers: dict[str, str] | None = None) -> T:
    """Fetch a JSON document. Raises: ProviderFailed."""
    try:
        answer = await outgoing.get(url, {"accept": "application/json", **(headers or {})})
    except RequestFailed as error:
        raise ProviderFailed(str(error)) from None
    return decode_json(url, answer.status, answer.body, kind)


def decode_json(url: str, status: int, body: bytes, kind: type[T]) -> T:
    """Decode a JSON document. Raises: ProviderFailed."""
    if status != 200:
        raise ProviderFailed(f"{url} answered {status}")
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ProviderFailed(f"{url}: {error}") from None
