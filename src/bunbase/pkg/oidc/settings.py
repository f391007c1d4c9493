"""The settings of one provider."""

from __future__ import annotations

import re
from typing import Final, Literal
from urllib.parse import urlsplit

import msgspec

from bunbase.pkg.errors import CannotStart

GITHUB_URL: Final = "https://github.com"
GITHUB_API_URL: Final = "https://api.github.com"
GOOGLE_URL: Final = "https://accounts.google.com"
APPLE_URL: Final = "https://appleid.apple.com"
MICROSOFT_URL: Final = "https://login.microsoftonline.com"
DISCORD_URL: Final = "https://discord.com"

Kind = Literal["oidc", "apple", "discord", "github", "google", "microsoft"]
# For each kind, these are its options and the forms that their values have.
OPTIONS: Final[dict[str, dict[str, str]]] = {
    "oidc": {"response_mode": "query|form_post"},
    "apple": {"team_id": r"[A-Z0-9]{10}", "key_id": r"[A-Z0-9]{10}"},
    "microsoft": {"tenant": r"common|organizations|consumers|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"},
}
NEEDED: Final = ("team_id", "key_id")


class ProviderSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One provider. `kind`: "oidc" needs `issuer`; "github" is GitHub, and `issuer` names a GitHub Enterprise server.

    `options`: `response_mode` for a provider that answers only with a form; `team_id` and `key_id` for Apple, with a
    private key as `client_secret`; `tenant` for Microsoft.
    `hosts`: further hosts of the provider that have private addresses. The issuer's host may always have a private
    address.
    `title`: the name that people see; the name of the setting by default.
    """

    client_id: str
    client_secret: str = ""
    kind: Kind = "oidc"
    issuer: str = ""
    scopes: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    title: str = ""
    options: dict[str, str] = {}

    def __repr__(self) -> str:
        # The text never contains the secret.
        return f"ProviderSettings(kind={self.kind!r}, client_id={self.client_id!r})"


def check_provider(name: str, settings: ProviderSettings) -> None:
    """Check the settings. Raises: CannotStart if sign-ins with these settings could never succeed."""
    fault = fault_of(settings)
    if fault is not None:
        raise CannotStart(f"{name}: {fault[0]} {fault[1]}")


def fault_of(settings: ProviderSettings) -> tuple[str, str] | None:
    """Return a field with which sign-ins could never succeed, and its fault."""
    if not settings.client_id:
        return "client_id", "is empty"
    if settings.kind == "oidc" and not settings.issuer:
        return "issuer", "is empty; for example https://accounts.google.com"
    if settings.issuer:
        parts = urlsplit(settings.issuer)
        if parts.scheme not in ("https", "http") or not parts.hostname or parts.query or parts.fragment:
            return "issuer", "must be a URL without a query, such as https://accounts.google.com"
    return _fault_of_options(settings)


def _fault_of_options(settings: ProviderSettings) -> tuple[str, str] | None:
    forms = OPTIONS.get(settings.kind, {})
    for name in settings.options:
        if name not in forms:
            known = f"has {' and '.join(forms)}" if forms else "has no options"
            return f"options.{name}", f"is unknown: {settings.kind} {known}"
    for name, form in forms.items():
        value = settings.options.get(name, "")
        if (value or name in NEEDED) and not re.fullmatch(form, value):
            return f"options.{name}", f"must have the form {form}"
    return None
