"""Passkeys: `/api/auth/passkeys`, and sign-ins and proofs with them."""

from __future__ import annotations

from typing import Annotated

from litestar import delete, get, patch, post
from litestar.params import PathParameter

from bunbase.contracts.bunauth.accounts import SignedIn
from bunbase.contracts.bunauth.factors import Passkey, PasskeyOptions, Passkeys
from bunbase.contracts.bunauth.service import BunAuth
from bunbase.contracts.caller import Caller
from bunbase.pkg.http import NO_STORE, Injected
from bunbase.pkg.identity.bodies import LoginOptions, NewCredential, PasskeyName, UsedCredential
from bunbase.pkg.ids import ID

TAGS = ["Developers"]

PasskeyId = Annotated[str, PathParameter(pattern=ID)]


@post(
    "/api/auth/login/passkey/options",
    summary="Begin a sign-in with a passkey",
    tags=TAGS,
    status_code=200,
    cache_control=NO_STORE,
)
async def passkey_login_options(
    anyone: Injected[Caller], bunauth: Injected[BunAuth], data: LoginOptions
) -> PasskeyOptions:
    """No email is needed, because the passkey identifies its account. The options work once, for five minutes."""
    return await bunauth.passkey_login_options(data.challenge)


@post(
    "/api/auth/login/passkey/verify",
    summary="Sign in with a passkey",
    tags=TAGS,
    status_code=200,
    cache_control=NO_STORE,
)
async def login_with_passkey(anyone: Injected[Caller], bunauth: Injected[BunAuth], data: UsedCredential) -> SignedIn:
    """The passkey verifies its user, so this sign-in counts as two factors."""
    return await bunauth.login_with_passkey(anyone, data.credential)


@post(
    "/api/auth/reauthenticate/options",
    summary="Begin a proof with a passkey",
    tags=TAGS,
    status_code=200,
    cache_control=NO_STORE,
)
async def passkey_proof_options(developer: Injected[Caller], bunauth: Injected[BunAuth]) -> PasskeyOptions:
    """When the browser has answered, send its answer as `passkey` to `/api/auth/reauthenticate`."""
    return await bunauth.proof_options(developer)


@get("/api/auth/passkeys", summary="List your passkeys", tags=TAGS)
async def list_passkeys(developer: Injected[Caller], bunauth: Injected[BunAuth]) -> Passkeys:
    return await bunauth.passkeys(developer)


@post(
    "/api/auth/passkeys/options",
    summary="Begin to add a passkey",
    tags=TAGS,
    status_code=200,
    cache_control=NO_STORE,
)
async def passkey_options(developer: Injected[Caller], bunauth: Injected[BunAuth]) -> PasskeyOptions:
    """Needs recent reauthentication. The options work once, for five minutes."""
    return await bunauth.passkey_options(developer)


@post("/api/auth/passkeys/register", summary="Add a passkey", tags=TAGS)
async def register_passkey(developer: Injected[Caller], bunauth: Injected[BunAuth], data: NewCredential) -> Passkey:
    """An account has at most 20 passkeys."""
    return await bunauth.register_passkey(developer, data.credential, data.name)


@patch("/api/auth/passkeys/{passkey_id:str}", summary="Rename a passkey", tags=TAGS, status_code=204)
async def rename_passkey(
    developer: Injected[Caller], bunauth: Injected[BunAuth], passkey_id: PasskeyId, data: PasskeyName
) -> None:
    """The name only helps you to distinguish your passkeys."""
    await bunauth.rename_passkey(developer, passkey_id, data.name)


@delete("/api/auth/passkeys/{passkey_id:str}", summary="Delete a passkey", tags=TAGS)
async def delete_passkey(developer: Injected[Caller], bunauth: Injected[BunAuth], passkey_id: PasskeyId) -> None:
    """Needs recent reauthentication. The passkey stops working at once; the sessions that it opened stay open."""
    await bunauth.delete_passkey(developer, passkey_id)


ROUTES = (
    passkey_login_options,
    login_with_passkey,
    passkey_proof_options,
    list_passkeys,
    passkey_options,
    register_passkey,
    rename_passkey,
    delete_passkey,
)
