"""Access tokens of end users, as the cache holds them. Everything that a repeated request needs is computed once."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from bunbase.contracts.caller import EndUser
from bunbase.contracts.revocations import older_user_version, user_version
from bunbase.contracts.tenant_auth.tokens import end_user_of


class UserToken(msgspec.Struct, frozen=True):
    """A checked token. `version`: the version of the user.

    `user_version`: the id whose revocation ends all tokens of this version. `older_version`: the form of this id in
    revocations of older releases. `key`: the id of the key that signed the token.
    """

    user: EndUser
    version: int
    user_version: str
    older_version: str
    expires_at: float
    key: str = ""

    @property
    def seconds_left(self) -> float:
        return self.expires_at - time.time()


def user_token(claims: dict[str, Any], key: str = "") -> UserToken:
    """Return the token with these checked claims (`is_user_token`)."""
    user = end_user_of(claims)
    version = claims.get("ver", 0)  # Tokens of older releases have no version, so they count as version 0.
    ended_as = user_version(claims["aud"], user.uid, version), older_user_version(user.uid, version)
    return UserToken(user, version, *ended_as, float(claims["exp"]), key)
