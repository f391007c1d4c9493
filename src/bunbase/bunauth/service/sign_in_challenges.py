"""Ask a sign-in for its second factor.

A challenge takes the place of a session: it lives for five minutes, works once, and is bound to the version of the
account, so that a change of the password or of a factor ends it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from bunbase.bunauth.store import Stores
from bunbase.bunauth.store.accounts import Credentials
from bunbase.bunauth.store.factors import FactorCounts
from bunbase.contracts.bunauth.problems import SecondFactorRequired
from bunbase.pkg.clock import Clock
from bunbase.pkg.opaque import fingerprint, new_secret

PREFIX: Final = "bsc"
SECONDS: Final = 300
MAX_OPEN: Final = 100  # challenges of one account; more are made only by a caller who has the password and guesses


class SignInChallenges:
    def __init__(self, stores: Stores, clock: Clock) -> None:
        self.stores = stores
        self.clock = clock

    async def check(self, found: Credentials) -> None:
        """Return if the first factor is enough. Raises: SecondFactorRequired, with a new challenge."""
        factors = await self.stores.factors.counts(found.id)
        if not factors.totp:
            return
        challenge, expires_at = new_secret(PREFIX), self.clock.now() + timedelta(seconds=SECONDS)
        await self.stores.sign_in_challenges.add(fingerprint(challenge), found.id, found.version, expires_at, MAX_OPEN)
        raise SecondFactorRequired(
            "Send this challenge with a code to POST /api/auth/login/second-factor.",
            challenge=challenge,
            methods=methods_of(factors),
            expires_in=SECONDS,
        )


def methods_of(factors: FactorCounts) -> list[str]:
    """Return the ways to answer a challenge, the usual one first."""
    ways = {"totp": factors.totp, "recovery_code": factors.recovery_codes, "passkey": factors.passkeys}
    return [way for way, usable in ways.items() if usable]
