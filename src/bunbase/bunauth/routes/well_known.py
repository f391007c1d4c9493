"""Public keys and the discovery document: `/.well-known`. Other programs need them to check tokens."""

from __future__ import annotations

from typing import Final

from litestar import get
from litestar.datastructures import CacheControlHeader

from bunbase.contracts.bunauth.service import BunAuth
from bunbase.contracts.bunauth.tokens import Discovery, Jwks
from bunbase.pkg.http import Injected

TAGS = ["Developers"]
PUBLIC_FOR_A_WHILE: Final = CacheControlHeader(public=True, max_age=300)


@get("/.well-known/jwks.json", summary="Get the public keys", tags=TAGS, cache_control=PUBLIC_FOR_A_WHILE)
async def get_jwks(bunauth: Injected[BunAuth]) -> Jwks:
    """The RS256 keys with which anyone can check developers' access tokens (RFC 7517)."""
    return await bunauth.jwks()


@get(
    "/.well-known/openid-configuration",
    summary="Get the discovery document",
    tags=TAGS,
    cache_control=PUBLIC_FOR_A_WHILE,
)
async def get_discovery(bunauth: Injected[BunAuth]) -> Discovery:
    """The issuer and the address of the public keys, for libraries that check tokens."""
    return await bunauth.discovery()


ROUTES = (get_jwks, get_discovery)
