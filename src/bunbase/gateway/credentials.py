"""What a request brings along to say who it is from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from litestar import Request

from bunbase.contracts.bunauth import InvalidToken
from bunbase.contracts.platform import InvalidKey

KEY_HEADER: Final = "x-bunbase-key"
FORWARDED_HEADER: Final = "x-forwarded-for"
PROJECT_HEADER: Final = "x-bunbase-project"
EXPLAIN_HEADER: Final = "x-bunbase-explain"
KEY_PARAMETER: Final = "key"
PROJECT_PARAMETER: Final = "project"
SECRET_PREFIX: Final = "sk_"
MAX_LENGTH: Final = 8192  # no token of ours is longer; more would only fill caches


def bearer_token(headers: Mapping[str, str]) -> str:
    """Give the Bearer token, or "" when there is none. Raises: InvalidToken for another scheme."""
    header = headers.get("authorization", "")
    if not header:
        return ""
    scheme, _, token = header.partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token or len(token) > MAX_LENGTH:
        raise InvalidToken("The header reads: Authorization: Bearer <token>.")
    return token


def project_key(headers: Mapping[str, str], query: Mapping[str, Any]) -> str:
    """Give the project key, or "" when there is none. Raises: InvalidKey for a secret key in an address."""
    key = headers.get(KEY_HEADER, "")
    if not key:
        key = str(query.get(KEY_PARAMETER, ""))
        if key.startswith(SECRET_PREFIX):
            raise InvalidKey(
                "A secret key in an address ends up in logs: send it as X-Bunbase-Key, and rotate this one."
            )
    return key[:MAX_LENGTH]


def client_ip(request: Request[Any, Any, Any], trusted_proxies: tuple[str, ...]) -> str:
    peer = request.client.host if request.client else ""
    if peer not in trusted_proxies:
        return peer
    return address_behind(peer, request.headers.getall(FORWARDED_HEADER, []), trusted_proxies)


def address_behind(peer: str, lines: list[str], trusted_proxies: tuple[str, ...]) -> str:
    """Give the caller's address: the last one in X-Forwarded-For that no trusted proxy of ours added.

    A proxy may add a header line of its own below the one a caller made up: all of them count, in order.
    """
    hops = [hop.strip() for hop in ",".join(lines).split(",") if hop.strip()]
    return next((hop for hop in reversed(hops) if hop not in trusted_proxies), peer)
