"""The problems that tenant-auth raises. `pkg/identity` defines those that developers can get too."""

from __future__ import annotations

from bunbase.pkg.errors import Problem


class UserBanned(Problem):
    status, code, title = 403, "user_banned", "This account has been banned"


class EmailNotVerified(Problem):
    status, code, title = 403, "email_not_verified", "This address is not confirmed yet"


class EmailDomainNotAllowed(Problem):
    status, code, title = 403, "email_domain_not_allowed", "This app is only for addresses of certain domains"


class UserNotFound(Problem):
    status, code, title = 404, "user_not_found", "There is no such user"


class TooManyUsers(Problem):
    status, code, title = 403, "too_many_users", "The project has the maximum number of users"


class CustomTokenUsed(Problem):
    status, code, title = 401, "custom_token_used", "This custom token was used before"


class StaleSettings(Problem):
    status, code, title = 412, "stale_settings", "The settings have changed since you read them"
