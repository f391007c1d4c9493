"""Open the client of a provider by its settings."""

from __future__ import annotations

from collections.abc import Callable

from bunbase.pkg.oidc.github import GitHub
from bunbase.pkg.oidc.openid import OpenIdProvider
from bunbase.pkg.oidc.person import Provider
from bunbase.pkg.oidc.settings import ProviderSettings


def open_provider(settings: ProviderSettings, now: Callable[[], float]) -> Provider:
    """`now`: returns Unix seconds."""
    return GitHub(settings) if settings.kind == "github" else OpenIdProvider(settings, now)
