"""Ban, delete or sign out many users. Each transaction holds at most CHUNK users, in the order of their ids."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import Final, assert_never

import msgspec

from bunbase.contracts.caller import Act, Caller
from bunbase.contracts.tenant_auth.activity import UserAct
from bunbase.contracts.tenant_auth.bulk import BulkAction, BulkChange, BulkResult, NotChanged
from bunbase.contracts.tenant_auth.problems import UserNotFound
from bunbase.contracts.tenant_auth.users import UserChanges, UserFilter, UserOrder
from bunbase.pkg.errors import InvalidInput
from bunbase.tenant_auth.journal import Actor, Event, administrator
from bunbase.tenant_auth.people import credential_changes, signed_out, with_changes
from bunbase.tenant_auth.pool import Pools
from bunbase.tenant_auth.service.administration import Administration
from bunbase.tenant_auth.service.callers import managed_project
from bunbase.tenant_auth.service.cascade import Cascade

CHUNK: Final = 100


class Bulk:
    def __init__(self, pools: Pools, administration: Administration, cascade: Cascade) -> None:
        self.pools = pools
        self.stores = pools.stores
        self.administration = administration
        self.cascade = cascade

    async def change(self, caller: Caller, change: BulkChange) -> BulkResult:
        """Change many users at once. Raises: InvalidInput, InvalidCursor, Forbidden, Unauthenticated."""
        project = managed_project(caller, Act.USER_BULK)
        ids, next = await self._named(caller, change)
        done: list[str] = []
        for start in range(0, len(ids), CHUNK):
            done += await self._changed(project, change.action, ids[start : start + CHUNK], administrator(caller))
        if change.action is BulkAction.DELETE:
            self.administration.places.count_again(project)
            self.cascade.nudge()  # This wakes the job once more, because the transactions are over now.
        failed = tuple(NotChanged(id, UserNotFound.code) for id in sorted(set(ids).difference(done)))
        return BulkResult(change.action, len(done), _digest(done), failed, next)

    async def _named(self, caller: Caller, change: BulkChange) -> tuple[list[str], str | None]:
        """Return the sorted ids of the users to change, and the cursor for the remaining users of a filter."""
        if (change.ids is None) == (change.filter is None):
            raise InvalidInput("Send either `ids` or `filter`.")
        if change.ids is not None:
            return sorted({id for id in change.ids if "\0" not in id}), None
        known = msgspec.structs.asdict(change.filter) if change.filter else {}
        if not any(value is not None for value in known.values()):
            raise InvalidInput.at("/filter", "Name at least one condition: an empty filter means all users.")
        only = UserFilter(**known, order=UserOrder.OLDEST)
        page = await self.administration.list_users(caller, only, change.limit, change.cursor)
        return sorted(user.id for user in page.items), page.next

    async def _changed(self, project: str, action: BulkAction, ids: list[str], actor: Actor) -> list[str]:
        """Apply the action to the users in one transaction. Return the ids of users that exist."""
        until = await self.pools.revoked_until()
        async with self.stores.db.transaction():
            return [id for id in ids if await self._one(project, action, id, until, actor)]

    async def _one(self, project: str, action: BulkAction, id: str, until: float, actor: Actor) -> bool:
        users, now = self.stores.users, self.pools.site.clock.now()
        match action:
            case BulkAction.DELETE:
                return await self.cascade.delete_user(project, id, until, actor)
            case BulkAction.SIGN_OUT:
                alter = signed_out
            case BulkAction.BAN | BulkAction.UNBAN:
                changes = UserChanges(banned=action is BulkAction.BAN)
                alter = partial(with_changes, changes=changes, password_hash=None, now=now)
            case never:
                assert_never(never)
        before = await users.locked(project, id)
        after = await users.change(project, id, alter, now, until)
        if before is None or after is None:
            return False
        acts = credential_changes(before, after, now)
        for act in [UserAct.SESSION_END] if action is BulkAction.SIGN_OUT else acts:
            await self.pools.journal.add(project, id, Event(act), actor)
        return True


def _digest(ids: list[str]) -> str:
    return hashlib.sha256("".join(f"{id}\n" for id in sorted(ids)).encode()).hexdigest()
