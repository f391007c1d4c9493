"""The settings of one provider."""

from __future__ import annotations

from typing import Final, Literal
from urllib.parse import urlsplit

import msgspec

from bunbase.pkg.errors import CannotStart

GITHUB_URL: Final = "https://github.com"
GITHUB_API_URL: Final = "https://api.github.com"


class ProviderSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`kind`: "oidc" needs `issuer`; "github" is GitHub, and `issuer` names a GitHub Enterprise server.

    `hosts`: further hosts of the provider that have private addresses. The host of the issuer may always have one.
    `title`: the name that people see; the name of the setting by default.
    """

    client_id: str
    client_secret: str = ""
    kind: Literal["oidc", "github"] = "oidc"
    issuer: str = ""
    scopes: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    title: str = ""

    def __repr__(self) -> str:
        return f"ProviderSettings(kind={self.kind!r}, client_id={self.client_id!r})"  # never the secret


def check_provider(name: str, settings: ProviderSettings) -> None:
    """Raises: CannotStart, if no sign-in with these settings could succeed."""
    if not settings.client_id:
        raise CannotStart(f"{name}: client_id is empty")
    if settings.kind == "oidc" and not settings.issuer:
        raise CannotStart(f"{name}: issuer is empty; for example https://accounts.google.com")
    if settings.issuer:
        parts = urlsplit(settings.issuer)
        if parts.scheme not in ("https", "http") or not parts.hostname or parts.query or parts.fragment:
            raise CannotStart(f"{name}: issuer must be a URL without a query, such as https://accounts.google.com")
