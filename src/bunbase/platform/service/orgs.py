"""Creates, lists, renames and deletes organisations."""

from __future__ import annotations

from typing import Final

from bunbase.contracts.caller import Act, Caller, Role
from bunbase.contracts.platform import (
    ConfirmationNeeded,
    Organisation,
    OrganisationNotEmpty,
    Organisations,
    PersonalOrganisation,
)
from bunbase.pkg.clock import Clock
from bunbase.pkg.cursors import cut_page, page_start
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.ids import new_id
from bunbase.platform.service.groups import Groups
from bunbase.platform.service.rules import SLUG_ATTEMPTS, checked_name, need_role
from bunbase.platform.settings import PlatformSettings
from bunbase.platform.slugs import slug_of, with_suffix
from bunbase.platform.store import Stores
from bunbase.platform.store.groups import Group, GroupKind
from bunbase.platform.store.orgs import PERSONAL_REF

A_NAME: Final = "An organisation's name"


class Orgs:
    def __init__(self, stores: Stores, groups: Groups, clock: Clock, settings: PlatformSettings) -> None:
        self.stores = stores
        self.groups = groups
        self.clock = clock
        self.settings = settings

    async def create(self, caller: Caller, name: str) -> Organisation:
        caller.check(Act.ORG_CREATE)
        developer, name = caller.signed_in(), checked_name(name, A_NAME)
        id, slug = new_id("org"), _slug_of(name)
        async with self.stores.db.transaction():
            limit = self.settings.max_organisations_per_developer
            if await self.stores.orgs.count_owned(developer.id) >= limit:
                raise InvalidInput(f"You own {limit} organisations, and cannot own more. Leave or delete one first.")
            for _ in range(SLUG_ATTEMPTS):
                if await self.stores.orgs.add(id, name, slug, developer.id, self.clock.now()):
                    return await self.groups.org(caller, id)
                slug = with_suffix(_slug_of(name))
        raise InvalidInput("No free slug was found for this name. Choose another name.")

    async def list_orgs(self, caller: Caller, limit: int, cursor: str | None) -> Organisations:
        caller.check(Act.ORG_LIST)
        developer = caller.signed_in()
        query = f"orgs:{developer.id}"
        found = await self.stores.orgs.of(developer.id, limit + 1, page_start(query, cursor, str, ""))
        page, next = cut_page(found, limit, query, lambda org: org.id)
        return Organisations(tuple(page), next)

    async def get(self, caller: Caller, org: str) -> Organisation:
        caller.check(Act.ORG_READ)
        return await self.groups.org(caller, org)

    async def rename(self, caller: Caller, org: str, name: str) -> Organisation:
        caller.check(Act.ORG_UPDATE)
        found = await self.groups.org(caller, org)
        need_role(found.role, Role.ADMIN)
        await self.stores.orgs.rename(found.id, checked_name(name, A_NAME))
        return await self.groups.org(caller, found.id)

    async def delete(self, caller: Caller, org: str, confirm: str) -> None:
        caller.check(Act.ORG_DELETE)
        found = await self.groups.org(caller, org)
        need_role(found.role, Role.OWNER)
        if found.personal:
            raise PersonalOrganisation("It exists as long as your account.")
        if confirm != found.slug:
            raise ConfirmationNeeded(f'Send {{"confirm": "{found.slug}"}}: this cannot be undone.')
        group = Group(GroupKind.ORG, found.id)
        async with self.stores.changing(group):
            await self.groups.role_now(group, caller, Role.OWNER)
            if count := await self.stores.projects.count(found.id):
                raise OrganisationNotEmpty(
                    f'It has {count}, deleted ones included. Transfer them, or delete them with "now": true.'
                )
            await self.stores.orgs.delete(found.id, self.clock.now())


def _slug_of(name: str) -> str:
    """Return the slug for a name. A slug never looks like an id, and never means the personal organisation."""
    slug = slug_of(name)
    return f"organisation-{slug}" if slug == PERSONAL_REF or slug.startswith("org-") else slug
