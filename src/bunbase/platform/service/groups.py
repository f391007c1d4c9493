"""Find the project or organisation of a call about members or invitations."""

from __future__ import annotations

from typing import Final

from bunbase.contracts.caller import Act, Caller, Role
from bunbase.contracts.platform import Organisation, OrganisationNotFound, PersonalOrganisation
from bunbase.platform.service.rules import need_role
from bunbase.platform.store import Stores
from bunbase.platform.store.groups import Group, GroupKind

# for an act in a project, the corresponding act in an organisation
IN_ORGS: Final = {
    Act.MEMBER_READ: Act.ORG_MEMBER_READ,
    Act.MEMBER_UPDATE: Act.ORG_MEMBER_UPDATE,
    Act.MEMBER_REMOVE: Act.ORG_MEMBER_REMOVE,
    Act.MEMBER_LEAVE: Act.ORG_MEMBER_LEAVE,
    Act.INVITE_READ: Act.ORG_INVITE_READ,
    Act.INVITE_CREATE: Act.ORG_INVITE_CREATE,
    Act.INVITE_RESEND: Act.ORG_INVITE_RESEND,
    Act.INVITE_DELETE: Act.ORG_INVITE_DELETE,
    Act.AUDIT_READ: Act.ORG_AUDIT_READ,
}


class Groups:
    def __init__(self, stores: Stores) -> None:
        self.stores = stores

    async def org(self, caller: Caller, ref: str) -> Organisation:
        """Return an organisation of the caller. Raises: OrganisationNotFound."""
        found = await self.stores.orgs.find(ref, caller.signed_in().id) if "\0" not in ref else None
        if found is None:
            raise OrganisationNotFound("Check its id or slug: GET /api/orgs lists your organisations.")
        return found

    async def find(self, caller: Caller, org: str | None, act: Act) -> Group:
        """Return the group if the caller may do the act there. An act needs the same role in organisations and
        projects.

        `org`: the organisation; None for the caller's project. Raises: OrganisationNotFound, Forbidden,
        InsufficientScope.
        """
        if org is None:
            caller.check(act)
            return Group(GroupKind.PROJECT, caller.project)
        caller.check(IN_ORGS[act])
        found = await self.org(caller, org)
        need_role(found.role, act.role or Role.VIEWER)
        return Group(GroupKind.ORG, found.id)

    async def find_to_change(self, caller: Caller, org: str | None, act: Act) -> Group:
        """Return the group like `find`. Raises: PersonalOrganisation for a group that nobody can join or leave."""
        group = await self.find(caller, org, act)
        if org is not None and (await self.org(caller, org)).personal:
            raise PersonalOrganisation(
                "Invite people to a project, or create an organisation for several people: POST /api/orgs."
            )
        return group

    async def role_now(self, group: Group, caller: Caller, role: Role) -> Role:
        """Return the caller's role from the database. Raises: Forbidden if the role is weaker than `role`.

        The gateway's cache may be a second old: an admin who was removed then must not remove others now.
        """
        return need_role(await self.stores.members.role(group, caller.signed_in().id), role)
