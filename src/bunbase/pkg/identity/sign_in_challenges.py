"""Ask a sign-in for its second factor.

A challenge takes the place of a session: it lives for five minutes, works once, and is bound to the version of the
account, so that a change of the password or of a factor ends it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from bunbase.pkg.clock import Clock
from bunbase.pkg.identity.holders import Holder
from bunbase.pkg.identity.problems import SecondFactorRequired
from bunbase.pkg.identity.store import IdentityStores
from bunbase.pkg.identity.store.factors import FactorCounts
from bunbase.pkg.opaque import fingerprint, new_secret

PREFIX: Final = "bsc"
SECONDS: Final = 300
MAX_OPEN: Final = 100  # challenges of one account; more are made only by a caller who has the password and guesses


class SignInChallenges:
    """The challenges of one pool. `path`: the route that takes the answer, for messages."""

    def __init__(self, stores: IdentityStores, path: str, clock: Clock) -> None:
        self.stores = stores
        self.path = path
        self.clock = clock

    async def check(self, holder: Holder) -> None:
        """Return if the first factor is enough. Raises: SecondFactorRequired, with a new challenge.

        Do not call this inside a transaction: the exception would roll the challenge back.
        """
        factors = await self.stores.factors.counts(holder.id)
        if not factors.totp:
            return
        challenge, expires_at = new_secret(PREFIX), self.clock.now() + timedelta(seconds=SECONDS)
        hash = fingerprint(challenge)
        await self.stores.sign_in_challenges.add(hash, holder.id, holder.version, expires_at, MAX_OPEN)
        raise SecondFactorRequired(
            f"Send this challenge with a code to {self.path}.",
            challenge=challenge,
            methods=methods_of(factors),
            expires_in=SECONDS,
        )


def methods_of(factors: FactorCounts) -> list[str]:
    """Return the ways to answer a challenge, the usual one first."""
    ways = {"totp": factors.totp, "recovery_code": factors.recovery_codes, "passkey": factors.passkeys}
    return [way for way, usable in ways.items() if usable]
