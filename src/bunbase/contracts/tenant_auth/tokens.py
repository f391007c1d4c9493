"""The claims that distinguish an access token of an end user from all other tokens that the project's key signs."""

from __future__ import annotations

from typing import Any, Final

from bunbase.contracts.caller import EndUser

USER_TOKEN_TYPE: Final = "user"
# tokens of older releases lack some claims; these defaults allow the least in rules
DEFAULTS: Final[dict[str, Any]] = {
    "aal": 1,
    "anonymous": False,
    "claims": {},
    "email_verified": False,
    "provider": "",
    "role": "",
    "ver": 0,
}


def is_user_token(claims: dict[str, Any], project: str) -> bool:
    """True if the claims of a checked token are the claims of an end user's access token, because the key also signs
    other tokens.
    """
    texts = all(isinstance(claims.get(name), str) for name in ("sub", "sid"))
    others = all(type(claims.get(name, default)) is type(default) for name, default in DEFAULTS.items())
    act = claims.get("act", {"sub": ""})  # RFC 8693 §4.1: the developer or key that uses the token as the user
    acted = isinstance(act, dict) and isinstance(act.get("sub"), str)
    return texts and others and acted and claims.get("aud") == project and claims.get("type") == USER_TOKEN_TYPE


def end_user_of(claims: dict[str, Any]) -> EndUser:
    """Return the user of checked claims (`is_user_token`)."""
    said = DEFAULTS | claims
    return EndUser(
        uid=said["sub"],
        email=said.get("email"),
        role=said["role"],
        claims=said["claims"],
        session=said["sid"],
        verified=said["email_verified"],
        provider=said["provider"],
        anonymous=said["anonymous"],
        aal=said["aal"],
        act=claims["act"]["sub"] if "act" in claims else "",
    )
