"""Open the client of a provider by its settings."""

from __future__ import annotations

from collections.abc import Callable

from bunbase.pkg.oidc.discord import Discord
from bunbase.pkg.oidc.github import GitHub
from bunbase.pkg.oidc.openid import OpenIdProvider
from bunbase.pkg.oidc.person import Provider
from bunbase.pkg.oidc.presets import preset
from bunbase.pkg.oidc.settings import ProviderSettings
from bunbase.pkg.outgoing import Outgoing


def open_provider(settings: ProviderSettings, now: Callable[[], float], outgoing: Outgoing | None = None) -> Provider:
    """Return the client of a provider. `now`: a clock that returns Unix seconds. `outgoing`: the client for requests.
    None makes a client that trusts the hosts of the settings, which the operator has written.
    """
    match settings.kind:
        case "github":
            return GitHub(settings, outgoing)
        case "discord":
            return Discord(settings, outgoing)
        case _:
            settings, dialect = preset(settings, now)
            return OpenIdProvider(settings, now, outgoing, dialect)
