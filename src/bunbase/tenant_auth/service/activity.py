"""Show the events about the credentials of users, which `tenant_auth/journal.py` records."""

from __future__ import annotations

import msgspec

from bunbase.contracts.caller import Act, Caller
from bunbase.contracts.tenant_auth.activity import (
    ActedBy,
    ActivityFilter,
    ManagedActivity,
    ManagedActivityEntry,
    OwnActivity,
    UserActivityEntry,
)
from bunbase.pkg.cursors import cut_page, page_start
from bunbase.tenant_auth.people import no_such_user
from bunbase.tenant_auth.pool import Pools
from bunbase.tenant_auth.service.callers import keyed_project, managed_project

ADMINISTRATORS = (ActedBy.MEMBER, ActedBy.KEY)


class UserActivity:
    def __init__(self, pools: Pools) -> None:
        self.stores = pools.stores
        self.journal = pools.journal

    async def own(self, caller: Caller, limit: int, cursor: str | None) -> OwnActivity:
        """Return the entries of the signed-in user. Raises: InvalidCursor, Unauthenticated."""
        project, user = keyed_project(caller), caller.end_user(impersonated=True)
        found = await self._page(project, ActivityFilter(user=user.uid), limit, cursor)
        return OwnActivity(tuple(_for_user(entry) for entry in found.items), found.next)

    async def of_user(self, caller: Caller, id: str, limit: int, cursor: str | None) -> ManagedActivity:
        """Return the entries of one user. Raises: UserNotFound, InvalidCursor, Forbidden."""
        project = managed_project(caller, Act.USER_READ)
        found = await self._page(project, ActivityFilter(user=id), limit, cursor)
        if not found.items and await self.stores.users.by_id(project, id) is None:
            raise no_such_user()
        return found

    async def of_project(self, caller: Caller, only: ActivityFilter, limit: int, cursor: str | None) -> ManagedActivity:
        """Return the entries of a project. Raises: InvalidCursor, Forbidden."""
        return await self._page(managed_project(caller, Act.USER_READ), only, limit, cursor)

    async def _page(self, project: str, only: ActivityFilter, limit: int, cursor: str | None) -> ManagedActivity:
        await self.journal.store_refused_of(project, only.user)
        query = f"user activity:{project}:{msgspec.json.encode(only).decode()}"
        before = page_start(query, cursor, str, "")
        found = await self.stores.activity.page(project, only, before, limit + 1)
        page, next = cut_page(found, limit, query, lambda entry: entry.id)
        return ManagedActivity(tuple(page), next)


def _for_user(entry: ManagedActivityEntry) -> UserActivityEntry:
    """Return an entry for the user. If an administrator acted, leave out the person and the network."""
    known = {name: getattr(entry, name) for name in UserActivityEntry.__struct_fields__}
    if entry.by in ADMINISTRATORS:
        known |= {"ip": "", "agent": ""}
    return UserActivityEntry(**known)
