"""Public keys and the discovery document: `/.well-known`. Other programs need them to check tokens."""

from __future__ import annotations

from typing import Final

from litestar import get, post
from litestar.datastructures import CacheControlHeader

from bunbase.contracts.bunauth.service import BunAuth
from bunbase.contracts.bunauth.tokens import Discovery, Jwks
from bunbase.contracts.caller import Caller
from bunbase.pkg.http import Injected

TAGS = ["Developers"]
PUBLIC_FOR_A_WHILE: Final = CacheControlHeader(public=True, max_age=300)


@get("/.well-known/jwks.json", summary="Get the public keys", tags=TAGS, cache_control=PUBLIC_FOR_A_WHILE)
async def get_jwks(bunauth: Injected[BunAuth]) -> Jwks:
    """Returns the RS256 keys with which anyone can check developers' access tokens (RFC 7517)."""
    return await bunauth.jwks()


@get(
    "/.well-known/openid-configuration",
    summary="Get the discovery document",
    tags=TAGS,
    cache_control=PUBLIC_FOR_A_WHILE,
)
async def get_discovery(bunauth: Injected[BunAuth]) -> Discovery:
    """Returns the metadata of the OpenID Provider (OpenID Connect Discovery 1.0).

    Standard clients need only this URL.
    """
    return await bunauth.discovery()


@get(
    "/.well-known/oauth-authorization-server",
    summary="Get the metadata of the authorization server",
    tags=TAGS,
    cache_control=PUBLIC_FOR_A_WHILE,
)
async def get_authorization_server(bunauth: Injected[BunAuth]) -> Discovery:
    """Returns the same document as `/.well-known/openid-configuration`, for OAuth clients without OpenID Connect
    (RFC 8414).
    """
    return await bunauth.discovery()


@post("/api/auth/signing-keys/replace", summary="Replace all signing keys", tags=TAGS, status_code=204)
async def replace_signing_keys(developer: Injected[Caller], bunauth: Injected[BunAuth]) -> None:
    """For administrators, with recent reauthentication. Use this if somebody else may have a signing key. All access
    tokens of developers become invalid within a second. Sessions stay open, and clients get new tokens with a refresh.
    BunBase also rotates keys by age, without an interruption.
    """
    await bunauth.replace_signing_keys(developer)


ROUTES = (get_jwks, get_discovery, get_authorization_server, replace_signing_keys)
