"""Open accounts, sign in and out: `/api/auth`."""

from __future__ import annotations

import msgspec
from litestar import get, patch, post

from bunbase.contracts.bunauth.accounts import Account, ProfileChanges, Proof, SignedIn
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


class ChangePassword(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`current`: the current password; null if a proof is fresh."""

    password: str
    current: str | None = None


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
    """Send the refresh token that came with the latest pair. If the answer is lost, send the same token again: until a
    token of the new pair was used, you get the same pair. A refresh token that is used after that, and more than ten
    seconds after its first use, ends the session."""
    return await bunauth.refresh(anyone, data.refresh_token)


@post("/api/auth/logout", summary="End the session", tags=TAGS, status_code=204)
async def logout(developer: Injected[Caller], bunauth: Injected[BunAuth]) -> None:
    """The session's access token stops working everywhere within a second."""
    await bunauth.logout(developer)


@get("/api/auth/me", summary="Get your account", tags=TAGS)
async def get_me(developer: Injected[Caller], bunauth: Injected[BunAuth]) -> Me:
    return Me(await bunauth.me(developer))


@patch("/api/auth/me", summary="Change your name or picture", tags=TAGS)
async def update_me(developer: Injected[Caller], bunauth: Injected[BunAuth], data: ProfileChanges) -> Me:
    """A value that the request does not contain stays as it is."""
    return Me(await bunauth.update_me(developer, data))


@post("/api/auth/password", summary="Change your password", tags=TAGS, status_code=204)
async def change_password(developer: Injected[Caller], bunauth: Injected[BunAuth], data: ChangePassword) -> None:
    """Ends all other sessions of the account; personal access tokens stay. Send the current password, or prove before
    this request that the account is yours (`/api/auth/reauthenticate`)."""
    await bunauth.change_password(developer, data.password, data.current)


@post("/api/auth/reauthenticate", summary="Prove that the account is yours", tags=TAGS, status_code=204)
async def reauthenticate(developer: Injected[Caller], bunauth: Injected[BunAuth], data: Proof) -> None:
    """Dangerous requests need a proof of the last ten minutes in the same session; a sign-in counts as a proof. Without
    one, they are answered with 401 `reauthentication_required`. Ten wrong proofs in a row end the session."""
    await bunauth.reauthenticate(developer, data)


ROUTES = (register, login, refresh, logout, get_me, update_me, change_password, reauthenticate)
