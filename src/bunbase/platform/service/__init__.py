"""The service of Platform. Each file has one part: projects, keys, organisations, members or invitations.

The audit log, service accounts, credentials for S3 and the administration of the installation have folders
of their own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import NamedTuple

from bunbase.contracts.audit import ActEnd, AuditedAct, AuditEntry, AuditFilter, AuditPage
from bunbase.contracts.bunauth.service import BunAuth
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.bunkms import Kms
from bunbase.contracts.caller import Caller, CallerKind, Role
from bunbase.contracts.keys import KeyChanges, KeyLimits, UsedKey
from bunbase.contracts.platform import (
    UNLIMITED,
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
from bunbase.contracts.project_administration import InstallationUsage, ManagedProject, ManagedProjects
from bunbase.contracts.revocations import Revocation
from bunbase.contracts.service_accounts import (
    NewServiceAccount,
    ServiceAccessToken,
    ServiceAccount,
    ServiceAccounts,
    TokenRequest,
)
from bunbase.contracts.storage import Storage
from bunbase.contracts.tenant_auth.service import TenantAuth
from bunbase.pkg.clock import Clock
from bunbase.pkg.mail.letters import DevMail
from bunbase.platform.administration.service import ManageProjects
from bunbase.platform.administration.store import ProjectAdministrationStore
from bunbase.platform.audit.before import BeforeActs
from bunbase.platform.audit.service import Audit
from bunbase.platform.audit.store import AuditStore
from bunbase.platform.s3_credentials.methods import S3CredentialCalls
from bunbase.platform.s3_credentials.service import S3CredentialService
from bunbase.platform.s3_credentials.store import S3CredentialStore
from bunbase.platform.service.deletion import Deletion
from bunbase.platform.service.groups import Groups
from bunbase.platform.service.invite_acceptance import InviteAcceptance
from bunbase.platform.service.invite_mail import InviteMail
from bunbase.platform.service.invite_methods import InviteMethods
from bunbase.platform.service.invites import Invitations
from bunbase.platform.service.keys import ProjectKeys
from bunbase.platform.service.leaving import Leaving
from bunbase.platform.service.members import People
from bunbase.platform.service.newcomers import NewcomerAcceptance
from bunbase.platform.service.orgs import Orgs
from bunbase.platform.service.projects import ProjectsOfPeople
from bunbase.platform.service_accounts.service import ServiceAccountService
from bunbase.platform.service_accounts.signing import TokenSigner
from bunbase.platform.service_accounts.store import ServiceAccountStore
from bunbase.platform.settings import PlatformSettings
from bunbase.platform.store import Stores


class Surroundings(NamedTuple):
    """The other rooms and the parts of the process that the service needs.

    `tell_others`: a function that wakes the job that relays the outbox. `sends_mail`: true if mails reach people, or
    the mailbox of dev mode.
    """

    kms: Kms
    bunauth: BunAuth
    bundoc: Bundoc
    users: TenantAuth
    storage: Storage
    clock: Clock
    public_url: str
    tell_others: Callable[[], None]
    sends_mail: bool


class PlatformService(InviteMethods, S3CredentialCalls):
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
        self.leaving = Leaving(stores, around.bunauth, clock)
        self.audit_log = Audit(AuditStore(stores.db), BeforeActs(stores, around.bunauth), groups.find, clock)
        of_invitations = (self.invitations, around.bunauth, self.audit_log)
        self.newcomers = NewcomerAcceptance(*of_invitations, around.sends_mail)
        self.invite_acceptance = InviteAcceptance(*of_invitations, self.newcomers)
        projects = ProjectAdministrationStore(stores.db, stores.feed, stores.outbox)
        self.administration = ManageProjects(projects, around.bundoc, around.users, clock, around.tell_others)
        self.accounts = ServiceAccountService(
            ServiceAccountStore(stores.db, stores.feed),
            TokenSigner(around.kms, around.public_url),
            self.key_holder,
            clock,
        )
        self.s3 = S3CredentialService(S3CredentialStore(stores.db, stores.feed), around.kms, around.storage, clock)

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

    async def keys(self, caller: Caller) -> Keys:
        return await self.project_keys.list_keys(caller)

    async def create_key(
        self,
        caller: Caller,
        kind: CallerKind,
        name: str,
        expires_in_seconds: int | None,
        limits: KeyLimits = UNLIMITED,
    ) -> Key:
        return await self.project_keys.create(caller, kind, name, expires_in_seconds, limits)

    async def update_key(self, caller: Caller, id: str, changes: KeyChanges) -> Key:
        return await self.project_keys.update(caller, id, changes)

    async def keys_used(self, used: tuple[UsedKey, ...]) -> None:
        await self.stores.keys.used(used)
        await self.accounts.store.used(used)
        await self.s3.store.used(used)

    async def revoke_key(self, caller: Caller, id: str) -> None:
        await self.project_keys.revoke(caller, id)

    async def rotate_key(self, caller: Caller, id: str, grace_seconds: int) -> Key:
        return await self.project_keys.rotate(caller, id, grace_seconds)

    async def key_holder(self, key: str) -> KeyHolder:
        return await self.project_keys.holder(key)

    async def service_accounts(self, caller: Caller) -> ServiceAccounts:
        return await self.accounts.list_accounts(caller)

    async def create_service_account(self, caller: Caller, new: NewServiceAccount) -> ServiceAccount:
        return await self.accounts.create(caller, new)

    async def delete_service_account(self, caller: Caller, client_id: str) -> None:
        await self.accounts.delete(caller, client_id)

    async def exchange_token(self, asked: TokenRequest) -> ServiceAccessToken:
        return await self.accounts.token(asked)

    async def service_holder(self, project: str, id: str) -> KeyHolder:
        await self.check_active(project)
        return await self.accounts.holder(project, id)

    async def begin_act(self, caller: Caller, act: AuditedAct) -> str:
        return await self.audit_log.begin_act(caller, act)

    async def end_act(self, id: str, end: ActEnd) -> None:
        await self.audit_log.end_act(id, end)

    async def note_refusals(self, caller: Caller, act: AuditedAct, count: int) -> None:
        await self.audit_log.note_refusals(caller, act, count)

    async def audit(
        self, caller: Caller, filter: AuditFilter, limit: int, cursor: str | None, org: str | None = None
    ) -> AuditPage:
        return await self.audit_log.audit(caller, filter, limit, cursor, org)

    async def installation_audit(
        self, caller: Caller, filter: AuditFilter, limit: int, cursor: str | None
    ) -> AuditPage:
        return await self.audit_log.installation_audit(caller, filter, limit, cursor)

    def export_audit(
        self, caller: Caller, filter: AuditFilter, org: str | None = None
    ) -> AsyncIterator[tuple[AuditEntry, ...]]:
        return self.audit_log.export_audit(caller, filter, org)

    def export_installation_audit(self, caller: Caller, filter: AuditFilter) -> AsyncIterator[tuple[AuditEntry, ...]]:
        return self.audit_log.export_installation_audit(caller, filter)

    async def installation_projects(
        self, caller: Caller, search: str, limit: int, cursor: str | None
    ) -> ManagedProjects:
        return await self.administration.projects(caller, search, limit, cursor)

    async def managed_project(self, caller: Caller, project: str) -> ManagedProject:
        return await self.administration.project(caller, project)

    async def suspend_project(self, caller: Caller, project: str) -> ManagedProject:
        return await self.administration.suspend(caller, project)

    async def resume_project(self, caller: Caller, project: str) -> ManagedProject:
        return await self.administration.resume(caller, project)

    async def installation_usage(self, caller: Caller) -> InstallationUsage:
        return await self.administration.usage(caller)

    async def delete_account(self, caller: Caller) -> None:
        await self.leaving.delete_account(caller)

    async def membership(self, developer: str, project: str) -> Membership:
        return await self.owned.membership(developer, project)

    async def custody(self, developer: str, project: str) -> Membership:
        return await self.owned.custody(developer, project)

    async def check_active(self, project: str) -> None:
        await self.owned.check_active(project)

    async def inspection(self, developer: str, project: str) -> Membership:
        return await self.owned.inspection(developer, project)

    async def dev_mails(self, to: str, project: str, limit: int, before: str) -> tuple[DevMail, ...]:
        return tuple(await self.stores.mails.dev_mails(to, project, limit, before))

    async def project_of(self, slug: str) -> str:
        return await self.owned.id_of(slug)

    def revocations(self) -> AsyncIterator[Revocation]:
        return self.stores.feed.follow()
