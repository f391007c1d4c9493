"""The settings of a project, for its developers."""

from __future__ import annotations

from hmac import compare_digest
from typing import Any

import msgspec

from bunbase.contracts.caller import Act, Caller
from bunbase.contracts.tenant_auth.problems import StaleSettings
from bunbase.contracts.tenant_auth.settings import ProjectAuth, ShownAuth, Signups, UserProvider
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.identity.holders import Vault
from bunbase.tenant_auth.admissions import confirms_addresses
from bunbase.tenant_auth.pool import SETTINGS, Pools
from bunbase.tenant_auth.providers import check_providers, kind_of
from bunbase.tenant_auth.service.hooks import Hooks
from bunbase.tenant_auth.settings_checks import check_sender
from bunbase.tenant_auth.settings_patch import Secrets, checked, merged, split
from bunbase.tenant_auth.store.settings import StoredSettings


class ProjectSettings:
    def __init__(self, pools: Pools, hooks: Hooks) -> None:
        self.pools = pools
        self.hooks = hooks
        self.store = pools.stores.settings

    async def read(self, caller: Caller) -> ShownAuth:
        """Return the settings of a project. Raises: Forbidden, InsufficientScope."""
        caller.check(Act.AUTH_SETTINGS_READ)
        return shown_auth(await self.store.read(caller.project))

    async def change(self, caller: Caller, patch: dict[str, Any], version: int | None) -> ShownAuth:
        """Apply a merge patch. Raises: InvalidInput, StaleSettings, Forbidden, InsufficientScope."""
        caller.check(Act.AUTH_SETTINGS_UPDATE)
        plain, secrets = split(patch)
        while True:
            before, raw = await self.store.read_raw(caller.project)
            if version is not None and version != before.version:
                raise StaleSettings(f"Read the settings again: they have the version {before.version} now.")
            result = merged(raw, plain)
            settings = checked(plain, result, self.pools.site.public_url)
            check_sender(settings, caller.project, self.pools.site.mail.sender_domains)
            check_providers(_named(settings, plain), secrets, self.pools.settings.provider_hosts)
            await self.hooks.check_functions(caller.project, before.settings.hooks, settings.hooks)
            self._check_list(settings)
            self._check_mail(settings)
            after = StoredSettings(settings, await self._sealed(caller.project, before, secrets, settings))
            _check_captcha(after)
            after = msgspec.structs.replace(after, version=before.version)
            if (result, after.sealed) == (raw, before.sealed):
                return shown_auth(before)
            if await self.store.replace(caller.project, after, self.pools.site.clock.now(), result):
                self.pools.cache.forget(caller.project)
                return shown_auth(msgspec.structs.replace(after, version=before.version + 1))

    def _check_list(self, settings: ProjectAuth) -> None:
        """Check the list of breached passwords.

        Raises: InvalidInput if the project needs such a list, but this server has none.
        """
        if settings.password.breached and self.pools.breached is None:
            raise InvalidInput.at(
                "/password/breached",
                "This server has no list of breached passwords. Its operator names one with "
                "tenant_auth.breached_passwords_file or tenant_auth.breached_passwords_url.",
            )

    def _check_mail(self, settings: ProjectAuth) -> None:
        """Check the mails of a project.

        Raises: InvalidInput if people must confirm their address, but this server cannot send mail.
        """
        site = self.pools.site
        sends = site.dev or site.mail.configured or settings.hooks.send_mail
        if confirms_addresses(settings) and settings.signups is Signups.OPEN and not sends:
            raise InvalidInput(
                "These settings ask people to confirm their address (verify_emails, email_domains or enumeration), but "
                "this server cannot send mail. Its operator sets the mail server with mail.smtp_host, or a function of "
                "the project sends the mails (hooks.send_mail)."
            )

    async def _sealed(
        self, project: str, before: StoredSettings, secrets: Secrets, after: ProjectAuth
    ) -> dict[str, str]:
        """Return the sealed secrets after a change. If a provider was removed, its secret is removed too.

        A secret belongs to the server for which it was set. If a change gives the provider another kind or issuer, the
        secret is removed. Otherwise, a developer could make BunBase send the secret to the developer's own server, and
        read it there. The same is true for the captcha.
        """
        vault = (await self.pools.of(project)).vault
        known = {f"providers.{name}" for name in _at_the_same_server(before.settings, after)}
        if before.settings.captcha.provider in ("", after.captcha.provider):
            known.add("captcha")
        sealed = {name: text for name, text in before.sealed.items() if name in known and name not in secrets}
        for name, secret in secrets.items():
            if secret is not None:
                sealed[name] = await self._sealed_once(vault, before.sealed.get(name), SETTINGS + name, secret)
        return sealed

    async def _sealed_once(self, vault: Vault, before: str | None, purpose: str, secret: str) -> str:
        """Return the sealed secret.

        If the same secret is already stored, return the stored form, so that nothing changes.
        """
        if before is not None and compare_digest((await vault.unsealed(purpose, before)).encode(), secret.encode()):
            return before
        return await vault.sealed(purpose, secret)


def _check_captcha(after: StoredSettings) -> None:
    """Check the captcha.

    Raises: InvalidInput if the captcha's answers could not be checked, so that nobody could sign up.
    """
    if after.settings.captcha.provider and "captcha" not in after.sealed:
        raise InvalidInput.at("/captcha/secret", "Send the secret key that the service gave you with the site key.")


def _named(settings: ProjectAuth, patch: dict[str, Any]) -> dict[str, UserProvider]:
    """Return the providers that a patch names, in their state after the patch."""
    named = patch.get("providers")
    return {name: one for name, one in settings.providers.items() if isinstance(named, dict) and name in named}


def _at_the_same_server(before: ProjectAuth, after: ProjectAuth) -> set[str]:
    """Return the names of the providers whose server a change does not affect."""
    return {
        name
        for name, one in after.providers.items()
        if (old := before.providers.get(name)) is not None
        and (kind_of(name, old), old.issuer) == (kind_of(name, one), one.issuer)
    }


def shown_auth(stored: StoredSettings) -> ShownAuth:
    fields = {name: getattr(stored.settings, name) for name in stored.settings.__struct_fields__}
    return ShownAuth(**fields, secrets=tuple(sorted(stored.sealed)), version=stored.version)
