"""Service accounts: programs that get short tokens for one project, and the problems of their requests."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from bunbase.pkg.errors import Problem

TOKEN_TYPE = "service"  # the claim `type` of service tokens


class ServiceAccountNotFound(Problem):
    status, code, title = 404, "service_account_not_found", "This project has no such service account"


class TokenRefused(Problem):
    """A refused request for a service token. `error` in `extra`: the code of RFC 6749 §5.2."""

    status, code, title = 400, "token_refused", "No service token was issued"


class ServiceAccount(msgspec.Struct, frozen=True, omit_defaults=True):
    """`client_secret`: present only in the answer to the request that created the account, if it has no `public_key`.
    `public_key`: the JWK (RFC 7517) with which the account proves its identity. `last_used_at`: the time of the last
    use, exact to about a minute.
    """

    client_id: str
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    last_used_at: datetime | None = None
    public_key: dict[str, Any] | None = None
    client_secret: str | None = None


class ServiceAccounts(msgspec.Struct, frozen=True):
    items: tuple[ServiceAccount, ...]
    next: str | None = None


class NewServiceAccount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`public_key`: a JWK, or a PEM text; an RSA key of at least 2048 bits, or an EC key on P-256."""

    name: str
    scopes: tuple[str, ...]
    public_key: dict[str, Any] | str | None = None


class TokenRequest(msgspec.Struct, frozen=True):
    """The parameters of a token request (RFC 6749 §4.4.2, RFC 7523 §2.2).

    `client_secret` may also be a secret key of a project. `scope`: the requested scopes, separated by spaces; empty for
    all scopes of the client.
    """

    grant_type: str
    client_id: str = ""
    client_secret: str = ""
    client_assertion_type: str = ""
    client_assertion: str = ""
    scope: str = ""


class ServiceAccessToken(msgspec.Struct, frozen=True):
    """`scope`: the scopes of the token, separated by spaces."""

    access_token: str
    expires_in: int
    scope: str
    token_type: str = "Bearer"
