"""The claims that tell an access token of an end user from every other token that the key of its project signs."""

from __future__ import annotations

from typing import Any, Final

USER_TOKEN_TYPE: Final = "user"


def is_user_token(claims: dict[str, Any], project: str) -> bool:
    """True if the claims of a checked token are those of an end user's access token: the key also signs others."""
    texts = all(isinstance(claims.get(name), str) for name in ("sub", "sid"))
    others = isinstance(claims.get("claims", {}), dict) and type(claims.get("ver", 0)) is int
    return texts and others and claims.get("aud") == project and claims.get("type") == USER_TOKEN_TYPE
