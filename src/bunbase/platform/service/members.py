"""Lists, adds, changes and removes the members of projects and organisations.

Nobody gives a role above their own, and nobody changes or removes a member whose role is stronger than their own. Every
change locks the group and reads the caller's role again: two owners who leave an organisation at the same moment leave
one after the other, and the second owner has to stay.
"""

from __future__ import annotations

from bunbase.contracts.bunauth.service import BunAuth
from bunbase.contracts.caller import Act, Caller, Role
from bunbase.contracts.platform import LastOwner, Member, MemberNotFound, Members, Person, RoleFromOrganisation, Through
from bunbase.pkg.clock import Clock
from bunbase.pkg.cursors import cut_page, page_start
from bunbase.pkg.errors import InvalidInput
from bunbase.platform.service.groups import Groups
from bunbase.platform.service.rules import check_strength, forget_at
from bunbase.platform.settings import PlatformSettings
from bunbase.platform.store import Stores
from bunbase.platform.store.groups import Group, GroupKind
from bunbase.platform.store.members import MemberRow


class People:
    def __init__(
        self, stores: Stores, groups: Groups, bunauth: BunAuth, clock: Clock, settings: PlatformSettings
    ) -> None:
        self.stores = stores
        self.groups = groups
        self.bunauth = bunauth
        self.clock = clock
        self.settings = settings

    async def list_members(self, caller: Caller, org: str | None, limit: int, cursor: str | None) -> Members:
        group = await self.groups.find(caller, org, Act.MEMBER_READ)
        query = f"members:{group.id}"
        rows = await self.stores.members.of(group, limit + 1, page_start(query, cursor, str, ""))
        page, next = cut_page(rows, limit, query, lambda row: row.developer)
        return Members(await self._shown(group, tuple(page)), next)

    async def add(self, caller: Caller, user: str, role: Role) -> Member:
        group = await self.groups.find(caller, None, Act.MEMBER_ADD)
        async with self.stores.changing(group):
            check_strength(await self.groups.role_now(group, caller, Role.ADMIN), role)
            found = await self.stores.members.find(group, user)
            if found is None:
                raise MemberNotFound("Only members of the project's organisation can be added. Invite other people.")
            if found.own_role is None:
                await self.check_room(group)
            else:
                check_strength(await self.groups.role_now(group, caller, Role.ADMIN), found.own_role)
            await self._put(group, user, role)
        return await self._member(group, user)

    async def change(self, caller: Caller, org: str | None, user: str, role: Role) -> Member:
        group = await self.groups.find_to_change(caller, org, Act.MEMBER_UPDATE)
        async with self.stores.changing(group):
            mine, own = await self.groups.role_now(group, caller, Role.ADMIN), await self._own_role(group, user)
            check_strength(mine, own, role)
            if role is not Role.OWNER:
                await self._keep_an_owner(group, own)
            await self._put(group, user, role)
        return await self._member(group, user)

    async def remove(self, caller: Caller, org: str | None, user: str) -> None:
        leaves = user == caller.signed_in().id
        group = await self.groups.find_to_change(caller, org, Act.MEMBER_LEAVE if leaves else Act.MEMBER_REMOVE)
        async with self.stores.changing(group):
            own = await self._own_role(group, user)
            if not leaves:
                check_strength(await self.groups.role_now(group, caller, Role.ADMIN), own)
            await self._keep_an_owner(group, own)
            await self.stores.members.remove(group, user, forget_at(self.clock))

    async def check_room(self, group: Group) -> None:
        """Raise InvalidInput if the group cannot have more members."""
        limit = self.settings.max_members
        if await self.stores.members.count(group) >= limit:
            raise InvalidInput(f"There are {limit} members here, and there cannot be more. Remove one first.")

    async def _own_role(self, group: Group, user: str) -> Role:
        found = await self.stores.members.find(group, user)
        if found is None:
            raise MemberNotFound("Check the id: GET …/members lists all members.")
        if found.own_role is None:
            raise RoleFromOrganisation(
                "This person has no role in the project itself. Change the role in the organisation, or give another "
                "one in the project: POST …/members."
            )
        return found.own_role

    async def _keep_an_owner(self, group: Group, role: Role) -> None:
        """Raise LastOwner if the only owner of an organisation would lose the role.

        The owner of an organisation is also the owner of all its projects, so these projects would lose their owner
        too.
        """
        if group.kind is GroupKind.ORG and role is Role.OWNER and await self.stores.members.count_owners(group.id) == 1:
            raise LastOwner("Make another member an owner first, or delete the organisation.")

    async def _put(self, group: Group, user: str, role: Role) -> None:
        await self.stores.members.put(group, user, role, self.clock.now(), forget_at(self.clock))

    async def _member(self, group: Group, user: str) -> Member:
        row = await self.stores.members.find(group, user)
        if row is None:  # another request has removed the member
            raise MemberNotFound
        return (await self._shown(group, (row,)))[0]

    async def _shown(self, group: Group, rows: tuple[MemberRow, ...]) -> tuple[Member, ...]:
        """Return members with their emails and names, which only BunAuth knows."""
        accounts = {one.id: one for one in await self.bunauth.accounts(tuple(row.developer for row in rows))}
        return tuple(
            Member(
                Person(account.id, account.email, account.name) if account else Person(row.developer, "", ""),
                row.role,
                row.since,
                Through.PROJECT if group.kind is GroupKind.PROJECT and row.own_role else Through.ORGANISATION,
            )
            for row in rows
            for account in (accounts.get(row.developer),)
        )
