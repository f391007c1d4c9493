"""The service of Platform: projects, the developers who may use them, and their keys."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import Final

import msgspec
from msgspec import UNSET

from bunbase.contracts.audit import ActEnd, AuditedAct, AuditEntry, AuditFilter, AuditPage
from bunbase.contracts.bunkms import Kms
from bunbase.contracts.caller import Act, Caller, CallerKind, Role
from bunbase.contracts.keys import KeyChanges, KeyLimits, UsedKey
from bunbase.contracts.platform import (
    UNLIMITED,
    ConfirmationNeeded,
    InvalidKey,
    Key,
    KeyHolder,
    Keys,
    Membership,
    NewProject,
    Project,
    ProjectKeyNotFound,
    ProjectNotFound,
    Projects,
)
from bunbase.contracts.project_administration import (
    InstallationUsage,
    ManagedProject,
    ManagedProjects,
    ProjectSuspended,
)
from bunbase.contracts.revocations import Revocation
from bunbase.contracts.service_accounts import (
    NewServiceAccount,
    ServiceAccessToken,
    ServiceAccount,
    ServiceAccounts,
    TokenRequest,
)
from bunbase.pkg.clock import Clock
from bunbase.pkg.cursors import cut_page, page_start
from bunbase.pkg.errors import InvalidInput, Problem
from bunbase.pkg.ids import new_id
from bunbase.pkg.logger import logger
from bunbase.pkg.mail.letters import DevMail
from bunbase.pkg.opaque import fingerprint, hint, new_secret
from bunbase.platform.administration.service import ManageProjects
from bunbase.platform.audit.service import Audit
from bunbase.platform.key_limits import changed_limits, checked_limits
from bunbase.platform.service_accounts.service import ServiceAccountService
from bunbase.platform.service_accounts.signing import TokenSigner
from bunbase.platform.service_accounts.store import ServiceAccountStore
from bunbase.platform.settings import PlatformSettings
from bunbase.platform.slugs import slug_of, with_suffix
from bunbase.platform.store import NewKey, PlatformStore

log = logger("platform")

PREFIX: Final = {CallerKind.PUBLISHABLE: "pk", CallerKind.SECRET: "sk"}
MAX_NAME_LENGTH: Final = 100
SLUG_ATTEMPTS: Final = 5
SUSPENDED: Final = "Its members may read and export it. Ask an administrator of this installation to resume it."
REMEMBER_SECONDS: Final = 3600  # longer than the lifetime of any cache of keys and memberships


class PlatformService:
    def __init__(
        self,
        store: PlatformStore,
        kms: Kms,
        clock: Clock,
        settings: PlatformSettings,
        audit_log: Audit,
        administration: ManageProjects,
        public_url: str,
        tell_others: Callable[[], None] = lambda: None,
    ) -> None:
        """`tell_others`: wakes the job that relays the outbox."""
        accounts = ServiceAccountStore(store.db, store.feed)
        self.accounts = ServiceAccountService(accounts, TokenSigner(kms, public_url), self.key_holder, clock)
        self.store = store
        self.kms = kms
        self.clock = clock
        self.settings = settings
        self.audit_log = audit_log
        self.administration = administration
        self.tell_others = tell_others

    async def create_project(self, caller: Caller, name: str) -> NewProject:
        developer = caller.signed_in()
        caller.check(Act.PROJECT_CREATE)
        name = _name(name, "A project's name")
        limit = self.settings.max_projects_per_developer
        await self.store.check_room(developer.id, limit)  # check before making keys; add_project checks again
        id, now = new_id("prj"), self.clock.now()
        await self.kms.create_keys(id)  # before the project is stored: no project ever exists without an encryption key
        rows, keys = zip(*(_new_key(kind, "default", None, now) for kind in PREFIX), strict=True)
        slug = slug_of(name)
        for _ in range(SLUG_ATTEMPTS):
            project = Project(id, name, slug, Role.OWNER, now)
            if await self.store.add_project(project, developer.id, list(rows), limit):
                return NewProject(id, name, slug, Role.OWNER, now, keys)
            slug = with_suffix(slug_of(name))
        raise InvalidInput("No free slug was found for this name. Choose another name.")

    async def projects(self, caller: Caller, limit: int, cursor: str | None) -> Projects:
        developer = caller.signed_in()
        caller.check(Act.PROJECT_LIST)
        query = f"projects:{developer.id}"
        found = await self.store.projects(developer.id, limit + 1, page_start(query, cursor, str, ""))
        page, next = cut_page(found, limit, query, lambda project: project.id)
        return Projects(tuple(page), next)

    async def project(self, caller: Caller) -> Project:
        found = await self.store.project(caller.project, caller.signed_in().id)
        if found is None:
            raise ProjectNotFound
        return found

    async def rename_project(self, caller: Caller, name: str) -> Project:
        caller.check(Act.PROJECT_UPDATE)
        await self.store.rename(caller.project, _name(name, "A project's name"))
        return await self.project(caller)

    async def delete_project(self, caller: Caller, confirm: str) -> None:
        caller.check(Act.PROJECT_DELETE)
        project = await self.project(caller)
        if confirm != project.slug:
            raise ConfirmationNeeded(f'Send {{"confirm": "{project.slug}"}}: this cannot be undone.')
        await self.store.delete_project(project.id, self._forget_at())
        self.tell_others()
        try:
            await self.kms.destroy(project.id)
        except Problem as problem:  # the project stays deleted, and the outbox tries until the key is destroyed
            log.warning(
                "the key of a deleted project could not be destroyed yet", project=project.id, reason=problem.detail
            )

    async def keys(self, caller: Caller) -> Keys:
        caller.check(Act.KEY_READ)
        return Keys(tuple(await self.store.keys(caller.project)))

    async def create_key(
        self,
        caller: Caller,
        kind: CallerKind,
        name: str,
        expires_in_seconds: int | None,
        limits: KeyLimits = UNLIMITED,
    ) -> Key:
        caller.check(Act.KEY_CREATE)
        if kind not in PREFIX:
            raise InvalidInput("A key's kind must be publishable or secret.")
        now = self.clock.now()
        expires_at = None if expires_in_seconds is None else now + timedelta(seconds=expires_in_seconds)
        row, key = _new_key(kind, _name(name, "A key's name"), expires_at, now, checked_limits(kind, limits))
        if not await self.store.add_key(caller.project, row):
            raise self._no_room_for_a_key()
        return key

    async def update_key(self, caller: Caller, id: str, changes: KeyChanges) -> Key:
        caller.check(Act.KEY_UPDATE)
        name = None if changes.name is UNSET else _name(changes.name, "A key's name")

        def change(old: Key) -> Key:
            limits = changed_limits(old.kind, old.limits, changes)
            return msgspec.structs.replace(
                old,
                name=name or old.name,
                scopes=limits.scopes,
                origins=limits.origins,
                allow_browser=limits.allow_browser,
            )

        found = await self.store.update_key(caller.project, id, change, self._forget_at())
        if found is None:
            raise ProjectKeyNotFound
        return found

    async def keys_used(self, used: tuple[UsedKey, ...]) -> None:
        await self.store.keys_used(used)
        await self.accounts.store.used(used)

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

    async def revoke_key(self, caller: Caller, id: str) -> None:
        caller.check(Act.KEY_DELETE)
        if not await self.store.delete_key(caller.project, id, self._forget_at()):
            raise ProjectKeyNotFound

    async def rotate_key(self, caller: Caller, id: str, grace_seconds: int) -> Key:
        caller.check(Act.KEY_ROTATE)
        old = await self.store.key(caller.project, id)
        if old is None:
            raise ProjectKeyNotFound
        now = self.clock.now()
        row, key = _new_key(old.kind, old.name, old.expires_at, now, old.limits)
        old_expires_at, forget_at = now + timedelta(seconds=grace_seconds), self._forget_at() + grace_seconds
        if not await self.store.replace_key(caller.project, id, row, old_expires_at, forget_at):
            raise self._no_room_for_a_key()
        return key

    async def project_of(self, slug: str) -> str:
        found = await self.store.project_of(slug) if "\0" not in slug else None  # PostgreSQL cannot store NUL
        if found is None:
            raise ProjectNotFound("This host name belongs to no project.")
        await self.check_active(found)
        return found

    async def key_holder(self, key: str) -> KeyHolder:
        found = await self.store.key_by_hash(fingerprint(key))
        if found is None:
            raise InvalidKey("The key in X-Bunbase-Key is unknown or was revoked. Check the key.")
        if found.expires_at is not None and found.expires_at <= self.clock.now():
            raise InvalidKey("This key has expired. Create or rotate a key in the project's settings.")
        if found.suspended:
            raise ProjectSuspended(SUSPENDED)
        expires_at = 0.0 if found.expires_at is None else found.expires_at.timestamp()
        limits = KeyLimits(found.scopes, found.origins, found.allow_browser)
        return KeyHolder(found.id, found.project, found.kind, expires_at, limits)

    async def membership(self, developer: str, project: str) -> Membership:
        found = await self.store.membership(developer, project)
        if found is None:
            raise ProjectNotFound
        return found

    async def begin_act(self, caller: Caller, act: AuditedAct) -> str:
        return await self.audit_log.begin_act(caller, act)

    async def end_act(self, id: str, end: ActEnd) -> None:
        await self.audit_log.end_act(id, end)

    async def note_refusals(self, caller: Caller, act: AuditedAct, count: int) -> None:
        await self.audit_log.note_refusals(caller, act, count)

    async def audit(self, caller: Caller, filter: AuditFilter, limit: int, cursor: str | None) -> AuditPage:
        return await self.audit_log.audit(caller, filter, limit, cursor)

    async def installation_audit(
        self, caller: Caller, filter: AuditFilter, limit: int, cursor: str | None
    ) -> AuditPage:
        return await self.audit_log.installation_audit(caller, filter, limit, cursor)

    def export_audit(self, caller: Caller, filter: AuditFilter) -> AsyncIterator[tuple[AuditEntry, ...]]:
        return self.audit_log.export_audit(caller, filter)

    def export_installation_audit(self, caller: Caller, filter: AuditFilter) -> AsyncIterator[tuple[AuditEntry, ...]]:
        return self.audit_log.export_installation_audit(caller, filter)

    async def check_active(self, project: str) -> None:
        if await self.store.is_suspended(project):
            raise ProjectSuspended(SUSPENDED)

    async def inspection(self, project: str) -> Membership:
        found = await self.store.project_at(project) if "\0" not in project else None
        if found is None:
            raise ProjectNotFound
        return found

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

    async def dev_mails(self, to: str, project: str, limit: int, before: str) -> tuple[DevMail, ...]:
        return tuple(await self.store.mails.dev_mails(to, project, limit, before))

    def revocations(self) -> AsyncIterator[Revocation]:
        return self.store.feed.follow()

    def _no_room_for_a_key(self) -> InvalidInput:
        most = self.settings.max_keys_per_project
        return InvalidInput(f"The project has {most} keys and cannot have more. Revoke a key first.")

    def _forget_at(self) -> float:
        return self.clock.now().timestamp() + REMEMBER_SECONDS


def _new_key(
    kind: CallerKind, name: str, expires_at: datetime | None, now: datetime, limits: KeyLimits = UNLIMITED
) -> tuple[NewKey, Key]:
    secret, id = new_secret(PREFIX[kind]), new_id("key")
    row = NewKey(id, kind, name, hint(secret), fingerprint(secret), now, expires_at, limits)
    key = Key(id, kind, name, hint(secret), now, expires_at, secret, *msgspec.structs.astuple(limits))
    return row, key


def _name(name: str, what: str) -> str:
    name = name.strip()
    if not 1 <= len(name) <= MAX_NAME_LENGTH or not name.isprintable():
        raise InvalidInput.at("/name", f"{what} must have 1 to {MAX_NAME_LENGTH} printable characters.")
    return name
