"""The services with which the users of projects sign in: their settings, and the clients that call them.

The developers of a project choose the URLs of these services, so BunBase does not trust the URLs. BunBase sends
requests only to public addresses, and to hosts that the operator has named (`tenant_auth.provider_hosts`).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final, get_args
from urllib.parse import urlsplit

from bunbase.contracts.tenant_auth.identities import PROVIDER_NAME
from bunbase.contracts.tenant_auth.settings import UserProvider
from bunbase.pkg.cache import Cache
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.oidc.openid import DEADLINE_SECONDS
from bunbase.pkg.oidc.person import Person, Provider, ProviderAnswer, ProviderFailed, Secrets
from bunbase.pkg.oidc.presets import AppleSecret
from bunbase.pkg.oidc.providers import open_provider
from bunbase.pkg.oidc.settings import Kind, ProviderSettings, fault_of
from bunbase.pkg.outgoing import Outgoing, new_turns

CLIENTS: Final = 1000
CLIENT_SECONDS: Final = 3600.0
STANDARD: Final = "oidc"
TITLES: Final = {"github": "GitHub"}
KINDS: Final[dict[str, Kind]] = {kind: kind for kind in get_args(Kind)}
WITH_ISSUER: Final = (STANDARD, "github")

Unsealed = Callable[[], Awaitable[str]]  # The function returns the client secret of a provider, or "" if there is none.


def kind_of(name: str, chosen: UserProvider) -> str:
    """Return the kind of a provider. If the settings do not set the kind, a name such as `google` determines it."""
    return chosen.kind or (name if name in KINDS else STANDARD)


def settings_of(name: str, chosen: UserProvider, secret: str = "") -> ProviderSettings:
    """Return the settings for a client. A kind that this version does not know is treated as the standard kind."""
    kind = KINDS.get(kind_of(name, chosen), "oidc")
    title = chosen.label or (TITLES.get(kind, kind.capitalize()) if kind == name else "")
    return ProviderSettings(
        chosen.client_id,
        secret,
        kind,
        chosen.issuer,
        chosen.scopes,
        title=title,
        options=chosen.options,
    )


def check_providers(
    providers: Mapping[str, UserProvider], secrets: Mapping[str, str | None], hosts: Iterable[str]
) -> None:
    """Check providers. Raises: InvalidInput if no sign-in with one of the providers could succeed."""
    for name, chosen in providers.items():
        if re.fullmatch(PROVIDER_NAME, name) is None:
            message = "The name of a provider has lower-case letters, digits and hyphens; at most 32."
            raise InvalidInput.at(f"/providers/{name}", message)
        fault = _fault(name, chosen, secrets.get(f"providers.{name}") or "", frozenset(hosts))
        if fault is not None:
            raise InvalidInput.at(f"/providers/{name}/{fault[0].replace('.', '/')}", f"{fault[0]} {fault[1]}.")


def _fault(name: str, chosen: UserProvider, secret: str, hosts: frozenset[str]) -> tuple[str, str] | None:
    """Return a field that makes every sign-in fail, and the fault in the field. Return None if there is no fault."""
    if kind_of(name, chosen) not in KINDS:
        return "kind", f"must be one of {', '.join(sorted(KINDS))}"
    settings = settings_of(name, chosen, secret)
    fault = fault_of(settings)
    if fault is not None:
        return fault if chosen.enabled or fault[0] != "client_id" else None
    if settings.issuer and settings.kind not in WITH_ISSUER:
        return "issuer", f"is known for {settings.kind}: leave it out"
    parts = urlsplit(settings.issuer)
    if settings.issuer and parts.scheme != "https" and parts.hostname not in hosts:
        return (
            "issuer",
            "must begin with https://. The operator of this server may allow plain http for a host: "
            "tenant_auth.provider_hosts names it without a port",
        )
    if settings.kind == "apple" and secret:
        try:
            AppleSecret(settings, lambda: 0.0)()
        except ProviderFailed:
            return "client_secret", "must be the private key that Apple gave you: the text of the file AuthKey_….p8"
    return None


class ProviderClients:
    """The clients of all projects.

    The clients stay in memory, because a client caches the metadata and keys of its provider.

    `now`: a clock that returns Unix seconds.
    """

    def __init__(self, hosts: Iterable[str], now: Callable[[], float]) -> None:
        self.hosts = tuple(hosts)
        self.now = now
        self.known: Cache[tuple[str, str], tuple[UserProvider, str, Provider]] = Cache(CLIENTS, CLIENT_SECONDS)
        self.turns: Cache[str, asyncio.Semaphore] = Cache(CLIENTS, CLIENT_SECONDS)

    async def of(self, project: str, name: str, chosen: UserProvider, sealed: str, unsealed: Unsealed) -> Provider:
        """Return the client of a provider. `sealed`: its sealed secret.

        If the secret has changed, a new client is created.
        """
        found = self.known.get((project, name))
        if found is not None and found[:2] == (chosen, sealed):
            return found[2]
        settings = settings_of(name, chosen, await unsealed())
        # Look-ups are limited per project, so that a slow name server delays only this project.
        turns = self.turns.get(project) or new_turns()
        self.turns.put(project, turns)
        # The client keeps no connections, so it needs no closing when it is dropped from memory.
        client = open_provider(settings, self.now, Outgoing(self.hosts, DEADLINE_SECONDS, keep=0, turns=turns))
        self.known.put((project, name), (chosen, sealed, client))
        return client


class SealedProvider:
    """A provider whose secret is unsealed at the first sign-in. `client`: a function that returns the client."""

    def __init__(self, client: Callable[[], Awaitable[Provider]]) -> None:
        self.client = client

    async def authorization_url(self, redirect_uri: str, secrets: Secrets) -> str:
        return await (await self.client()).authorization_url(redirect_uri, secrets)

    async def person(self, answer: ProviderAnswer, redirect_uri: str, secrets: Secrets) -> Person:
        return await (await self.client()).person(answer, redirect_uri, secrets)

    async def close(self) -> None:
        """Do nothing, because the client stays in memory for other sign-ins."""
