"""Exchange the secret of a program outside of the installation for a service token."""

from __future__ import annotations

from typing import Final

from bunbase.bunauth.service_clients import ServiceClients
from bunbase.bunauth.settings import BunAuthSettings
from bunbase.contracts.bunauth.problems import InvalidCredentials, ServiceExchangeOff
from bunbase.contracts.bunauth.tokens import ServiceToken
from bunbase.pkg.rpc.tokens import LIFETIME_SECONDS, ServiceTokens

ROOM: Final = "bunauth"


class Exchange:
    def __init__(self, settings: BunAuthSettings, service_tokens: ServiceTokens) -> None:
        """Check the configured secrets. Raises: CannotStart."""
        self.on = settings.service_exchange
        self.clients = ServiceClients(settings)
        self.service_tokens = service_tokens

    def service_token(self, client_id: str, client_secret: str) -> ServiceToken:
        """Return a token that may call `verify` and `jwks`. Raises: ServiceExchangeOff, InvalidCredentials."""
        if not self.on:
            raise ServiceExchangeOff(
                "Set bunauth.service_exchange = true, and name the programs in bunauth.service_client_secrets."
            )
        if not self.clients.is_client(client_id, client_secret):
            raise InvalidCredentials("Send the name and the secret of a program in bunauth.service_client_secrets.")
        return ServiceToken(self.service_tokens.mint(ROOM, ROOM, client=client_id), LIFETIME_SECONDS)
