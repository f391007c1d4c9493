"""Open accounts, sign in and out: `/api/auth`."""

from __future__ import annotations

import msgspec
from litestar import get, post

from bunbase.contracts.bunauth.accounts import Account, SignedIn
from bunbase.contracts.bunauth.service import BunAuth
from bunbase.contracts.caller import Caller
from bunbase.pkg.http import NO_STORE, Injected

TAGS = ["Developers"]


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


ROUTES = (register, login, refresh, logout, get_me)
