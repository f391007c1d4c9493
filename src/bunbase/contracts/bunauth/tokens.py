"""Tokens that BunAuth issues or checks, and the keys that others need to check them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec


class Verified(msgspec.Struct, frozen=True):
    """The result of `verify`. `claims`: the claims of the token; those of a personal access token have the same names
    as those of an access token. `claims` is empty if the token is not valid.
    """

    valid: bool
    claims: dict[str, Any] = {}


class PersonalToken(msgspec.Struct, frozen=True, omit_defaults=True):
    """`token` (`bpt_…`): present only in the answer to the request that created the token. `projects`: the projects to
    which it is bound; absent for all projects. `last_used_at`: exact to about a minute.
    """

    id: str
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    token: str | None = None
    projects: tuple[str, ...] = ()
    last_used_at: datetime | None = None


class PersonalTokens(msgspec.Struct, frozen=True):
    items: tuple[PersonalToken, ...]
    next: str | None = None


class ServiceToken(msgspec.Struct, frozen=True):
    access_token: str
    expires_in: int
    token_type: str = "Bearer"


class Jwks(msgspec.Struct, frozen=True):
    """A JWK set (RFC 7517 §5)."""

    keys: tuple[dict[str, str], ...]


class Discovery(msgspec.Struct, frozen=True):
    """The metadata that other programs need to check access tokens (OpenID Connect Discovery 1.0 §3).

    There is no authorization endpoint.
    """

    issuer: str
    jwks_uri: str
    response_types_supported: tuple[str, ...] = ()
    subject_types_supported: tuple[str, ...] = ("public",)
    id_token_signing_alg_values_supported: tuple[str, ...] = ("RS256",)
    claims_supported: tuple[str, ...] = ("iss", "sub", "aud", "iat", "exp", "jti", "sid", "type", "role", "email")


class FirstUse(msgspec.Struct, frozen=True):
    """The first use of an access token. `generation`: the claim `gen`, the number of refreshes before it.

    `project`: of the end user whose token it is; empty for a developer's token.
    """

    session: str
    generation: int
    project: str = ""
