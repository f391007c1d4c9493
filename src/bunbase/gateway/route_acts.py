"""The act of every route that reads credentials.

The gateway refuses a token or key with scopes on a route whose act needs another scope, and on a route without an act.
It checks before the body is read. The room checks again, and knows more: the role of the caller, the collection of each
document, and whether a request asks for more than the act in this table, as `?reveal=true` does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bunbase.contracts.acts import Act
from bunbase.contracts.caller import Caller
from bunbase.contracts.scopes import SOME_COLLECTION, InsufficientScope

P: Final = "/api/projects/{project}"
ORG: Final = "/api/orgs/{org}"
FUNCTION: Final = f"{P}/functions/{{name}}"
DATA: Final = "/v1/data/{collection}"
CALLED: Final = "/v1/functions/{name}"
CALLING: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
DOCUMENT: Final = {
    "GET": Act.DOCUMENT_READ,
    "PUT": Act.DOCUMENT_WRITE,
    "PATCH": Act.DOCUMENT_WRITE,
    "DELETE": Act.DOCUMENT_WRITE,
}

ROUTE_ACTS: Final[Mapping[tuple[str, str], Act]] = {
    # accounts of developers
    ("POST", "/api/auth/logout"): Act.SESSION_END,
    ("GET", "/api/auth/me"): Act.ACCOUNT_READ,
    ("PATCH", "/api/auth/me"): Act.ACCOUNT_UPDATE,
    ("DELETE", "/api/auth/me"): Act.ACCOUNT_DELETE,
    ("POST", "/api/auth/email"): Act.ACCOUNT_CHANGE_EMAIL,
    ("POST", "/api/auth/password"): Act.ACCOUNT_CHANGE_PASSWORD,
    ("POST", "/api/auth/reauthenticate"): Act.ACCOUNT_REAUTHENTICATE,
    ("POST", "/api/auth/reauthenticate/options"): Act.PASSKEY_BEGIN,
    ("GET", "/api/auth/totp"): Act.TOTP_READ,
    ("POST", "/api/auth/totp"): Act.TOTP_CREATE,
    ("POST", "/api/auth/totp/confirm"): Act.TOTP_CONFIRM,
    ("DELETE", "/api/auth/totp"): Act.TOTP_DELETE,
    ("POST", "/api/auth/recovery-codes"): Act.RECOVERY_CODE_CREATE,
    ("GET", "/api/auth/passkeys"): Act.PASSKEY_READ,
    ("POST", "/api/auth/passkeys/options"): Act.PASSKEY_BEGIN,
    ("POST", "/api/auth/passkeys/register"): Act.PASSKEY_CREATE,
    ("PATCH", "/api/auth/passkeys/{passkey_id}"): Act.PASSKEY_UPDATE,
    ("DELETE", "/api/auth/passkeys/{passkey_id}"): Act.PASSKEY_DELETE,
    ("GET", "/api/auth/identities"): Act.IDENTITY_READ,
    ("POST", "/api/auth/identities/link/{provider}"): Act.IDENTITY_BEGIN,
    ("DELETE", "/api/auth/identities/{identity_id}"): Act.IDENTITY_DELETE,
    ("POST", "/api/auth/device/approve"): Act.DEVICE_APPROVE,
    ("POST", "/api/auth/device/deny"): Act.DEVICE_DENY,
    ("POST", "/api/auth/signing-keys/replace"): Act.SIGNING_KEY_REPLACE,
    ("GET", "/api/auth/activity"): Act.ACTIVITY_READ,
    ("GET", "/api/auth/sessions"): Act.SESSION_READ,
    ("DELETE", "/api/auth/sessions"): Act.SESSION_END,
    ("DELETE", "/api/auth/sessions/{session_id}"): Act.SESSION_END,
    ("GET", "/api/auth/authorizations"): Act.AUTHORIZATION_READ,
    ("DELETE", "/api/auth/authorizations/{authorization_id}"): Act.AUTHORIZATION_DELETE,
    ("POST", "/oauth/consent/{client_id}"): Act.AUTHORIZATION_CREATE,
    ("GET", "/api/auth/tokens"): Act.TOKEN_READ,
    ("POST", "/api/auth/tokens"): Act.TOKEN_CREATE,
    ("DELETE", "/api/auth/tokens/{token_id}"): Act.TOKEN_DELETE,
    # projects
    ("GET", "/api/projects"): Act.PROJECT_LIST,
    ("POST", "/api/projects"): Act.PROJECT_CREATE,
    ("GET", P): Act.PROJECT_READ,
    ("PATCH", P): Act.PROJECT_UPDATE,
    ("DELETE", P): Act.PROJECT_DELETE,
    ("POST", f"{P}/restore"): Act.PROJECT_RESTORE,
    ("POST", f"{P}/transfer"): Act.PROJECT_TRANSFER,
    ("GET", f"{P}/members"): Act.MEMBER_READ,
    ("POST", f"{P}/members"): Act.MEMBER_ADD,
    ("PATCH", f"{P}/members/{{user}}"): Act.MEMBER_UPDATE,
    ("DELETE", f"{P}/members/{{user}}"): Act.MEMBER_REMOVE,
    ("GET", f"{P}/invites"): Act.INVITE_READ,
    ("POST", f"{P}/invites"): Act.INVITE_CREATE,
    ("POST", f"{P}/invites/{{invite_id}}/resend"): Act.INVITE_RESEND,
    ("DELETE", f"{P}/invites/{{invite_id}}"): Act.INVITE_DELETE,
    ("POST", "/api/invites/accept"): Act.INVITE_ACCEPT,
    # organisations
    ("GET", "/api/orgs"): Act.ORG_LIST,
    ("POST", "/api/orgs"): Act.ORG_CREATE,
    ("GET", ORG): Act.ORG_READ,
    ("PATCH", ORG): Act.ORG_UPDATE,
    ("DELETE", ORG): Act.ORG_DELETE,
    ("GET", f"{ORG}/members"): Act.ORG_MEMBER_READ,
    ("PATCH", f"{ORG}/members/{{user}}"): Act.ORG_MEMBER_UPDATE,
    ("DELETE", f"{ORG}/members/{{user}}"): Act.ORG_MEMBER_REMOVE,
    ("GET", f"{ORG}/invites"): Act.ORG_INVITE_READ,
    ("POST", f"{ORG}/invites"): Act.ORG_INVITE_CREATE,
    ("POST", f"{ORG}/invites/{{invite_id}}/resend"): Act.ORG_INVITE_RESEND,
    ("DELETE", f"{ORG}/invites/{{invite_id}}"): Act.ORG_INVITE_DELETE,
    ("GET", f"{ORG}/audit"): Act.ORG_AUDIT_READ,
    ("GET", f"{ORG}/audit/export"): Act.ORG_AUDIT_READ,
    # keys and service accounts
    ("GET", f"{P}/keys"): Act.KEY_READ,
    ("POST", f"{P}/keys"): Act.KEY_CREATE,
    ("PATCH", f"{P}/keys/{{key_id}}"): Act.KEY_UPDATE,
    ("DELETE", f"{P}/keys/{{key_id}}"): Act.KEY_DELETE,
    ("POST", f"{P}/keys/{{key_id}}/rotate"): Act.KEY_ROTATE,
    ("GET", f"{P}/service-accounts"): Act.SERVICE_ACCOUNT_READ,
    ("POST", f"{P}/service-accounts"): Act.SERVICE_ACCOUNT_CREATE,
    ("DELETE", f"{P}/service-accounts/{{client_id}}"): Act.SERVICE_ACCOUNT_DELETE,
    ("GET", f"{P}/data-key"): Act.DATA_KEY_READ,
    ("POST", f"{P}/data-key/rotate"): Act.DATA_KEY_ROTATE,
    ("GET", f"{P}/audit"): Act.AUDIT_READ,
    ("GET", f"{P}/audit/export"): Act.AUDIT_READ,
    # the installation
    ("GET", "/api/invites"): Act.ACCOUNT_INVITE_READ,
    ("POST", "/api/invites"): Act.ACCOUNT_INVITE_CREATE,
    ("DELETE", "/api/invites/{invite_id}"): Act.ACCOUNT_INVITE_DELETE,
    ("GET", "/api/admin/audit"): Act.INSTALLATION_READ,
    ("GET", "/api/admin/audit/export"): Act.INSTALLATION_READ,
    ("GET", "/api/admin/projects"): Act.INSTALLATION_READ,
    ("GET", "/api/admin/projects/{ref}"): Act.INSTALLATION_READ,
    ("POST", "/api/admin/projects/{ref}/suspend"): Act.PROJECT_SUSPEND,
    ("POST", "/api/admin/projects/{ref}/resume"): Act.PROJECT_RESUME,
    ("GET", "/api/admin/usage"): Act.INSTALLATION_READ,
    ("GET", "/api/admin/accounts"): Act.INSTALLATION_READ,
    ("GET", "/api/admin/accounts/{account_id}"): Act.INSTALLATION_READ,
    ("PATCH", "/api/admin/accounts/{account_id}"): Act.ACCOUNT_SET_ROLE,
    ("POST", "/api/admin/accounts/{account_id}/suspend"): Act.ACCOUNT_SUSPEND,
    ("POST", "/api/admin/accounts/{account_id}/resume"): Act.ACCOUNT_RESUME,
    ("POST", "/api/admin/accounts/{account_id}/reset-factors"): Act.ACCOUNT_RESET_FACTORS,
    ("GET", "/api/admin/oauth-clients"): Act.INSTALLATION_READ,
    ("POST", "/api/admin/oauth-clients"): Act.OAUTH_CLIENT_CREATE,
    ("POST", "/api/admin/oauth-clients/{oauth_client}/rotate"): Act.OAUTH_CLIENT_ROTATE,
    ("DELETE", "/api/admin/oauth-clients/{oauth_client}"): Act.OAUTH_CLIENT_DELETE,
    # backups
    ("GET", f"{P}/backups"): Act.BACKUP_READ,
    ("POST", f"{P}/backups"): Act.BACKUP_CREATE,
    ("GET", f"{P}/backups/schedule"): Act.BACKUP_READ,
    ("PUT", f"{P}/backups/schedule"): Act.BACKUP_SCHEDULE,
    ("DELETE", f"{P}/backups/schedule"): Act.BACKUP_SCHEDULE,
    ("POST", f"{P}/backups/restore"): Act.BACKUP_RESTORE,
    ("GET", f"{P}/backups/jobs/{{job}}"): Act.BACKUP_READ,
    ("GET", f"{P}/backups/{{backup}}"): Act.BACKUP_READ,
    ("DELETE", f"{P}/backups/{{backup}}"): Act.BACKUP_DELETE,
    ("POST", f"{P}/backups/{{backup}}/verify"): Act.BACKUP_VERIFY,
    ("GET", f"{P}/export"): Act.DOCUMENT_EXPORT,
    ("POST", f"{P}/import"): Act.DOCUMENT_IMPORT,
    # functions, as their developers see them
    ("GET", f"{P}/env"): Act.VARIABLE_READ,
    ("PUT", f"{P}/env/{{name}}"): Act.VARIABLE_SET,
    ("DELETE", f"{P}/env/{{name}}"): Act.VARIABLE_DELETE,
    ("GET", f"{P}/functions"): Act.FUNCTION_READ,
    ("GET", FUNCTION): Act.FUNCTION_READ,
    ("PUT", FUNCTION): Act.FUNCTION_DEPLOY,
    ("DELETE", FUNCTION): Act.FUNCTION_DELETE,
    ("GET", f"{FUNCTION}/versions"): Act.FUNCTION_READ,
    ("GET", f"{FUNCTION}/versions/{{version}}/bundle"): Act.FUNCTION_DOWNLOAD,
    ("POST", f"{FUNCTION}/rollback"): Act.FUNCTION_ROLLBACK,
    ("GET", f"{FUNCTION}/logs"): Act.LOG_READ,
    ("GET", f"{FUNCTION}/runs"): Act.LOG_READ,
    ("GET", f"{FUNCTION}/stats"): Act.LOG_READ,
    ("GET", f"{P}/logs"): Act.LOG_READ,
    ("GET", f"{P}/usage"): Act.USAGE_READ,
    ("GET", f"{P}/schedules"): Act.SCHEDULE_READ,
    ("GET", f"{P}/jobs"): Act.JOB_LIST,
    ("POST", f"{P}/jobs"): Act.JOB_CREATE,
    ("GET", f"{P}/jobs/{{job_id}}"): Act.JOB_READ,
    ("POST", f"{P}/jobs/{{job_id}}/replay"): Act.JOB_REPLAY,
    ("DELETE", f"{P}/jobs/{{job_id}}"): Act.JOB_DELETE,
    ("POST", "/v1/jobs"): Act.JOB_CREATE,
    **{(method, path): Act.FUNCTION_INVOKE for method in CALLING for path in (CALLED, f"{CALLED}/{{path}}")},
    # end users
    ("GET", f"{P}/auth"): Act.AUTH_SETTINGS_READ,
    ("PATCH", f"{P}/auth"): Act.AUTH_SETTINGS_UPDATE,
    ("POST", f"{P}/auth/signing-keys/rotate"): Act.USER_KEYS_ROTATE,
    ("POST", "/v1/auth/signup"): Act.PROFILE_USE,
    ("POST", "/v1/auth/anonymous"): Act.PROFILE_USE,
    ("POST", "/v1/auth/signup/confirm"): Act.PROFILE_USE,
    ("POST", "/v1/auth/login"): Act.PROFILE_USE,
    ("POST", "/v1/auth/login/custom-token"): Act.PROFILE_USE,
    ("POST", "/v1/auth/refresh"): Act.PROFILE_USE,
    ("POST", "/v1/auth/logout"): Act.PROFILE_USE,
    ("GET", "/v1/auth/me"): Act.PROFILE_USE,
    ("PATCH", "/v1/auth/me"): Act.PROFILE_USE,
    ("POST", "/v1/auth/login/enrolment"): Act.PROFILE_USE,
    ("POST", "/v1/auth/login/enrolment/confirm"): Act.PROFILE_USE,
    ("POST", "/v1/auth/login/passkey/options"): Act.PROFILE_USE,
    ("POST", "/v1/auth/login/passkey/verify"): Act.PROFILE_USE,
    ("POST", "/v1/auth/login/second-factor"): Act.PROFILE_USE,
    ("GET", "/v1/auth/passkeys"): Act.PROFILE_USE,
    ("POST", "/v1/auth/passkeys/options"): Act.PROFILE_USE,
    ("POST", "/v1/auth/passkeys/register"): Act.PROFILE_USE,
    ("PATCH", "/v1/auth/passkeys/{passkey_id}"): Act.PROFILE_USE,
    ("DELETE", "/v1/auth/passkeys/{passkey_id}"): Act.PROFILE_USE,
    ("POST", "/v1/auth/recovery-codes"): Act.PROFILE_USE,
    ("GET", "/v1/auth/totp"): Act.PROFILE_USE,
    ("POST", "/v1/auth/totp"): Act.PROFILE_USE,
    ("POST", "/v1/auth/totp/confirm"): Act.PROFILE_USE,
    ("DELETE", "/v1/auth/totp"): Act.PROFILE_USE,
    ("POST", "/v1/auth/reauthenticate"): Act.PROFILE_USE,
    ("POST", "/v1/auth/reauthenticate/options"): Act.PROFILE_USE,
    ("GET", "/v1/auth/sessions"): Act.PROFILE_USE,
    ("DELETE", "/v1/auth/sessions"): Act.PROFILE_USE,
    ("DELETE", "/v1/auth/sessions/{session_id}"): Act.PROFILE_USE,
    ("GET", "/v1/auth/providers"): Act.PROFILE_USE,
    ("GET", "/v1/auth/oauth/{provider}/start"): Act.PROFILE_USE,
    ("POST", "/v1/auth/oauth/exchange"): Act.PROFILE_USE,
    ("GET", "/v1/auth/identities"): Act.PROFILE_USE,
    ("POST", "/v1/auth/identities/link"): Act.PROFILE_USE,
    ("DELETE", "/v1/auth/identities/{identity_id}"): Act.PROFILE_USE,
    ("POST", "/v1/auth/password"): Act.PROFILE_USE,
    ("POST", "/v1/auth/password-reset"): Act.PROFILE_USE,
    ("POST", "/v1/auth/password-reset/confirm"): Act.PROFILE_USE,
    ("GET", "/v1/auth/ui/reset-password"): Act.PROFILE_USE,
    ("POST", "/v1/auth/ui/reset-password"): Act.PROFILE_USE,
    ("POST", "/v1/auth/email"): Act.PROFILE_USE,
    ("POST", "/v1/auth/email/confirm"): Act.PROFILE_USE,
    ("DELETE", "/v1/auth/me"): Act.PROFILE_USE,
    ("GET", "/v1/auth/ui/change-email"): Act.PROFILE_USE,
    ("POST", "/v1/auth/ui/change-email"): Act.PROFILE_USE,
    ("POST", "/v1/auth/code"): Act.PROFILE_USE,
    ("POST", "/v1/auth/login/code"): Act.PROFILE_USE,
    ("POST", "/v1/auth/link"): Act.PROFILE_USE,
    ("POST", "/v1/auth/login/link"): Act.PROFILE_USE,
    ("GET", "/v1/auth/ui/sign-in-link"): Act.PROFILE_USE,
    ("POST", "/v1/auth/ui/sign-in-link"): Act.PROFILE_USE,
    ("POST", "/v1/auth/verify-email"): Act.PROFILE_USE,
    ("POST", "/v1/auth/verify-email/confirm"): Act.PROFILE_USE,
    ("GET", "/v1/auth/ui/sign-up"): Act.PROFILE_USE,
    ("POST", "/v1/auth/ui/sign-up"): Act.PROFILE_USE,
    ("GET", "/v1/auth/ui/verify-email"): Act.PROFILE_USE,
    ("POST", "/v1/auth/ui/verify-email"): Act.PROFILE_USE,
    ("GET", "/v1/auth/users"): Act.USER_READ,
    ("POST", "/v1/auth/users"): Act.USER_CREATE,
    ("POST", "/v1/auth/invites"): Act.USER_CREATE,
    ("GET", "/v1/auth/users/{user_id}"): Act.USER_READ,
    ("PATCH", "/v1/auth/users/{user_id}"): Act.USER_UPDATE,
    ("DELETE", "/v1/auth/users/{user_id}"): Act.USER_DELETE,
    ("GET", "/v1/auth/users/{user_id}/sessions"): Act.USER_READ,
    ("DELETE", "/v1/auth/users/{user_id}/sessions"): Act.USER_SIGN_OUT,
    ("POST", "/v1/auth/users/{user_id}/reset-factors"): Act.USER_RESET_FACTORS,
    ("POST", "/v1/auth/custom-token"): Act.USER_IMPERSONATE,
    # collections and documents
    ("GET", "/v1/collections"): Act.COLLECTION_READ,
    ("GET", "/v1/collections/{collection}"): Act.COLLECTION_READ,
    ("PUT", "/v1/collections/{collection}"): Act.COLLECTION_UPDATE,
    ("POST", "/v1/collections/{collection}/misfits"): Act.COLLECTION_CHECK,
    ("DELETE", "/v1/collections/{collection}"): Act.COLLECTION_DELETE,
    ("POST", "/v1/rules/test"): Act.RULE_TEST,
    ("GET", DATA): Act.DOCUMENT_READ,
    ("POST", DATA): Act.DOCUMENT_WRITE,
    ("POST", f"{DATA}/query"): Act.DOCUMENT_READ,
    ("POST", f"{DATA}/aggregate"): Act.DOCUMENT_READ,
    # `query` and `aggregate` are ids of documents, too
    **{(verb, f"{DATA}/{id}"): act for verb, act in DOCUMENT.items() for id in ("{id}", "query", "aggregate")},
    ("POST", "/v1/commit"): Act.DOCUMENT_WRITE,
    ("GET", "/v1/changes"): Act.CHANGE_READ,
    ("GET", "/v1/export"): Act.DOCUMENT_EXPORT,
    ("POST", "/v1/import"): Act.DOCUMENT_IMPORT,
}


def act_of(method: str, route: str) -> Act | None:
    """Return the act of a route. `route`: its path with placeholders. HEAD is the same act as GET."""
    found = ROUTE_ACTS.get((method, route))
    return ROUTE_ACTS.get(("GET", route)) if found is None and method == "HEAD" else found


def check_scopes(caller: Caller, method: str, route: str) -> None:
    """Check that the scopes of a caller allow a route. Raises: InsufficientScope.

    A scope for any collection is enough here: the room knows the collection.
    """
    act = act_of(method, route)
    if act is None:
        raise InsufficientScope("No scope allows this route: sign in, or use a secret key without scopes.")
    caller.check_scope(act, SOME_COLLECTION)
