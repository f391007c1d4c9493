"""The keys that sign the tokens of a project."""

from __future__ import annotations

from typing import Protocol

import msgspec

from bunbase.contracts.caller import Caller


class RotatedKeys(msgspec.Struct, frozen=True):
    """`kids`: the keys in `jwks.json` now; the first one signs. `ended`: keys whose tokens are refused from now on."""

    kids: tuple[str, ...]
    ended: tuple[str, ...] = ()


class UserSigningKeys(Protocol):
    async def rotate_user_keys(self, caller: Caller, now: bool) -> RotatedKeys:
        """Make a new key for the tokens of a project's users and services. The new key signs after a few minutes, and
        no user is signed out.

        `now`: replace all keys at once. All access tokens, custom tokens and service tokens of the project end;
        sessions stay, and their clients refresh. Raises: Forbidden, InsufficientScope.
        """
        ...
