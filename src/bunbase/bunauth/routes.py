"""Public HTTP of BunAuth: `/api/auth` and `/.well-known`."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from litestar import delete, get, post
from litestar.datastructures import CacheControlHeader
from litestar.params import PathParameter

from bunbase.contracts.bunauth import Account, BunAuth, Discovery, Jwks, PersonalToken, PersonalTokens, SignedIn
from bunbase.contracts.caller import Caller
from bunbase.pkg.http import NO_STORE, Injected
from bunbase.pkg.ids import ID

TAGS = ["Developers"]
PUBLIC_FOR_A_WHILE: Final = CacheControlHeader(public=True, max_age=300)

TokenId = Annotated[str, PathParameter(pattern=ID)]
Lifetime = Annotated[int, msgspec.Meta(ge=60, le=10 * 366 * 86400)]


class Register(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`setup_token`: for the first account, in production."""

    email: str
    password: str
    name: str = ""
    setup_token: str = ""


class Login(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    email: str
    password: str


class Refresh(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    refresh_token: str


class CreateToken(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`expires_in_seconds`: null for a token that never expires."""

    name: str
    scopes: tuple[Literal["read", "write", "secrets"], ...] = ("read", "write")
    expires_in_seconds: Lifetime | None = None


class Me(msgspec.Struct, frozen=True):
    user: Account


@post("/api/auth/register", summary="Open a developer's account", tags=TAGS, cache_control=NO_STORE)
async def register(anyone: Injected[Caller], bunauth: Injected[BunAuth], data: Register) -> SignedIn:
    """The first account becomes the installation's administrator: in production it sends `setup_token`, which
    `bunbase serve` prints at its first start. Afterwards the setting `signups` decides.

    An email that is taken answers 409: who may register can find out who has, as with any sign-up form that does not
    wait for a mail.
    """
    return await bunauth.register(anyone, data.email, data.password, data.name, data.setup_token)


@post("/api/auth/login", summary="Sign a developer in", tags=TAGS, status_code=200, cache_control=NO_STORE)
async def login(anyone: Injected[Caller], bunauth: Injected[BunAuth], data: Login) -> SignedIn:
    """A wrong password and an unknown email answer alike, in like time."""
    return await bunauth.login(anyone, data.email, data.password)


@post(
    "/api/auth/refresh",
    summary="Trade a refresh token for a new pair",
    tags=TAGS,
    status_code=200,
    cache_control=NO_STORE,
)
async def refresh(anyone: Injected[Caller], bunauth: Injected[BunAuth], data: Refresh) -> SignedIn:
    """Each refresh token works once; a retry within ten seconds gets the same pair, later reuse ends the session."""
    return await bunauth.refresh(anyone, data.refresh_token)


@post("/api/auth/logout", summary="End the session", tags=TAGS, status_code=204)
async def logout(developer: Injected[Caller], bunauth: Injected[BunAuth]) -> None:
    """Its access token stops working within a second, everywhere."""
    await bunauth.logout(developer)


@get("/api/auth/me", summary="Who am I", tags=TAGS)
async def me(developer: Injected[Caller], bunauth: Injected[BunAuth]) -> Me:
    return Me(await bunauth.me(developer))


@get("/api/auth/tokens", summary="List your personal access tokens", tags=TAGS)
async def list_tokens(developer: Injected[Caller], bunauth: Injected[BunAuth]) -> PersonalTokens:
    return await bunauth.tokens(developer)


@post("/api/auth/tokens", summary="Make a personal access token", tags=TAGS, cache_control=NO_STORE)
async def create_token(developer: Injected[Caller], bunauth: Injected[BunAuth], data: CreateToken) -> PersonalToken:
    """The token itself is in this answer and nowhere else. Without the scope `write` it may only read;
    with `secrets` it may also read the values of variables, where its owner may."""
    return await bunauth.create_token(developer, data.name, data.scopes, data.expires_in_seconds)


@delete("/api/auth/tokens/{token_id:str}", summary="Delete a personal access token", tags=TAGS)
async def delete_token(developer: Injected[Caller], bunauth: Injected[BunAuth], token_id: TokenId) -> None:
    """It stops working within a second, everywhere."""
    await bunauth.delete_token(developer, token_id)


@get("/.well-known/jwks.json", summary="Public keys", tags=TAGS, cache_control=PUBLIC_FOR_A_WHILE)
async def jwks(bunauth: Injected[BunAuth]) -> Jwks:
    """The RS256 keys to check developers' access tokens with (RFC 7517)."""
    return await bunauth.jwks()


@get("/.well-known/openid-configuration", summary="Discovery", tags=TAGS, cache_control=PUBLIC_FOR_A_WHILE)
async def discovery(bunauth: Injected[BunAuth]) -> Discovery:
    """Issuer and keys, as libraries that check tokens look them up."""
    return await bunauth.discovery()


ROUTES = (
    register,
    login,
    refresh,
    logout,
    me,
    list_tokens,
    create_token,
    delete_token,
    jwks,
    discovery,
)
