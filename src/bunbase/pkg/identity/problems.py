"""The Problems of credentials."""

from __future__ import annotations

from bunbase.pkg.errors import Problem


class SecondFactorRequired(Problem):
    """`challenge`: a secret for the next request. `methods`: any of "totp", "recovery_code" and "passkey".
    `expires_in`: the lifetime of the challenge in seconds.
    """

    status, code, title = 401, "second_factor_required", "This account needs a second factor to sign in"


class ChallengeExpired(Problem):
    status, code, title = 410, "challenge_expired", "This challenge was used before, or it has expired"


class WrongCode(Problem):
    status, code, title = 403, "wrong_code", "This code is wrong, or it was used before"


class WrongPasskey(Problem):
    status, code, title = 403, "wrong_passkey", "This passkey was not accepted"


class PasskeysUnavailable(Problem):
    status, code, title = 409, "passkeys_unavailable", "Passkeys need a host name and https"


class PasskeyNotFound(Problem):
    status, code, title = 404, "passkey_not_found", "You have no such passkey"


class TotpNotFound(Problem):
    status, code, title = 404, "totp_not_found", "This account has no authenticator app"


class LinkExpired(Problem):
    status, code, title = 410, "link_expired", "This link was used before, or it has expired"


class ProviderNotFound(Problem):
    status, code, title = 404, "provider_not_found", "There is no such sign-in provider"


class ProviderUnavailable(Problem):
    status, code, title = 502, "provider_unavailable", "The sign-in provider did not answer as expected"


class ExternalLoginExpired(Problem):
    status, code, title = 400, "external_login_expired", "This sign-in is over, or it began in another browser"


class ExternalEmailNotVerified(Problem):
    status, code, title = 403, "external_email_not_verified", "The provider has not verified an email address for you"


class IdentityTaken(Problem):
    status, code, title = 409, "identity_taken", "Another account has this identity"


class IdentityNotFound(Problem):
    status, code, title = 404, "identity_not_found", "You have no such identity"


class LastSignInMethod(Problem):
    status, code, title = 409, "last_sign_in_method", "Without it, nobody could sign in to the account"


class InvalidToken(Problem):
    status, code, title = 401, "invalid_token", "This token is not valid; refresh it, and sign in if that is refused"


class ReauthenticationRequired(Problem):
    """`methods`: the kinds of proof that the account can send."""

    status, code, title = 401, "reauthentication_required", "This needs a fresh proof that the account is yours"


class WrongProof(Problem):
    """The proof was wrong.

    The status is not 401, because the access token is valid, and a client must not refresh it and try again.
    """

    status, code, title = 403, "wrong_proof", "This proof is wrong"
