"""Creates, lists, renames and transfers projects."""

from __future__ import annotations

from typing import Final

import msgspec

from bunbase.contracts.bunkms import Kms
from bunbase.contracts.caller import Act, Caller, Role
from bunbase.contracts.platform import (
    Membership,
    NewProject,
    Project,
    ProjectChanges,
    ProjectDeleted,
    ProjectNotFound,
    Projects,
)
from bunbase.contracts.project_administration import ProjectSuspended
from bunbase.pkg.clock import Clock
from bunbase.pkg.cursors import cut_page, page_start
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.ids import new_id
from bunbase.platform.service.groups import Groups
from bunbase.platform.service.keys import new_keys
from bunbase.platform.service.rules import SLUG_ATTEMPTS, SUSPENDED, checked_name, forget_at, need_role
from bunbase.platform.settings import PlatformSettings
from bunbase.platform.slugs import slug_of, with_suffix
from bunbase.platform.store import Stores
from bunbase.platform.store.groups import Group, GroupKind
from bunbase.platform.store.keys import NewKey
from bunbase.platform.store.orgs import PERSONAL_REF
from bunbase.platform.store.projects import UNDO, ProjectRow

A_NAME: Final = "A project's name"


class ProjectsOfPeople:
    def __init__(self, stores: Stores, groups: Groups, kms: Kms, clock: Clock, settings: PlatformSettings) -> None:
        self.stores = stores
        self.groups = groups
        self.kms = kms
        self.clock = clock
        self.settings = settings

    async def create(self, caller: Caller, name: str, org: str | None) -> NewProject:
        caller.check(Act.PROJECT_CREATE)
        developer, name = caller.signed_in(), checked_name(name, A_NAME)
        owner = await self._org(caller, org)
        await self._check_room(owner)  # check the limit before the keys are made; `_add` checks it again
        id, now = new_id("prj"), self.clock.now()
        await self.kms.create_keys(id)  # make the keys first, so that no project exists without an encryption key
        rows, keys = new_keys(now)
        slug = slug_of(name)
        for _ in range(SLUG_ATTEMPTS):
            new = NewProject(id, name, slug, Role.OWNER, now, keys, owner)
            if await self._add(new, developer.id, rows):
                return new
            slug = with_suffix(slug_of(name))
        raise InvalidInput("No free slug was found for this name. Choose another name.")

    async def list_projects(self, caller: Caller, limit: int, cursor: str | None, deleted: bool) -> Projects:
        caller.check(Act.PROJECT_LIST)
        developer = caller.signed_in()
        query = f"projects:{developer.id}" + ":deleted" * deleted
        start = page_start(query, cursor, str, "")
        found = await self.stores.projects.of(developer.id, deleted, limit + 1, start)
        page, next = cut_page(found, limit, query, lambda project: project.id)
        return Projects(tuple(row.project() for row in page), next)

    async def get(self, caller: Caller) -> Project:
        if caller.inspects:
            return (await self._inspected(caller.project)).project()
        return (await self._alive(caller.project, caller.signed_in().id)).project()

    async def update(self, caller: Caller, changes: ProjectChanges) -> Project:
        caller.check(Act.PROJECT_UPDATE)
        if changes.name is not None:
            await self.stores.projects.rename(caller.project, checked_name(changes.name, A_NAME))
        return await self.get(caller)

    async def transfer(self, caller: Caller, org: str) -> Project:
        caller.check(Act.PROJECT_TRANSFER)
        # a token that is bound to this project may not use organisations
        msgspec.structs.replace(caller, project="", role=None).check(Act.PROJECT_CREATE)
        target = Group(GroupKind.ORG, await self._org(caller, org))
        project = Group(GroupKind.PROJECT, caller.project)
        async with self.stores.transferring(project.id, target.id):
            await self.groups.role_now(project, caller, Role.OWNER)
            if (await self._alive(caller.project, caller.signed_in().id)).org != target.id:
                await self.groups.role_now(target, caller, Role.ADMIN)
                await self._check_room(target.id)
                await self.stores.projects.transfer(project.id, target.id, forget_at(self.clock))
        return await self.get(caller)

    async def membership(self, developer: str, ref: str) -> Membership:
        return (await self._alive(ref, developer)).membership(developer)

    async def custody(self, developer: str, ref: str) -> Membership:
        return (await self._find(ref, developer)).membership(developer)

    async def inspection(self, developer: str, ref: str) -> Membership:
        return (await self._inspected(ref)).membership(developer)

    async def check_active(self, project: str) -> None:
        if "\0" not in project and await self.stores.projects.is_suspended(project):
            raise ProjectSuspended(SUSPENDED)

    async def id_of(self, slug: str) -> str:
        found = await self.stores.projects.id_of(slug) if "\0" not in slug else None  # PostgreSQL cannot store NUL
        if found is None:
            raise ProjectNotFound("This host name belongs to no project.")
        await self.check_active(found)
        return found

    async def _inspected(self, ref: str) -> ProjectRow:
        """Return a project as a viewer sees it, for an administrator of the installation. Raises: ProjectNotFound."""
        found = await self.stores.projects.inspected(ref) if "\0" not in ref else None
        if found is None:
            raise ProjectNotFound
        return found

    async def _org(self, caller: Caller, ref: str | None) -> str:
        """Return the id of an organisation in which the caller may create projects. Raises: OrganisationNotFound."""
        if ref is None or ref == PERSONAL_REF:
            return await self.stores.orgs.personal(caller.signed_in().id, self.clock.now())
        found = await self.groups.org(caller, ref)
        need_role(found.role, Role.DEVELOPER)
        return found.id

    async def _add(self, new: NewProject, developer: str, keys: list[NewKey]) -> bool:
        """Store a project with its keys and its owner. Return False if the slug is taken."""
        org = Group(GroupKind.ORG, new.org)
        async with self.stores.changing(org):
            await self._check_room(new.org)
            role = need_role(await self.stores.members.role(org, developer), Role.DEVELOPER)
            if not await self.stores.projects.add(new.id, new.name, new.slug, new.org, new.created_at):
                return False
            await self.stores.keys.add_first(new.id, keys)
            if role is not Role.OWNER:  # owners of the organisation own all its projects
                project = Group(GroupKind.PROJECT, new.id)
                await self.stores.members.put(project, developer, Role.OWNER, new.created_at, forget_at(self.clock))
            return True

    async def _check_room(self, org: str) -> None:
        """Raise InvalidInput if the organisation cannot have more projects."""
        limit = self.settings.max_projects_per_organisation
        if await self.stores.projects.count(org) >= limit:
            raise InvalidInput(
                f'There are {limit} projects here, and there cannot be more. Delete one first, with "now": true: a '
                "project that can still be restored counts too."
            )

    async def _alive(self, ref: str, developer: str) -> ProjectRow:
        """Return a project that is not deleted. Raises: ProjectNotFound, ProjectDeleted."""
        found = await self._find(ref, developer)
        if found.deleted_at is not None:
            raise ProjectDeleted(
                f"An owner can restore it within {UNDO.days} days: POST /api/projects/{found.id}/restore."
            )
        return found

    async def _find(self, ref: str, developer: str) -> ProjectRow:
        found = await self.stores.projects.find(ref, developer)
        if found is None:
            raise ProjectNotFound
        return found
