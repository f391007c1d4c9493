"""The problems that BunAuth raises. `pkg/identity` defines the problems that end users can get too."""

from __future__ import annotations

from bunbase.pkg.errors import Problem
from bunbase.pkg.identity.problems import ChallengeExpired as ChallengeExpired
from bunbase.pkg.identity.problems import ExternalEmailNotVerified as ExternalEmailNotVerified
from bunbase.pkg.identity.problems import ExternalLoginExpired as ExternalLoginExpired
from bunbase.pkg.identity.problems import IdentityNotFound as IdentityNotFound
from bunbase.pkg.identity.problems import IdentityTaken as IdentityTaken
from bunbase.pkg.identity.problems import InvalidToken as InvalidToken
from bunbase.pkg.identity.problems import LastSignInMethod as LastSignInMethod
from bunbase.pkg.identity.problems import LinkExpired as LinkExpired
from bunbase.pkg.identity.problems import PasskeyNotFound as PasskeyNotFound
from bunbase.pkg.identity.problems import PasskeysUnavailable as PasskeysUnavailable
from bunbase.pkg.identity.problems import ProviderNotFound as ProviderNotFound
from bunbase.pkg.identity.problems import ProviderUnavailable as ProviderUnavailable
from bunbase.pkg.identity.problems import ReauthenticationRequired as ReauthenticationRequired
from bunbase.pkg.identity.problems import SecondFactorRequired as SecondFactorRequired
from bunbase.pkg.identity.problems import TotpNotFound as TotpNotFound
from bunbase.pkg.identity.problems import WrongCode as WrongCode
from bunbase.pkg.identity.problems import WrongPasskey as WrongPasskey
from bunbase.pkg.identity.problems import WrongProof as WrongProof


class InvalidCredentials(Problem):
    status, code, title = 401, "invalid_credentials", "Email or password is wrong"


class TokenExpired(Problem):
    status, code, title = 401, "token_expired", "This token has expired; refresh it or sign in again"


class TokenReused(Problem):
    status, code, title = (
        401,
        "token_reused",
        "This refresh token was used before, so its session has ended",
    )


class EmailTaken(Problem):
    status, code, title = 409, "email_taken", "An account with this email exists already"


class SignupsClosed(Problem):
    status, code, title = 403, "signups_closed", "New accounts are not accepted here"


class SetupTokenRequired(Problem):
    status, code, title = 403, "setup_token_required", "The first account needs the setup token"


class TokenNotFound(Problem):
    status, code, title = 404, "token_not_found", "You have no such personal access token"


class ServiceExchangeOff(Problem):
    status, code, title = 404, "service_exchange_off", "This installation does not issue service tokens"


class SessionNotFound(Problem):
    status, code, title = 404, "session_not_found", "You have no such session"


class AccountInviteNotFound(Problem):
    status, code, title = 404, "account_invite_not_found", "There is no such invitation"


class InvalidInvite(Problem):
    status, code, title = 403, "invalid_invite", "This invitation is for another address"


class LastAdministrator(Problem):
    status, code, title = 409, "last_administrator", "The installation needs an active administrator"


class AuthorizationPending(Problem):
    """The member `error` of this problem and of the next three problems is a code of RFC 8628 §3.5."""

    status, code, title = 400, "authorization_pending", "Nobody has approved this sign-in yet"


class SlowDown(Problem):
    status, code, title = 400, "slow_down", "The device asks too often"


class DeviceCodeExpired(Problem):
    status, code, title = 400, "expired_token", "This device code has expired"


class DeviceDenied(Problem):
    status, code, title = 400, "access_denied", "The sign-in was denied"


class DeviceNotFound(Problem):
    status, code, title = 404, "device_not_found", "No device waits under this code"
