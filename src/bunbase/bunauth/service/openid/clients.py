"""Register OpenID Connect clients, and check their credentials."""

from __future__ import annotations

import hmac
import re
from typing import Final

from bunbase.bunauth.personal_tokens import REMEMBER_SECONDS
from bunbase.bunauth.service.names import checked_name, invalid_name
from bunbase.bunauth.service.proofs import Proofs
from bunbase.bunauth.service.session_tokens import SessionTokens
from bunbase.bunauth.store import Stores
from bunbase.bunauth.store.oauth_clients import StoredClient
from bunbase.contracts.bunauth.openid import (
    MAX_CLIENTS,
    ClientKind,
    NewOAuthClient,
    OAuthClient,
    OAuthClientNotFound,
    OAuthClients,
    OAuthRefused,
)
from bunbase.contracts.caller import Act, Caller
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.ids import ID, new_id
from bunbase.pkg.opaque import fingerprint, new_secret
from bunbase.pkg.openid_provider.client_credentials import ClientCredentials
from bunbase.pkg.openid_provider.redirect_uris import UnsuitableUri, check_redirect_uri

ID_PREFIX, SECRET_PREFIX = "oac", "ocs"
KNOWN_ID: Final = re.compile(ID)


class OAuthClientService:
    def __init__(self, stores: Stores, proofs: Proofs, tokens: SessionTokens) -> None:
        self.stores = stores
        self.proofs = proofs
        self.tokens = tokens
        self.clock = tokens.clock

    async def list(self, caller: Caller) -> OAuthClients:
        caller.administrator(Act.INSTALLATION_READ)
        return OAuthClients(tuple(one.shown() for one in await self.stores.oauth_clients.newest(MAX_CLIENTS)))

    async def create(self, caller: Caller, new: NewOAuthClient) -> OAuthClient:
        """Register a client. Raises: InvalidInput, ReauthenticationRequired, Forbidden."""
        await self._check_acting(caller, Act.OAUTH_CLIENT_CREATE)
        name = checked_name(new.name)
        if not name:
            raise invalid_name("Enter the name that people see when they sign in.")
        uris, secret = _checked_uris(new), new_secret(SECRET_PREFIX) if new.kind is ClientKind.CONFIDENTIAL else None
        hash, now = fingerprint(secret) if secret else None, self.clock.now()
        client = StoredClient(new_id(ID_PREFIX), name, uris, new.first_party, hash, now)
        if not await self.stores.oauth_clients.add(client, MAX_CLIENTS):
            raise InvalidInput(f"An installation has at most {MAX_CLIENTS} clients. Delete one first.")
        return client.shown(secret)

    async def rotate(self, caller: Caller, id: str) -> OAuthClient:
        """Replace the secret of a client.

        Raises: OAuthClientNotFound, InvalidInput, ReauthenticationRequired, Forbidden.
        """
        await self._check_acting(caller, Act.OAUTH_CLIENT_ROTATE)
        secret = new_secret(SECRET_PREFIX)
        changed = await self.stores.oauth_clients.rotate(id, fingerprint(secret), self.clock.now())
        client = await self.find(id)
        if client is None:
            raise OAuthClientNotFound
        if not changed:
            raise InvalidInput("A public client has no secret.")
        return client.shown(secret)

    async def delete(self, caller: Caller, id: str) -> None:
        """Delete a client. Raises: OAuthClientNotFound, ReauthenticationRequired, Forbidden."""
        await self._check_acting(caller, Act.OAUTH_CLIENT_DELETE)
        now = self.clock.now()
        until = await self.tokens.revoked_until(now)
        async with self.stores.db.transaction():
            if not await self.stores.oauth_clients.delete(id, until):
                raise OAuthClientNotFound
            await self.stores.personal_tokens.delete_of_client(id, now.timestamp() + REMEMBER_SECONDS)

    async def find(self, id: str) -> StoredClient | None:
        return await self.stores.oauth_clients.find(id) if KNOWN_ID.fullmatch(id) else None

    async def authenticated(self, sent: ClientCredentials) -> StoredClient:
        """Return the client with these credentials. A public client sends only its id. Raises: OAuthRefused."""
        client = await self.find(sent.id)
        if client is None or not _is_right(client, sent.secret):
            raise OAuthRefused(
                "The client is unknown, or its secret is wrong.", error="invalid_client", basic=sent.basic
            )
        return client

    async def _check_acting(self, caller: Caller, act: Act) -> None:
        """Check that the caller is an administrator who has just reauthenticated, or has a token with scope `admin`."""
        if caller.administrator(act).session:
            await self.proofs.need_fresh(caller)


def _is_right(client: StoredClient, secret: str) -> bool:
    if client.secret_hash is None:
        return not secret
    return hmac.compare_digest(client.secret_hash, fingerprint(secret))


def _checked_uris(new: NewOAuthClient) -> tuple[str, ...]:
    """Return the redirect URIs without duplicates. Raises: InvalidInput."""
    for place, uri in enumerate(new.redirect_uris):
        try:
            check_redirect_uri(uri, own_schemes=new.kind is ClientKind.PUBLIC)
        except UnsuitableUri as unsuitable:
            raise InvalidInput.at(f"/redirect_uris/{place}", str(unsuitable)) from None
    return tuple(dict.fromkeys(new.redirect_uris))
