"""The limits of a project key: its scopes, the web pages that may use it, and the problems of requests outside them."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType

from bunbase.pkg.errors import Problem


class OriginNotAllowed(Problem):
    status, code, title = 403, "origin_not_allowed", "Pages of this origin may not use this key"


class SecretKeyInBrowser(Problem):
    status, code, title = 403, "secret_key_in_browser", "A browser sent a secret key"


class KeyLimits(msgspec.Struct, frozen=True):
    """`scopes`: the scopes of a secret key; None for full access. `origins`: the web origins whose pages may use a
    publishable key, such as `https://app.example.com` or `https://*.example.com`; empty for all origins.
    `allow_browser`: true if web pages may use this secret key, so that requests with an Origin header are accepted.
    """

    scopes: tuple[str, ...] | None = None
    origins: tuple[str, ...] = ()
    allow_browser: bool = False


class KeyChanges(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Changes of a key. A field that is not sent stays as it is. `scopes` can only become narrower."""

    name: str | UnsetType = UNSET
    scopes: tuple[str, ...] | UnsetType = UNSET
    origins: tuple[str, ...] | UnsetType = UNSET
    allow_browser: bool | UnsetType = UNSET


class UsedKey(msgspec.Struct, frozen=True):
    """The last use of a key or service account. `at`: the time in Unix seconds."""

    id: str
    at: float
