"""The service of Platform, one part per file: projects, keys, organisations, members, invitations."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import NamedTuple

from bunbase.contracts.bunauth.service import BunAuth
from bunbase.contracts.bunkms import Kms
from bunbase.contracts.caller import Caller, CallerKind, Role
from bunbase.contracts.platform import (
    AcceptedInvite,
    Invite,
    Invites,
    Key,
    KeyHolder,
    Keys,
    Member,
    Members,
    Membership,
    NewProject,
    Organisation,
    Organisations,
    Project,
    ProjectChanges,
    Projects,
)
from bunbase.contracts.revocations import Revocation
from bunbase.pkg.clock import Clock
from bunbase.pkg.mail.letters import DevMail
from bunbase.platform.service.deletion import Deletion
from bunbase.platform.service.groups import Groups
from bunbase.platform.service.invite_mail import InviteMail
from bunbase.platform.service.invites import Invitations
from bunbase.platform.service.keys import ProjectKeys
from bunbase.platform.service.members import People
from bunbase.platform.service.orgs import Orgs
from bunbase.platform.service.projects import ProjectsOfPeople
from bunbase.platform.settings import PlatformSettings
from bunbase.platform.store import Stores


class Surroundings(NamedTuple):
    """The other rooms and the parts of the process that the service needs.

    `tell_others`: wakes the job that relays the outbox.
    """

    kms: Kms
    bunauth: BunAuth
    clock: Clock
    public_url: str
    tell_others: Callable[[], None]


class PlatformService:
    """Implements the contract: every method calls the part that does the work."""

    def __init__(self, stores: Stores, around: Surroundings, settings: PlatformSettings) -> None:
        self.stores = stores
        clock, groups = around.clock, Groups(stores)
        self.owned = ProjectsOfPeople(stores, groups, around.kms, clock, settings)
        self.deletion = Deletion(stores, around.kms, clock, around.tell_others)
        self.project_keys = ProjectKeys(stores.keys, clock, settings)
        self.organisations = Orgs(stores, groups, clock, settings)
        self.people = People(stores, groups, around.bunauth, clock, settings)
        mail = InviteMail(stores.mails, around.bunauth)
        self.invitations = Invitations(stores, groups, self.people, mail, clock, settings, around.public_url)

    async def create_project(self, caller: Caller, name: str, org: str | None = None) -> NewProject:
        return await self.owned.create(caller, name, org)

    async def projects(self, caller: Caller, limit: int, cursor: str | None, deleted: bool = False) -> Projects:
        return await self.owned.list_projects(caller, limit, cursor, deleted)

    async def project(self, caller: Caller) -> Project:
        return await self.owned.get(caller)

    async def update_project(self, caller: Caller, changes: ProjectChanges) -> Project:
        return await self.owned.update(caller, changes)

    async def delete_project(self, caller: Caller, confirm: str, now: bool = False) -> None:
        await self.deletion.delete(caller, confirm, now)

    async def restore_project(self, caller: Caller) -> Project:
        return await self.deletion.restore(caller)

    async def transfer_project(self, caller: Caller, org: str) -> Project:
        return await self.owned.transfer(caller, org)

    async def create_org(self, caller: Caller, name: str) -> Organisation:
        return await self.organisations.create(caller, name)

    async def orgs(self, caller: Caller, limit: int, cursor: str | None) -> Organisations:
        return await self.organisations.list_orgs(caller, limit, cursor)

    async def org(self, caller: Caller, org: str) -> Organisation:
        return await self.organisations.get(caller, org)

    async def rename_org(self, caller: Caller, org: str, name: str) -> Organisation:
        return await self.organisations.rename(caller, org, name)

    async def delete_org(self, caller: Caller, org: str, confirm: str) -> None:
        await self.organisations.delete(caller, org, confirm)

    async def members(self, caller: Caller, org: str | None, limit: int, cursor: str | None) -> Members:
        return await self.people.list_members(caller, org, limit, cursor)

    async def add_member(self, caller: Caller, user: str, role: Role) -> Member:
        return await self.people.add(caller, user, role)

    async def change_member(self, caller: Caller, org: str | None, user: str, role: Role) -> Member:
        return await self.people.change(caller, org, user, role)

    async def remove_member(self, caller: Caller, org: str | None, user: str) -> None:
        await self.people.remove(caller, org, user)

    async def create_invite(self, caller: Caller, org: str | None, email: str, role: Role) -> Invite:
        return await self.invitations.create(caller, org, email, role)

    async def invites(self, caller: Caller, org: str | None, limit: int, cursor: str | None) -> Invites:
        return await self.invitations.list_invites(caller, org, limit, cursor)

    async def resend_invite(self, caller: Caller, org: str | None, id: str) -> Invite:
        return await self.invitations.resend(caller, org, id)

    async def delete_invite(self, caller: Caller, org: str | None, id: str) -> None:
        await self.invitations.delete(caller, org, id)

    async def accept_invite(self, caller: Caller, token: str) -> AcceptedInvite:
        return await self.invitations.accept(caller, token)

    async def keys(self, caller: Caller) -> Keys:
        return await self.project_keys.list_keys(caller)

    async def create_key(self, caller: Caller, kind: CallerKind, name: str, expires_in_seconds: int | None) -> Key:
        return await self.project_keys.create(caller, kind, name, expires_in_seconds)

    async def revoke_key(self, caller: Caller, id: str) -> None:
        await self.project_keys.revoke(caller, id)

    async def rotate_key(self, caller: Caller, id: str, grace_seconds: int) -> Key:
        return await self.project_keys.rotate(caller, id, grace_seconds)

    async def key_holder(self, key: str) -> KeyHolder:
        return await self.project_keys.holder(key)

    async def membership(self, developer: str, project: str) -> Membership:
        return await self.owned.membership(developer, project)

    async def custody(self, developer: str, project: str) -> Membership:
        return await self.owned.custody(developer, project)

    async def dev_mails(self, to: str, project: str, limit: int, before: str) -> tuple[DevMail, ...]:
        return tuple(await self.stores.mails.dev_mails(to, project, limit, before))

    async def project_of(self, slug: str) -> str:
        return await self.owned.id_of(slug)

    def revocations(self) -> AsyncIterator[Revocation]:
        return self.stores.feed.follow()
