"""Clients of the OpenID Provider for administrators, and the clients that a person has allowed."""

from __future__ import annotations

from typing import Annotated, Final

from litestar import delete, get, post
from litestar.params import PathParameter

from bunbase.contracts.bunauth.openid import Authorizations, NewOAuthClient, OAuthClient, OAuthClients
from bunbase.contracts.bunauth.service import BunAuth
from bunbase.contracts.caller import Caller
from bunbase.pkg.http import NO_STORE, Injected
from bunbase.pkg.ids import ID

TAGS: Final = ["OpenID Provider"]
CLIENTS: Final = "/api/admin/oauth-clients"

ClientId = Annotated[str, PathParameter(pattern=ID)]
AuthorizationId = Annotated[str, PathParameter(pattern=ID)]


@get(CLIENTS, summary="List the clients of the OpenID Provider", tags=TAGS)
async def list_oauth_clients(developer: Injected[Caller], bunauth: Injected[BunAuth]) -> OAuthClients:
    """Returns the applications that sign people in here, newest first, to administrators of the installation."""
    return await bunauth.oauth_clients(developer)


@post(CLIENTS, summary="Register a client", tags=TAGS, cache_control=NO_STORE)
async def create_oauth_client(
    developer: Injected[Caller], bunauth: Injected[BunAuth], data: NewOAuthClient
) -> OAuthClient:
    """For administrators, with recent reauthentication. Only this response contains the secret of a confidential
    client. The redirect URI of a request must equal one of `redirect_uris`. The port may differ only for
    `http://127.0.0.1/…` (RFC 8252).
    """
    return await bunauth.create_oauth_client(developer, data)


@post(CLIENTS + "/{oauth_client:str}/rotate", summary="Replace the secret of a client", tags=TAGS, status_code=200,
      cache_control=NO_STORE)  # fmt: skip
async def rotate_oauth_client(
    developer: Injected[Caller], bunauth: Injected[BunAuth], oauth_client: ClientId
) -> OAuthClient:
    """Needs recent reauthentication. The old secret stops working at once. The sessions of the client stay."""
    return await bunauth.rotate_oauth_client(developer, oauth_client)


@delete(CLIENTS + "/{oauth_client:str}", summary="Delete a client", tags=TAGS)
async def delete_oauth_client(developer: Injected[Caller], bunauth: Injected[BunAuth], oauth_client: ClientId) -> None:
    """Needs recent reauthentication. All sessions of the client end within a second."""
    await bunauth.delete_oauth_client(developer, oauth_client)


@get("/api/auth/authorizations", summary="List the clients that you have allowed", tags=TAGS)
async def list_authorizations(developer: Injected[Caller], bunauth: Injected[BunAuth]) -> Authorizations:
    return await bunauth.authorizations(developer)


@delete("/api/auth/authorizations/{authorization_id:str}", summary="End what you have allowed a client", tags=TAGS)
async def delete_authorization(
    developer: Injected[Caller], bunauth: Injected[BunAuth], authorization_id: AuthorizationId
) -> None:
    """All sessions of the client at your account end within a second. The client must ask you for consent again."""
    await bunauth.delete_authorization(developer, authorization_id)


ROUTES: Final = (
    list_oauth_clients,
    create_oauth_client,
    rotate_oauth_client,
    delete_oauth_client,
    list_authorizations,
    delete_authorization,
)
