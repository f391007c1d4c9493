"""Proofs that the signed-in user still owns the account: `/v1/auth/reauthenticate`."""

from __future__ import annotations

from litestar import post

from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.proofs import Reauthenticated
from bunbase.contracts.tenant_auth.service import TenantAuth
from bunbase.pkg.http import NO_STORE, Injected
from bunbase.pkg.identity.factors import PasskeyOptions, Proof
from bunbase.pkg.openapi import SIGNED_IN_USER

TAGS = ["End users"]


@post(
    "/v1/auth/reauthenticate",
    summary="Prove that the account is the user's",
    tags=TAGS,
    status_code=200,
    cache_control=NO_STORE,
    security=SIGNED_IN_USER,
)
async def reauthenticate_user(
    client: Injected[Caller], tenant_auth: Injected[TenantAuth], data: Proof
) -> Reauthenticated:
    """Dangerous requests need a proof from the last ten minutes in the same session; a sign-in counts as a proof.
    Without a recent sign-in or reauthentication, the response to a dangerous request is 401
    `reauthentication_required`, and `methods` lists the proofs that the user can send. After a proof with a code or a
    passkey, the session has two factors: the access token in the response has `aal` 2. Ten wrong proofs in a row end
    the session.
    """
    return await tenant_auth.reauthenticate(client, data)


@post(
    "/v1/auth/reauthenticate/options",
    summary="Begin a user's proof with a passkey",
    tags=TAGS,
    status_code=200,
    cache_control=NO_STORE,
    security=SIGNED_IN_USER,
)
async def user_proof_options(client: Injected[Caller], tenant_auth: Injected[TenantAuth]) -> PasskeyOptions:
    """When the browser has answered, send its answer as `passkey` to `/v1/auth/reauthenticate`."""
    return await tenant_auth.proof_options(client)


ROUTES = (reauthenticate_user, user_proof_options)
