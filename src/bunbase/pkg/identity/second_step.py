"""End a sign-in with its second factor."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

from bunbase.pkg.errors import Problem, RateLimited
from bunbase.pkg.identity.events import Refused, no_refusal
from bunbase.pkg.identity.factor_checks import FactorChecks
from bunbase.pkg.identity.factors import PasskeyOptions, SecondFactor
from bunbase.pkg.identity.holders import H
from bunbase.pkg.identity.problems import ChallengeExpired
from bunbase.pkg.identity.store.passkeys import PasskeyAct
from bunbase.pkg.identity.store.sign_in_challenges import SignInChallenge
from bunbase.pkg.opaque import fingerprint
from bunbase.pkg.totp import is_totp_code

MAX_FAILED: Final = 5  # One challenge allows this many wrong answers.

T = TypeVar("T")


class SecondStep(Generic[H]):
    """The second steps of the sign-ins of one pool. `SignInChallenges` makes the challenges."""

    def __init__(self, checks: FactorChecks[H]) -> None:
        self.checks = checks
        self.stores = checks.stores
        self.holders = checks.holders
        self.clock = checks.clock

    async def finish(
        self,
        challenge: str,
        answer: SecondFactor,
        on_right: Callable[[H], Awaitable[T]],
        refused: Refused = no_refusal,
    ) -> T:
        """If the answer to the challenge is right, call `on_right(account)` and return its result.

        `on_right`, the end of the challenge and the use of the code are one transaction. So if there are two requests
        at once, only one finishes. bunauth stores the session in `on_right`, so after a crash the code can still be
        used. tenant_auth opens the session after the transaction, because its hooks call functions. If a crash happens
        in between, the user must sign in again. Raises: ChallengeExpired, WrongCode, WrongPasskey, RateLimited.
        """
        hash = fingerprint(challenge)
        user = (await self._open(hash)).user_id
        secret = await self.checks.totp_secret(user)
        async with self.stores.db.transaction():
            holder, waiting = await self.holders.locked(user), await self._open(hash)
            if holder is None or holder.version != waiting.version:
                raise challenge_expired()
            wrong = await self._check(user, secret, answer)
            if wrong is None:
                await self.stores.sign_in_challenges.delete(hash)
                return await on_right(holder)
            if not isinstance(wrong, RateLimited):
                await self.stores.sign_in_challenges.fail(hash)
        refused(user)
        raise wrong

    async def passkey_options(self, challenge: str) -> PasskeyOptions:
        """Return the options for a passkey as second factor. Raises: ChallengeExpired, PasskeysUnavailable."""
        waiting = await self._open(fingerprint(challenge))
        return await self.checks.passkey_options(waiting.user_id, PasskeyAct.SECOND_FACTOR)

    async def waiting(self, challenge: str) -> SignInChallenge:
        """Return the sign-in of a challenge. Raises: ChallengeExpired."""
        return await self._open(fingerprint(challenge))

    async def take(self, challenge: str) -> None:
        """Delete a challenge, so that it works once. Raises: ChallengeExpired if it was used before."""
        if not await self.stores.sign_in_challenges.delete(fingerprint(challenge)):
            raise challenge_expired()

    async def is_open(self, challenge: str) -> bool:
        """True if the challenge waits for an answer."""
        try:
            await self._open(fingerprint(challenge))
        except ChallengeExpired:
            return False
        return True

    async def _open(self, hash: bytes) -> SignInChallenge:
        found = await self.stores.sign_in_challenges.find(hash, self.clock.now())
        if found is None or found.failed >= MAX_FAILED:
            raise challenge_expired()
        return found

    async def _check(self, user: str, secret: tuple[str, str], answer: SecondFactor) -> Problem | None:
        if answer.passkey is not None:
            return await self.checks.passkey(user, answer.passkey, PasskeyAct.SECOND_FACTOR)
        if is_totp_code(answer.code):
            return await self.checks.totp(user, secret, answer.code)
        return await self.checks.recovery_code(user, answer.code)


def challenge_expired() -> ChallengeExpired:
    return ChallengeExpired("Sign in again.")
