"""The settings of a project, for its developers."""

from __future__ import annotations

from typing import Any

import msgspec

from bunbase.contracts.caller import Act, Caller
from bunbase.contracts.tenant_auth.problems import StaleSettings
from bunbase.contracts.tenant_auth.settings import ProjectAuth, ShownAuth, UserProvider
from bunbase.tenant_auth.pool import SETTINGS, Pools
from bunbase.tenant_auth.providers import check_providers, kind_of
from bunbase.tenant_auth.settings_patch import Secrets, checked, merged, split
from bunbase.tenant_auth.store.settings import StoredSettings


class ProjectSettings:
    def __init__(self, pools: Pools) -> None:
        self.pools = pools
        self.store = pools.stores.settings

    async def read(self, caller: Caller) -> ShownAuth:
        """Raises: Forbidden, InsufficientScope."""
        caller.check(Act.AUTH_SETTINGS_READ)
        return _shown(await self.store.read(caller.project))

    async def change(self, caller: Caller, patch: dict[str, Any], version: int | None) -> ShownAuth:
        """Apply a merge patch. Raises: InvalidInput, StaleSettings, Forbidden, InsufficientScope."""
        caller.check(Act.AUTH_SETTINGS_UPDATE)
        plain, secrets = split(patch)
        while True:
            before, raw = await self.store.read_raw(caller.project)
            if version is not None and version != before.version:
                raise StaleSettings(f"Read the settings again: they have the version {before.version} now.")
            result = merged(raw, plain)
            settings = checked(plain, result)
            check_providers(_named(settings, plain), secrets, self.pools.settings.provider_hosts)
            after = StoredSettings(settings, await self._sealed(caller.project, before, secrets, settings))
            after = msgspec.structs.replace(after, version=before.version)
            if await self.store.replace(caller.project, after, self.pools.site.clock.now(), result):
                self.pools.cache.forget(caller.project)
                return _shown(msgspec.structs.replace(after, version=before.version + 1))

    async def _sealed(
        self, project: str, before: StoredSettings, secrets: Secrets, after: ProjectAuth
    ) -> dict[str, str]:
        """Return the sealed secrets after a change. The secret of a provider that was removed is removed too.

        A secret is for the server that it was set for. If the provider has another kind or issuer now, it is removed:
        else a developer could send it to a server of their own, and read it there.
        """
        vault = (await self.pools.of(project)).vault
        known = {"captcha", *(f"providers.{name}" for name in _at_the_same_server(before.settings, after))}
        sealed = {name: text for name, text in before.sealed.items() if name in known and name not in secrets}
        for name, secret in secrets.items():
            if secret is not None:
                sealed[name] = await vault.sealed(SETTINGS + name, secret)
        return sealed


def _named(settings: ProjectAuth, patch: dict[str, Any]) -> dict[str, UserProvider]:
    """Return the providers that a patch names, as they are after it."""
    named = patch.get("providers")
    return {name: one for name, one in settings.providers.items() if isinstance(named, dict) and name in named}


def _at_the_same_server(before: ProjectAuth, after: ProjectAuth) -> set[str]:
    """Return the names of the providers whose server a change has left alone."""
    return {
        name
        for name, one in after.providers.items()
        if (old := before.providers.get(name)) is not None
        and (kind_of(name, old), old.issuer) == (kind_of(name, one), one.issuer)
    }


def _shown(stored: StoredSettings) -> ShownAuth:
    fields = {name: getattr(stored.settings, name) for name in stored.settings.__struct_fields__}
    return ShownAuth(**fields, secrets=tuple(sorted(stored.sealed)), version=stored.version)
