"""Complete a sign-in with its second factor."""

from __future__ import annotations

from functools import partial

from bunbase.bunauth.service.journal import counted
from bunbase.bunauth.service.session_tokens import Factors, SessionTokens, signed_in_by
from bunbase.bunauth.store.accounts import Credentials
from bunbase.contracts.bunauth.accounts import SignedIn
from bunbase.contracts.bunauth.activity import Activity, ActivityMethod
from bunbase.contracts.bunauth.factors import PasskeyOptions, SecondFactor
from bunbase.contracts.caller import Caller
from bunbase.pkg.identity.factor_checks import FactorChecks
from bunbase.pkg.identity.second_step import SecondStep
from bunbase.pkg.totp import is_totp_code


class SecondFactorSignIn:
    def __init__(self, checks: FactorChecks[Credentials], tokens: SessionTokens) -> None:
        self.second_step = SecondStep(checks)
        self.tokens = tokens

    async def finish(self, caller: Caller, challenge: str, answer: SecondFactor) -> SignedIn:
        """Open the session after a right answer to a challenge.

        Raises: ChallengeExpired, WrongCode, WrongPasskey, RateLimited, AccountSuspended.
        """
        method = _method(answer)
        open = partial(self.tokens.open_session, caller, factors=Factors.TWO, by=signed_in_by(method))
        refused = counted(self.tokens.activity, caller, Activity.SIGN_IN, method)
        return await self.second_step.finish(challenge, answer, open, refused)

    async def passkey_options(self, challenge: str) -> PasskeyOptions:
        """Return the options for a passkey as second factor. Raises: ChallengeExpired, PasskeysUnavailable."""
        return await self.second_step.passkey_options(challenge)


def _method(answer: SecondFactor) -> ActivityMethod:
    if answer.passkey is not None:
        return ActivityMethod.PASSKEY
    return ActivityMethod.TOTP if is_totp_code(answer.code) else ActivityMethod.RECOVERY_CODE
