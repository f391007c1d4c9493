"""End a sign-in with its second factor."""

from __future__ import annotations

from typing import Final

from bunbase.bunauth.service.factor_checks import FactorChecks
from bunbase.bunauth.service.session_tokens import Factors, SessionTokens, signed_in_by
from bunbase.bunauth.store import Stores
from bunbase.bunauth.store.passkeys import PasskeyAct
from bunbase.bunauth.store.sign_in_challenges import SignInChallenge
from bunbase.contracts.bunauth.accounts import SignedIn
from bunbase.contracts.bunauth.activity import Activity, ActivityMethod
from bunbase.contracts.bunauth.factors import PasskeyOptions
from bunbase.contracts.bunauth.factors import SecondFactor as Answer
from bunbase.contracts.bunauth.problems import ChallengeExpired
from bunbase.contracts.caller import Caller
from bunbase.pkg.errors import Problem, RateLimited
from bunbase.pkg.opaque import fingerprint
from bunbase.pkg.totp import is_totp_code

MAX_FAILED: Final = 5  # wrong answers to one challenge


class SecondFactorSignIn:
    def __init__(self, stores: Stores, checks: FactorChecks, tokens: SessionTokens) -> None:
        self.stores = stores
        self.checks = checks
        self.tokens = tokens
        self.clock = tokens.clock

    async def finish(self, caller: Caller, challenge: str, answer: Answer) -> SignedIn:
        """Open the session that a challenge stands for.

        The session, the end of the challenge and the use of the code are one transaction: of two requests at once, one
        opens a session, and a crash leaves the code usable. Raises: ChallengeExpired, WrongCode, WrongPasskey,
        RateLimited.
        """
        hash = fingerprint(challenge)
        user = (await self._open(hash)).user_id
        secret = await self.checks.totp_secret(user)
        async with self.stores.db.transaction():
            account, waiting = await self.stores.factors.locked_account(user), await self._open(hash)
            if account is None or account.version != waiting.version:
                raise _expired()
            wrong = await self._check(user, secret, answer)
            if wrong is None:
                await self.stores.sign_in_challenges.delete(hash)
                by = signed_in_by(_method(answer))
                return await self.tokens.open_session(caller, account, factors=Factors.TWO, by=by)
            if not isinstance(wrong, RateLimited):
                await self.stores.sign_in_challenges.fail(hash)
        self.tokens.activity.note_refused(caller, user, Activity.SIGN_IN, _method(answer))
        raise wrong

    async def passkey_options(self, challenge: str) -> PasskeyOptions:
        """Return the options for a passkey as second factor. Raises: ChallengeExpired, PasskeysUnavailable."""
        waiting = await self._open(fingerprint(challenge))
        return await self.checks.passkey_options(waiting.user_id, PasskeyAct.SECOND_FACTOR)

    async def _open(self, hash: bytes) -> SignInChallenge:
        found = await self.stores.sign_in_challenges.find(hash, self.clock.now())
        if found is None or found.failed >= MAX_FAILED:
            raise _expired()
        return found

    async def _check(self, user: str, secret: tuple[str, str], answer: Answer) -> Problem | None:
        if answer.passkey is not None:
            return await self.checks.passkey(user, answer.passkey, PasskeyAct.SECOND_FACTOR)
        if is_totp_code(answer.code):
            return await self.checks.totp(user, secret, answer.code)
        return await self.checks.recovery_code(user, answer.code)


def _method(answer: Answer) -> ActivityMethod:
    if answer.passkey is not None:
        return ActivityMethod.PASSKEY
    return ActivityMethod.TOTP if is_totp_code(answer.code) else ActivityMethod.RECOVERY_CODE


def _expired() -> ChallengeExpired:
    return ChallengeExpired("Sign in again.")
