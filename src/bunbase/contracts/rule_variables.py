"""The variables of rules that come from the caller. The rules of documents and of channels have the same `auth`."""

from __future__ import annotations

from typing import Any

from bunbase.contracts.caller import EndUser


def auth_of(user: EndUser | None) -> dict[str, Any] | None:
    """Return the value of `auth` in rules; None if no user is signed in."""
    if user is None:
        return None
    return {
        "uid": user.uid,
        "email": user.email,
        "role": user.role,
        "claims": user.claims,
        "verified": user.verified,
        "provider": user.provider,
        "anonymous": user.anonymous,
        "aal": user.aal,
        "act": user.act,
    }
