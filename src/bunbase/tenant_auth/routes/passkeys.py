"""Passkeys of users: `/v1/auth/passkeys`, and sign-ins with them."""

from __future__ import annotations

from typing import Annotated

from litestar import delete, get, patch, post
from litestar.params import PathParameter

from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.service import TenantAuth
from bunbase.contracts.tenant_auth.sessions import UserSignedIn
from bunbase.pkg.http import NO_STORE, Injected
from bunbase.pkg.identity.bodies import LoginOptions, NewCredential, PasskeyName, UsedCredential
from bunbase.pkg.identity.factors import Passkey, PasskeyOptions, Passkeys
from bunbase.pkg.ids import ID
from bunbase.pkg.openapi import SIGNED_IN_USER

TAGS = ["End users"]

PasskeyId = Annotated[str, PathParameter(pattern=ID)]


@post(
    "/v1/auth/login/passkey/options",
    summary="Begin a user's sign-in with a passkey",
    tags=TAGS,
    status_code=200,
    cache_control=NO_STORE,
)
async def user_passkey_login_options(
    keyed: Injected[Caller], tenant_auth: Injected[TenantAuth], data: LoginOptions
) -> PasskeyOptions:
    """No email is needed, because the passkey identifies its user. The options work once, for five minutes."""
    return await tenant_auth.passkey_login_options(keyed, data.challenge)


@post(
    "/v1/auth/login/passkey/verify",
    summary="Sign a user in with a passkey",
    tags=TAGS,
    status_code=200,
    cache_control=NO_STORE,
)
async def user_passkey_login(
    keyed: Injected[Caller], tenant_auth: Injected[TenantAuth], data: UsedCredential
) -> UserSignedIn:
    """The passkey verifies its user, so this sign-in counts as two factors."""
    return await tenant_auth.login_with_passkey(keyed, data.credential)


@get("/v1/auth/passkeys", summary="List the signed-in user's passkeys", tags=TAGS, security=SIGNED_IN_USER)
async def list_user_passkeys(client: Injected[Caller], tenant_auth: Injected[TenantAuth]) -> Passkeys:
    return await tenant_auth.passkeys(client)


@post(
    "/v1/auth/passkeys/options",
    summary="Begin to add a passkey of a user",
    tags=TAGS,
    status_code=200,
    cache_control=NO_STORE,
    security=SIGNED_IN_USER,
)
async def user_passkey_options(client: Injected[Caller], tenant_auth: Injected[TenantAuth]) -> PasskeyOptions:
    """Needs recent reauthentication. The options work once, for five minutes."""
    return await tenant_auth.passkey_options(client)


@post("/v1/auth/passkeys/register", summary="Add a passkey of a user", tags=TAGS, security=SIGNED_IN_USER)
async def register_user_passkey(
    client: Injected[Caller], tenant_auth: Injected[TenantAuth], data: NewCredential
) -> Passkey:
    """A user has at most 20 passkeys."""
    return await tenant_auth.register_passkey(client, data.credential, data.name)


@patch(
    "/v1/auth/passkeys/{passkey_id:str}",
    summary="Rename a passkey of a user",
    tags=TAGS,
    status_code=204,
    security=SIGNED_IN_USER,
)
async def rename_user_passkey(
    client: Injected[Caller], tenant_auth: Injected[TenantAuth], passkey_id: PasskeyId, data: PasskeyName
) -> None:
    """The name only helps the user to distinguish the passkeys."""
    await tenant_auth.rename_passkey(client, passkey_id, data.name)


@delete("/v1/auth/passkeys/{passkey_id:str}", summary="Delete a passkey of a user", tags=TAGS, security=SIGNED_IN_USER)
async def delete_user_passkey(
    client: Injected[Caller], tenant_auth: Injected[TenantAuth], passkey_id: PasskeyId
) -> None:
    """Needs recent reauthentication. The passkey stops working at once; the sessions that it opened stay open."""
    await tenant_auth.delete_passkey(client, passkey_id)


ROUTES = (
    user_passkey_login_options,
    user_passkey_login,
    list_user_passkeys,
    user_passkey_options,
    register_user_passkey,
    rename_user_passkey,
    delete_user_passkey,
)
