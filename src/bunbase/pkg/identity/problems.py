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
