"""The methods of the contract for administrators of the installation."""

from __future__ import annotations

from bunbase.bunauth.service.administration import Administration
from bunbase.contracts.bunauth.administration import AccountRole, ManagedAccount, ManagedAccounts
from bunbase.contracts.caller import Caller


class AdministrationMethods:
    """Every method calls the part that does the work."""

    administration: Administration

    async def managed_accounts(self, caller: Caller, email: str, limit: int, cursor: str | None) -> ManagedAccounts:
        return await self.administration.accounts(caller, email, limit, cursor)

    async def managed_account(self, caller: Caller, id: str) -> ManagedAccount:
        return await self.administration.account(caller, id)

    async def suspend_account(self, caller: Caller, id: str) -> ManagedAccount:
        return await self.administration.suspend(caller, id)

    async def resume_account(self, caller: Caller, id: str) -> ManagedAccount:
        return await self.administration.resume(caller, id)

    async def set_account_role(self, caller: Caller, id: str, role: AccountRole) -> ManagedAccount:
        return await self.administration.set_role(caller, id, role)
