"""The methods of the contract that are about the administration of users."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.bulk import BulkChange, BulkResult
from bunbase.contracts.tenant_auth.impersonation import HandedLink, Impersonated, NewHandedLink, NewImpersonation
from bunbase.contracts.tenant_auth.sessions import CustomToken, UserSessions
from bunbase.contracts.tenant_auth.transfers import ImportChoices, ImportedUsers
from bunbase.contracts.tenant_auth.users import ManagedUser, ManagedUsers, NewUser, UserChanges, UserFilter
from bunbase.pkg.ndjson import ExportPart, ImportLine
from bunbase.tenant_auth.service.administration import Administration
from bunbase.tenant_auth.service.bulk import Bulk
from bunbase.tenant_auth.service.impersonation import Impersonation
from bunbase.tenant_auth.service.transfers import Transfers
from bunbase.tenant_auth.service.user_links import UserLinks


class AdministrationMethods:
    """Every method calls the part that does the work."""

    administration: Administration
    bulk: Bulk
    impersonation: Impersonation
    transfers: Transfers
    user_links: UserLinks

    async def users(self, caller: Caller, only: UserFilter, limit: int, cursor: str | None) -> ManagedUsers:
        return await self.administration.list_users(caller, only, limit, cursor)

    async def user(self, caller: Caller, id: str) -> ManagedUser:
        return await self.administration.get_user(caller, id)

    async def create_user(self, caller: Caller, new: NewUser) -> ManagedUser:
        return await self.administration.create_user(caller, new)

    async def update_user(self, caller: Caller, id: str, changes: UserChanges) -> ManagedUser:
        return await self.administration.update_user(caller, id, changes)

    async def delete_user(self, caller: Caller, id: str) -> None:
        await self.administration.delete_user(caller, id)

    async def user_sessions(self, caller: Caller, id: str, limit: int, cursor: str | None) -> UserSessions:
        return await self.administration.list_sessions(caller, id, limit, cursor)

    async def end_user_sessions(self, caller: Caller, id: str) -> None:
        await self.administration.end_sessions(caller, id)

    async def import_users(
        self, caller: Caller, choices: ImportChoices, lines: tuple[ImportLine, ...]
    ) -> ImportedUsers:
        return await self.transfers.import_users(caller, choices, lines)

    def export_users(self, caller: Caller, hashes: bool, after: str) -> AsyncIterator[ExportPart]:
        return self.transfers.export_users(caller, hashes, after)

    def copied_users(self, project: str, after: str) -> AsyncIterator[ExportPart]:
        return self.transfers.copied_users(project, after)

    async def restore_users(self, caller: Caller, lines: tuple[ImportLine, ...]) -> ImportedUsers:
        return await self.transfers.restore_users(caller, lines)

    async def change_users(self, caller: Caller, change: BulkChange) -> BulkResult:
        return await self.bulk.change(caller, change)

    async def create_user_link(self, caller: Caller, id: str, new: NewHandedLink) -> HandedLink:
        return await self.user_links.create(caller, id, new)

    async def impersonate_user(self, caller: Caller, id: str, new: NewImpersonation) -> Impersonated:
        return await self.impersonation.open(caller, id, new)

    async def custom_token(self, caller: Caller, uid: str, claims: dict[str, Any]) -> CustomToken:
        return await self.administration.make_custom_token(caller, uid, claims)
