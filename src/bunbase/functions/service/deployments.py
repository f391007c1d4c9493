"""Deploys functions, lists their versions, and rolls back."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from bunbase.contracts.caller import Act, Caller
from bunbase.contracts.functions.deployments import Bundle, Version, Versions
from bunbase.contracts.functions.problems import VersionNotFound
from bunbase.functions.service.bundles import Bundles
from bunbase.functions.service.existing import existing_version
from bunbase.functions.settings import FunctionsSettings
from bunbase.functions.store.functions import FunctionStore, ProgramCode
from bunbase.functions.triggers.activation import TriggerActivation
from bunbase.functions.versions.names import check_function_name
from bunbase.functions.versions.rollout import Rollout
from bunbase.pkg.cursors import cut_page, page_start
from bunbase.pkg.errors import InvalidInput

NEWEST: Final = 2**31 - 1  # This is the largest int of PostgreSQL.
Number = Annotated[int, msgspec.Meta(ge=0, le=NEWEST)]


class Deployments:
    def __init__(
        self,
        store: FunctionStore,
        bundles: Bundles,
        triggers: TriggerActivation,
        rollout: Rollout,
        settings: FunctionsSettings,
    ) -> None:
        self.store = store
        self.bundles = bundles
        self.triggers = triggers
        self.rollout = rollout
        self.settings = settings

    async def deploy(self, caller: Caller, name: str, bundle: Bundle) -> Version:
        caller.check(Act.FUNCTION_DEPLOY)
        check_function_name(name)
        project = caller.project
        await self.triggers.check(project, bundle.config)
        change = await self.triggers.newest_change(project, bundle.config)
        prepared = await self.bundles.prepare(project, name, bundle, caller.signed_in().id)
        new = msgspec.structs.replace(prepared, change=change)
        limit = self.settings.max_functions_per_project
        version = await self.store.add_version(project, name, new, limit, self.settings.kept_versions)
        if version is None:
            raise InvalidInput(f"The project has {limit} functions, which is the limit. Delete a function first.")
        await self.rollout.begin(project, version, ProgramCode(new.bundle, new.bytecode))
        return version

    async def functions(self, caller: Caller, limit: int, cursor: str | None) -> Versions:
        caller.check(Act.FUNCTION_READ)
        query = f"functions:{caller.project}"
        after = page_start(query, cursor, str, "")
        found = await self.store.active_versions(caller.project, limit + 1, after)
        page, following = cut_page(found, limit, query, lambda version: version.name)
        return Versions(tuple(page), following)

    async def function(self, caller: Caller, name: str) -> Version:
        caller.check(Act.FUNCTION_READ)
        return await existing_version(self.store, caller.project, name)

    async def versions(self, caller: Caller, name: str, limit: int, cursor: str | None) -> Versions:
        await self.function(caller, name)
        query = f"versions:{caller.project}:{name}"
        before = page_start(query, cursor, Number, NEWEST)
        found = await self.store.versions(caller.project, name, limit + 1, before)
        page, following = cut_page(found, limit, query, lambda version: version.version)
        return Versions(tuple(page), following)

    async def bundle(self, caller: Caller, name: str, version: int) -> Bundle:
        caller.check(Act.FUNCTION_DOWNLOAD)
        await existing_version(self.store, caller.project, name)
        found = await self.store.whole(caller.project, name, version) if 0 < version <= NEWEST else None
        if found is None:
            raise VersionNotFound(f"{name} has no version {version}; see its list of versions.")
        return found

    async def rollback(self, caller: Caller, name: str, version: int | None) -> Version:
        caller.check(Act.FUNCTION_ROLLBACK)
        await self.function(caller, name)
        target = await self.store.version(caller.project, name, version)
        if target is None:
            which = "version before the active one" if version is None else f"version {version}"
            raise VersionNotFound(f"{name} has no {which}; see its list of versions.")
        await self._check_target(caller.project, target)
        change = await self.triggers.newest_change(caller.project, target.config)
        active = await self.store.activate(caller.project, name, target.version, change)
        if active is None:
            raise VersionNotFound(f"{name} no longer has version {target.version}; see its list of versions.")
        await self.rollout.replace_outdated(caller.project, name)
        return active

    async def _check_target(self, project: str, target: Version) -> None:
        """Check the triggers of an older version, because an index or a schema may have changed since its deployment.

        Raises: InvalidInput, whose `path` names the version in the request.
        """
        try:
            await self.triggers.check(project, target.config)
        except InvalidInput as invalid:
            message = f"Version {target.version} cannot become active. {invalid.detail}"
            raise InvalidInput.at("/version", message, message) from None
