"""Tokens that BunAuth issues or checks, and the keys with which other programs check them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import msgspec

ACCESS_AUDIENCE: Final = "bunbase"
ACCESS_TYPE: Final = "access"


class Verified(msgspec.Struct, frozen=True):
    """The result of `verify`. `claims`: the claims of the token. The claims of a personal access token have the same
    names as the claims of an access token. `claims` is empty if the token is not valid.
    """

    valid: bool
    claims: dict[str, Any] = {}


class PersonalToken(msgspec.Struct, frozen=True, omit_defaults=True):
    """`token` (`bpt_…`): present only in the answer to the request that created the token.

    `projects`: the projects to which the token is bound; absent for all projects. `last_used_at`: the time of the last
    use, exact to about a minute. `session`: the session that made the token. `client`: the application of this session;
    the token ends when the authorization of the application ends.
    """

    id: str
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    token: str | None = None
    projects: tuple[str, ...] = ()
    last_used_at: datetime | None = None
    session: str = ""
    client: str = ""


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
    """The metadata of the OpenID Provider (OpenID Connect Discovery 1.0 §3, RFC 8414)."""

    issuer: str
    jwks_uri: str
    authorization_endpoint: str
    token_endpoint: str
    userinfo_endpoint: str
    revocation_endpoint: str
    introspection_endpoint: str
    scopes_supported: tuple[str, ...]
    claims_supported: tuple[str, ...]
    response_types_supported: tuple[str, ...] = ("code",)
    response_modes_supported: tuple[str, ...] = ("query",)
    grant_types_supported: tuple[str, ...] = ("authorization_code", "refresh_token")
    subject_types_supported: tuple[str, ...] = ("public",)
    id_token_signing_alg_values_supported: tuple[str, ...] = ("RS256",)
    code_challenge_methods_supported: tuple[str, ...] = ("S256",)
    prompt_values_supported: tuple[str, ...] = ("none", "login", "consent", "select_account")
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("none", "client_secret_basic", "client_secret_post")
    revocation_endpoint_auth_methods_supported: tuple[str, ...] = ("none", "client_secret_basic", "client_secret_post")
    introspection_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic", "client_secret_post")
    authorization_response_iss_parameter_supported: bool = True
    claims_parameter_supported: bool = False
    request_parameter_supported: bool = False
    request_uri_parameter_supported: bool = False


class UsedToken(msgspec.Struct, frozen=True):
    """The personal token of a request. `projects`: the ids of the projects to which the token is bound; empty for all
    projects.
    """

    id: str
    scopes: tuple[str, ...]
    projects: tuple[str, ...]


class FirstUse(msgspec.Struct, frozen=True):
    """The first use of an access token. `generation`: the claim `gen`, the number of refreshes before it.

    `project`: the project of the end user whose token it is; empty for a developer's token.
    """

    session: str
    generation: int
    project: str = ""


def is_access_token(claims: dict[str, Any]) -> bool:
    """True if the claims of a checked token are the claims of a developer's access token, because the same key also
    signs other tokens.
    """
    texts = all(isinstance(claims.get(name), str) for name in ("sub", "sid", "email"))
    return texts and claims.get("aud") == ACCESS_AUDIENCE and claims.get("type") == ACCESS_TYPE
