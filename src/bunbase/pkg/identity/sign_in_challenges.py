"""Ask a person who signs in for the second factor.

The client gets a challenge instead of a session. A challenge is valid for five minutes and works once. The challenge
belongs to one version of the account, so a change of the password or of a factor ends it. A challenge can contain a
note about the first step. The stored hash covers the note, so a challenge whose note was changed is not found.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from bunbase.pkg.clock import Clock
from bunbase.pkg.identity.holders import Holder
from bunbase.pkg.identity.problems import SecondFactorRequired
from bunbase.pkg.identity.store import MAX_OPEN, IdentityStores
from bunbase.pkg.identity.store.factors import FactorCounts
from bunbase.pkg.opaque import fingerprint, new_secret

PREFIX: Final = "bsc"
SECONDS: Final = 300


class SignInChallenges:
    """The challenges of one pool. `path`: the route to which people send the answer, for messages."""

    def __init__(self, stores: IdentityStores, path: str, clock: Clock) -> None:
        self.stores = stores
        self.path = path
        self.clock = clock

    async def check(self, holder: Holder) -> None:
        """Check that the first factor is enough. Raises: SecondFactorRequired, with a new challenge.

        Do not call this inside a transaction, because the exception would roll the challenge back.
        """
        asked = await self.asked(holder)
        if asked is not None:
            raise asked

    async def asked(self, holder: Holder, note: str = "") -> SecondFactorRequired | None:
        """Return the Problem SecondFactorRequired, or None if the first factor is enough."""
        factors = await self.stores.factors.counts(holder.id)
        if not factors.totp:
            return None
        return SecondFactorRequired(
            f"Send this challenge with a code to {self.path}.",
            challenge=await self.add(holder, note),
            methods=methods_of(factors),
            expires_in=SECONDS,
        )

    async def add(self, holder: Holder, note: str = "") -> str:
        """Store a new challenge and return it. `note`: letters, digits, - and _, for `note_in`."""
        challenge = f"{new_secret(PREFIX)}.{note}" if note else new_secret(PREFIX)
        expires_at = self.clock.now() + timedelta(seconds=SECONDS)
        hash = fingerprint(challenge)
        await self.stores.sign_in_challenges.add(hash, holder.id, holder.version, expires_at, MAX_OPEN)
        return challenge


def note_in(challenge: str) -> str:
    """Return the note in a challenge. Trust it only after the challenge was found."""
    return challenge.partition(".")[2]


def methods_of(factors: FactorCounts) -> list[str]:
    """Return the ways to answer a challenge, the usual one first."""
    ways = {"totp": factors.totp, "recovery_code": factors.recovery_codes, "passkey": factors.passkeys}
    return [way for way, usable in ways.items() if usable]
