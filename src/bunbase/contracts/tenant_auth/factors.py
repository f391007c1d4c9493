"""Second factors and passkeys of end users."""

from __future__ import annotations

from typing import Any, Protocol

from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.sessions import UserSignedIn
from bunbase.pkg.identity.factors import (
    NewTotp,
    Passkey,
    PasskeyOptions,
    Passkeys,
    RecoveryCodes,
    SecondFactor,
    TotpState,
)


class EnrolledUser(UserSignedIn, frozen=True, kw_only=True):
    """The answer to a sign-in that has set up a second factor. The recovery codes are shown only here."""

    recovery_codes: tuple[str, ...]


class UserFactors(Protocol):
    """All calls raise Unauthenticated for a caller without a key of a project.

    Calls for the signed-in user also raise Unauthenticated if no user is signed in. Calls that need a fresh proof raise
    ReauthenticationRequired without a fresh proof.
    """

    async def login_with_second_factor(self, caller: Caller, challenge: str, answer: SecondFactor) -> UserSignedIn:
        """Complete a sign-in that was answered with SecondFactorRequired.

        Raises: ChallengeExpired, WrongCode, WrongPasskey, RateLimited, UserBanned.
        """
        ...

    async def start_enrolment(self, caller: Caller, challenge: str) -> NewTotp:
        """Return a secret for an authenticator app, for a sign-in that was answered with MfaEnrolmentRequired.

        Raises: ChallengeExpired.
        """
        ...

    async def confirm_enrolment(self, caller: Caller, challenge: str, code: str) -> EnrolledUser:
        """Turn the second factor on with the first code of the app, and complete the sign-in.

        Raises: ChallengeExpired, TotpNotFound, WrongCode, UserBanned.
        """
        ...

    async def totp_state(self, caller: Caller) -> TotpState: ...

    async def start_totp(self, caller: Caller) -> NewTotp:
        """Return a new secret for an authenticator app.

        The secret has no effect until `confirm_totp`. The user needs a fresh proof.

        Raises: Forbidden, if the project has turned second factors off.
        """
        ...

    async def confirm_totp(self, caller: Caller, code: str) -> RecoveryCodes:
        """Turn the second factor on with the first code of the app. Then the session counts as checked with two
        factors.

        Raises: TotpNotFound, WrongCode.
        """
        ...

    async def remove_totp(self, caller: Caller) -> None:
        """Turn the second factor off. The user needs a fresh proof.

        Raises: TotpNotFound; Forbidden, if the project demands a second factor.
        """
        ...

    async def new_recovery_codes(self, caller: Caller) -> RecoveryCodes:
        """Replace all recovery codes. The user needs a fresh proof. Raises: TotpNotFound."""
        ...

    async def passkey_login_options(self, caller: Caller, challenge: str | None) -> PasskeyOptions:
        """Return the options for a sign-in with a passkey, or for a second factor. Raises: ChallengeExpired,
        PasskeysUnavailable."""
        ...

    async def login_with_passkey(self, caller: Caller, credential: dict[str, Any]) -> UserSignedIn:
        """Raises: WrongPasskey, PasskeysUnavailable, UserBanned."""
        ...

    async def passkeys(self, caller: Caller) -> Passkeys:
        """Return the passkeys of the signed-in user, newest first."""
        ...

    async def passkey_options(self, caller: Caller) -> PasskeyOptions:
        """Return the options for a new passkey. The user needs a fresh proof.

        Raises: SignUpFirst, PasskeysUnavailable, InvalidInput.
        """
        ...

    async def register_passkey(self, caller: Caller, credential: dict[str, Any], name: str) -> Passkey:
        """Raises: WrongPasskey, PasskeysUnavailable, InvalidInput."""
        ...

    async def rename_passkey(self, caller: Caller, id: str, name: str) -> None:
        """Raises: PasskeyNotFound, InvalidInput."""
        ...

    async def delete_passkey(self, caller: Caller, id: str) -> None:
        """The user needs a fresh proof. Raises: PasskeyNotFound, LastSignInMethod."""
        ...

    async def reset_user_factors(self, caller: Caller, id: str) -> None:
        """Remove all factors of a user who has lost them, for the same administrators as `TenantAuth.users`.
        Idempotent.

        Raises: UserNotFound, Forbidden.
        """
        ...
