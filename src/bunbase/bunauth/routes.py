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
    """`setup_token`: production requires it for the first account."""

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
    """`expires_in_seconds`: null makes a token that never expires."""

    name: str
    scopes: tuple[Literal["read", "write", "secrets"], ...] = ("read", "write")
    expires_in_seconds: Lifetime | None = None


class Me(msgspec.Struct, frozen=True):
    user: Account


@post("/api/auth/register", summary="Open a developer's account", tags=TAGS, cache_control=NO_STORE)
async def register(anyone: Injected[Caller], bunauth: Injected[BunAuth], data: Register) -> SignedIn:
    """The first account becomes the installation's administrator. In production, the request for the first account
    must contain `setup_token`, which `bunbase serve` prints at its first start. After the first account, the setting
    `signups` decides who may register.

    The answer is 409 if the email is taken. A caller who may register can therefore find out which emails have an
    account. Every sign-up form that sends no confirmation mail first reveals this.
    """
    return await bunauth.register(anyone, data.email, data.password, data.name, data.setup_token)


@post("/api/auth/login", summary="Sign a developer in", tags=TAGS, status_code=200, cache_control=NO_STORE)
async def login(anyone: Injected[Caller], bunauth: Injected[BunAuth], data: Login) -> SignedIn:
    """A wrong password and an unknown email get the same answer, after the same time."""
    return await bunauth.login(anyone, data.email, data.password)


@post(
    "/api/auth/refresh",
    summary="Trade a refresh token for a new pair",
    tags=TAGS,
    status_code=200,
    cache_control=NO_STORE,
)
async def refresh(anyone: Injected[Caller], bunauth: Injected[BunAuth], data: Refresh) -> SignedIn:
    """Each refresh token works once. A retry within ten seconds gets the same pair; a later reuse ends the session."""
    return await bunauth.refresh(anyone, data.refresh_token)


@post("/api/auth/logout", summary="End the session", tags=TAGS, status_code=204)
async def logout(developer: Injected[Caller], bunauth: Injected[BunAuth]) -> None:
    """The session's access token stops working everywhere within a second."""
    await bunauth.logout(developer)


@get("/api/auth/me", summary="Get your account", tags=TAGS)
async def get_me(developer: Injected[Caller], bunauth: Injected[BunAuth]) -> Me:
    return Me(await bunauth.me(developer))


@get("/api/auth/tokens", summary="List your personal access tokens", tags=TAGS)
async def list_tokens(developer: Injected[Caller], bunauth: Injected[BunAuth]) -> PersonalTokens:
    return await bunauth.tokens(developer)


@post("/api/auth/tokens", summary="Make a personal access token", tags=TAGS, cache_control=NO_STORE)
async def create_token(developer: Injected[Caller], bunauth: Injected[BunAuth], data: CreateToken) -> PersonalToken:
    """The token is shown only in this answer. A token without the scope `write` may only read. A token with the scope
    `secrets` may also read the values of variables, if its owner may read them."""
    return await bunauth.create_token(developer, data.name, data.scopes, data.expires_in_seconds)


@delete("/api/auth/tokens/{token_id:str}", summary="Delete a personal access token", tags=TAGS)
async def delete_token(developer: Injected[Caller], bunauth: Injected[BunAuth], token_id: TokenId) -> None:
    """The token stops working everywhere within a second."""
    await bunauth.delete_token(developer, token_id)


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


ROUTES = (
    register,
    login,
    refresh,
    logout,
    get_me,
    list_tokens,
    create_token,
    delete_token,
    get_jwks,
    get_discovery,
)
