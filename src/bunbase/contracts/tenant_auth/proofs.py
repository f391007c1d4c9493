"""Proofs that the signed-in user still owns the account."""

from __future__ import annotations

from typing import Protocol

import msgspec

from bunbase.contracts.caller import Caller
from bunbase.pkg.identity.factors import PasskeyOptions, Proof


class Reauthenticated(msgspec.Struct, frozen=True):
    """A new access token of the same session, whose refresh token stays valid.

    `aal`: the number of factors that the session has checked. `amr`: the checks of the session, by their names in RFC
    8176.
    `expires_in`: seconds until the access token expires.
    """

    access_token: str
    expires_in: int
    aal: int
    amr: tuple[str, ...]
    token_type: str = "Bearer"


class UserProofs(Protocol):
    async def reauthenticate(self, caller: Caller, proof: Proof) -> Reauthenticated:
        """Check a proof, and store its time and its kind in the session.

        Raises: WrongProof, RateLimited, PasskeysUnavailable, Unauthenticated.
        """
        ...

    async def proof_options(self, caller: Caller) -> PasskeyOptions:
        """Return the options for a passkey as proof. Raises: PasskeysUnavailable, Unauthenticated."""
        ...
