"""Open accounts, sign in and out: `/api/auth`."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Response, get, patch, post
from litestar.openapi.datastructures import ResponseSpec

from bunbase.contracts.bunauth.accounts import (
    Accepted,
    Account,
    NewAccount,
    ProfileChanges,
    Proof,
    SignedIn,
    SignupPending,
)
from bunbase.contracts.bunauth.service import BunAuth
from bunbase.contracts.bunauth.tokens import UsedToken
from bunbase.contracts.caller import Caller
from bunbase.pkg.http import NO_STORE, Injected
from bunbase.pkg.sent_texts import Email, NewPassword

TAGS = ["Developers"]


class Login(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    email: str
    password: str


class Refresh(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    refresh_token: str


class TokenAndPassword(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`token`: the token in the link of the mail."""

    token: str
    password: NewPassword


class ChangePassword(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`current`: the current password. It may be null after recent reauthentication."""

    password: NewPassword
    current: str | None = None


class EmailOnly(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    email: Email


class Me(msgspec.Struct, frozen=True):
    """`token`: the personal token of the request, or null for a session."""

    user: Account
    token: UsedToken | None = None


@post(
    "/api/auth/register",
    summary="Open a developer's account",
    tags=TAGS,
    cache_control=NO_STORE,
    responses={
        201: ResponseSpec(SignedIn, description="The account is open and signed in."),
        202: ResponseSpec(SignupPending, description="A mail was sent: its link opens the account."),
    },
)
async def register(anyone: Injected[Caller], bunauth: Injected[BunAuth], data: NewAccount) -> Response[Any]:
    """The first account becomes the installation's administrator. In production, the request for the first account
    must contain `setup_token`, which `bunbase serve` prints at its first start. After the first account, the setting
    `signups` decides who may register: everybody, people with an `invite`, or nobody.

    If everybody may register and the server can send mail, the response is 202 for every email address. BunBase then
    sends a mail that tells the owner of the address what to do next (`bunauth.verify_signups`). Otherwise, the response
    is 409 if the email is taken.
    """
    registered = await bunauth.register(anyone, data)
    if registered.signed_in is None:
        return Response(SignupPending(), status_code=202)
    return Response(registered.signed_in)


@post(
    "/api/auth/register/confirm",
    summary="Open an account by the link of a mail",
    tags=TAGS,
    cache_control=NO_STORE,
)
async def confirm_signup(anyone: Injected[Caller], bunauth: Injected[BunAuth], data: TokenAndPassword) -> SignedIn:
    """Use this with the token of the link that BunBase mails after a registration with the response 202. Send the
    password of the new account.
    """
    return await bunauth.confirm_signup(anyone, data.token, data.password)


@post("/api/auth/login", summary="Sign a developer in", tags=TAGS, status_code=200, cache_control=NO_STORE)
async def login(anyone: Injected[Caller], bunauth: Injected[BunAuth], data: Login) -> SignedIn:
    """A wrong password and an unknown email get the same answer, after the same time. If the account has a second
    factor, the answer is 401 `second_factor_required`: send its `challenge` and a code to
    `/api/auth/login/second-factor`.
    """
    return await bunauth.login(anyone, data.email, data.password)


@post(
    "/api/auth/refresh",
    summary="Trade a refresh token for a new pair",
    tags=TAGS,
    status_code=200,
    cache_control=NO_STORE,
)
async def refresh(anyone: Injected[Caller], bunauth: Injected[BunAuth], data: Refresh) -> SignedIn:
    """Send the refresh token of the latest pair. If the response is lost, send the same token again: you get the same
    new pair until a token of the new pair has been used. A request with the old refresh token ends the session if a
    token of the new pair has been used, and more than ten seconds have passed since the first refresh.
    """
    return await bunauth.refresh(anyone, data.refresh_token)


@post("/api/auth/logout", summary="End the session", tags=TAGS, status_code=204)
async def logout(developer: Injected[Caller], bunauth: Injected[BunAuth]) -> None:
    """The session's access token stops working everywhere within a second."""
    await bunauth.logout(developer)


@get("/api/auth/me", summary="Get your account", tags=TAGS)
async def get_me(developer: Injected[Caller], bunauth: Injected[BunAuth]) -> Me:
    return Me(await bunauth.me(developer), _used_token(developer))


@patch("/api/auth/me", summary="Change your name or picture", tags=TAGS)
async def update_me(developer: Injected[Caller], bunauth: Injected[BunAuth], data: ProfileChanges) -> Me:
    """Values that the request does not contain stay unchanged."""
    return Me(await bunauth.update_me(developer, data), _used_token(developer))


@post("/api/auth/password", summary="Change your password", tags=TAGS, status_code=204)
async def change_password(developer: Injected[Caller], bunauth: Injected[BunAuth], data: ChangePassword) -> None:
    """Ends all other sessions of the account; personal access tokens stay valid. Send the current password, or first
    prove that the account is yours (`/api/auth/reauthenticate`).
    """
    await bunauth.change_password(developer, data.password, data.current)


@post("/api/auth/password-reset", summary="Ask for a new password by mail", tags=TAGS, status_code=202)
async def request_password_reset(anyone: Injected[Caller], bunauth: Injected[BunAuth], data: EmailOnly) -> Accepted:
    """The response and the response time are the same for addresses with and without an account."""
    await bunauth.request_password_reset(data.email)
    return Accepted()


@post("/api/auth/password-reset/confirm", summary="Set a new password by a mail", tags=TAGS, status_code=204)
async def reset_password(anyone: Injected[Caller], bunauth: Injected[BunAuth], data: TokenAndPassword) -> None:
    """Ends all sessions of the account. The link works once, for one hour. If the address was never verified, BunBase
    also removes second factors, passkeys, linked services and personal access tokens, and tells the owner by mail.
    """
    await bunauth.reset_password(anyone, data.token, data.password)


@post("/api/auth/reauthenticate", summary="Prove that the account is yours", tags=TAGS, status_code=204)
async def reauthenticate(developer: Injected[Caller], bunauth: Injected[BunAuth], data: Proof) -> None:
    """Dangerous requests need a proof from the last ten minutes in the same session; a sign-in counts as a proof.
    Without a recent sign-in or reauthentication, the response to a dangerous request is 401
    `reauthentication_required`, and `methods` lists the proofs that you can send. Ten wrong proofs in a row end the
    session.
    """
    await bunauth.reauthenticate(developer, data)


ROUTES = (
    register,
    confirm_signup,
    login,
    refresh,
    logout,
    get_me,
    update_me,
    change_password,
    request_password_reset,
    reset_password,
    reauthenticate,
)


def _used_token(caller: Caller) -> UsedToken | None:
    developer = caller.signed_in()
    return UsedToken(developer.token, developer.scopes, developer.projects) if developer.token else None
