"""The problems that tenant-auth raises. `pkg/identity` defines the problems that developers can get too."""

from __future__ import annotations

from bunbase.pkg.errors import Problem


class AnonymousUsersOff(Problem):
    status, code, title = 403, "anonymous_users_off", "The project has no anonymous users"


class SignUpFirst(Problem):
    status, code, title = 403, "sign_up_first", "An anonymous user must sign up first"


class CaptchaRequired(Problem):
    """`provider`, `site_key`: the values for the widget that makes the token."""

    status, code, title = 403, "captcha_required", "This app asks for a captcha"


class CaptchaRefused(Problem):
    status, code, title = 403, "captcha_refused", "The captcha was not accepted"


class CaptchaUnavailable(Problem):
    status, code, title = 503, "captcha_unavailable", "The captcha could not be checked"


class UserBanned(Problem):
    status, code, title = 403, "user_banned", "This account has been banned"


class EmailNotVerified(Problem):
    status, code, title = 403, "email_not_verified", "This address is not confirmed yet"


class EmailDomainNotAllowed(Problem):
    status, code, title = 403, "email_domain_not_allowed", "This app is only for addresses of certain domains"


class UpgradeUnavailable(Problem):
    status, code, title = 403, "upgrade_unavailable", "An anonymous user cannot sign up with a password here"


class ImpersonationRefused(Problem):
    status, code, title = 403, "impersonation_refused", "You use this app in the place of a user, who alone may do this"


class ActingRefused(Problem):
    status, code, title = 403, "acting_refused", "Only servers and members of the project act in a user's place"


class NoLink(Problem):
    status, code, title = 409, "no_link", "The user has no use for such a link"


class UserNotFound(Problem):
    status, code, title = 404, "user_not_found", "There is no such user"


class UserExists(Problem):
    status, code, title = 409, "user_exists", "The project has this user already"


class UserInviteNotFound(Problem):
    status, code, title = 404, "user_invite_not_found", "There is no such open invitation"


class MfaEnrolmentRequired(Problem):
    """`challenge`: a secret for the next request. `expires_in`: the lifetime of the challenge in seconds."""

    status, code, title = 401, "mfa_enrolment_required", "This app needs a second factor, and you have none yet"


class TooManyUsers(Problem):
    status, code, title = 403, "too_many_users", "The project has the maximum number of users"


class CustomTokenUsed(Problem):
    status, code, title = 401, "custom_token_used", "This custom token was used before"


class InvalidCode(Problem):
    status, code, title = 401, "invalid_code", "This code is wrong, or it is not valid any more"


class PhoneNotAllowed(Problem):
    status, code, title = 422, "phone_not_allowed", "This app sends no text messages to this country"


class PhoneNotConfigured(Problem):
    status, code, title = 422, "phone_not_configured", "This app cannot send text messages"


class PhoneTaken(Problem):
    status, code, title = 409, "phone_taken", "Another user has this phone number"


class StaleSettings(Problem):
    status, code, title = 412, "stale_settings", "The settings have changed since you read them"


class SignupRefused(Problem):
    """The hook `before_signup` of the project refused the new user. `detail`: the message of the hook."""

    status, code, title = 403, "signup_refused", "This app does not accept the sign-up"


class HookFailed(Problem):
    """The runs and the log of the function have the reason. `hook`: the name of the hook, such as `send_sms`.

    `cause`: the code of the failure, such as `function_timeout`; `invalid_answer` if BunBase cannot use the answer.
    """

    status, code, title = 502, "hook_failed", "A hook of this app failed"
