"""The methods of the contract that are about sign-ins with other services."""

from __future__ import annotations

from bunbase.bunauth.service.external_accounts import ExternalAccounts
from bunbase.contracts.bunauth.accounts import SignedIn
from bunbase.contracts.bunauth.identities import (
    CodeExchange,
    ExternalAnswer,
    ExternalRedirect,
    ExternalStart,
    Identities,
    LinkTicket,
    LoginProviders,
)
from bunbase.contracts.caller import Caller
from bunbase.pkg.identity.external_login import ExternalLogins


class ExternalMethods:
    """Every method calls the part that does the work."""

    external_accounts: ExternalAccounts
    external_logins: ExternalLogins

    async def login_providers(self) -> LoginProviders:
        return self.external_logins.list()

    async def start_external_login(self, provider: str, start: ExternalStart) -> ExternalRedirect:
        return await self.external_logins.start(provider, start)

    async def finish_external_login(self, provider: str, answer: ExternalAnswer) -> ExternalRedirect:
        return await self.external_logins.finish(provider, answer)

    async def exchange_code(self, caller: Caller, exchange: CodeExchange) -> SignedIn:
        return await self.external_accounts.exchange(caller, exchange)

    async def create_link_ticket(self, caller: Caller, provider: str) -> LinkTicket:
        return await self.external_accounts.ticket(caller, provider)

    async def identities(self, caller: Caller) -> Identities:
        return await self.external_accounts.list(caller)

    async def delete_identity(self, caller: Caller, id: str) -> None:
        await self.external_accounts.delete(caller, id)
