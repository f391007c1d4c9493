"""The table of permissions: the callers that each route serves. The route refuses all other callers.

A refusal is 401, 403, or 404 `project_not_found` or `organisation_not_found`. A personal token with the scope `read`
may use no route whose method writes; therefore the function `row` removes that caller from such routes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from bunbase.gateway.examples import SIGN_IN

NOBODY = "nobody"  # This caller sends no credentials.
PUBLISHABLE = "publishable key"
USER = "publishable key and a signed-in end user"
SECRET = "secret key"
OUTSIDER = "developer who is no member"
VIEWER, DEVELOPER, ADMIN, OWNER = "viewer", "developer", "admin", "owner"  # These are members, each with a session.
WRITER = "owner's personal token: read, write"
READER = "owner's personal token: read"
MANAGER = "owner's personal token: admin"
DEPLOYER = "owner's personal token: functions:deploy, logs:read"
ELSEWHERE = "owner's personal token: admin in another project"

REPORTER = "secret key: data:read, users:read"

KEYS: Final = {PUBLISHABLE, USER, SECRET}
OWNERS: Final = {OWNER, MANAGER}
ADMINISTRATORS: Final = {OWNER, MANAGER}  # These callers administrate the installation.
ADMINS: Final = OWNERS | {ADMIN}
DEVELOPERS: Final = ADMINS | {DEVELOPER, WRITER, READER}
VIEWERS: Final = DEVELOPERS | {VIEWER}
ACCOUNTS: Final = VIEWERS | {OUTSIDER}
# Live connections check the scopes of each message.
LISTENERS: Final = KEYS | VIEWERS | {DEPLOYER, REPORTER}
SIGNED_IN: Final = ACCOUNTS | {DEPLOYER, ELSEWHERE}
EVERYBODY: Final = KEYS | SIGNED_IN | {NOBODY, REPORTER}
SESSIONS: Final = {OUTSIDER, VIEWER, DEVELOPER, ADMIN, OWNER}
SERVERS: Final = {SECRET}

SIGN_IN_PASSWORD: Final = {"password": SIGN_IN["password"]}
OF_REPORTER: Final = {  # This key may use these routes, besides the routes for everybody.
    ("POST", "/v1/auth/signup"),
    ("POST", "/v1/auth/anonymous"),
    ("POST", "/v1/auth/signup/confirm"),
    ("POST", "/v1/auth/login"),
    ("POST", "/v1/auth/login/custom-token"),
    ("POST", "/v1/auth/login/enrolment"),
    ("POST", "/v1/auth/login/enrolment/confirm"),
    ("POST", "/v1/auth/login/passkey/options"),
    ("POST", "/v1/auth/login/passkey/verify"),
    ("POST", "/v1/auth/login/second-factor"),
    ("POST", "/v1/auth/refresh"),
    ("GET", "/v1/auth/providers"),
    ("GET", "/v1/auth/oauth/{provider}/start"),
    ("POST", "/v1/auth/oauth/exchange"),
    ("POST", "/v1/auth/password-reset"),
    ("POST", "/v1/auth/password-reset/confirm"),
    ("POST", "/v1/auth/email/confirm"),
    ("POST", "/v1/auth/code"),
    ("POST", "/v1/auth/login/code"),
    ("POST", "/v1/auth/login/phone"),
    ("POST", "/v1/auth/phone"),
    ("POST", "/v1/auth/link"),
    ("POST", "/v1/auth/login/link"),
    ("POST", "/v1/auth/verify-email"),
    ("POST", "/v1/auth/verify-email/confirm"),
    ("GET", "/v1/auth/users"),
    ("GET", "/v1/auth/users/export"),
    ("GET", "/v1/auth/users/{user_id}"),
    ("GET", "/v1/auth/users/{user_id}/activity"),
    ("GET", "/v1/auth/users/{user_id}/sessions"),
    ("GET", "/v1/auth/invites"),
    ("GET", "/v1/collections"),
    ("GET", "/v1/collections/{collection}"),
    ("GET", "/v1/data/{collection}"),
    ("GET", "/v1/data/{collection}/{id}"),
    ("POST", "/v1/data/{collection}/query"),
    ("POST", "/v1/data/{collection}/aggregate"),
    ("GET", "/v1/changes"),
    ("GET", "/v1/export"),
}

OPEN_ROOMS: Final = {"channels": {"rooms/{room}": {"rules": {"publish": "true"}}}}
NO_OBJECT: Final = {"from": {"bucket": "nothing", "key": "a"}, "to": {"bucket": "nothing", "key": "b"}}
READING: Final = ("GET", "HEAD", "OPTIONS")
READING_POSTS: Final = ("/query", "/aggregate", "/sign")
P: Final = "/api/projects/{project}"
ORG: Final = "/api/orgs/{org}"
FUNCTION: Final = f"{P}/functions/{{name}}"


@dataclass(frozen=True)
class Permission:
    """A row of the table.

    `query` is appended to the path. `body` replaces the example of the OpenAPI document. `fields` are the values of the
    placeholders in the path.
    """

    method: str
    route: str
    allowed: frozenset[str]
    query: str = ""
    body: dict[str, Any] | None = None
    fields: dict[str, str] = field(default_factory=dict)


def row(
    method: str, route: str, allowed: set[str], query: str = "", body: dict[str, Any] | None = None, **fields: str
) -> Permission:
    """Return a row of the table. A placeholder that `fields` does not name gets an invented value."""
    if method not in READING and not route.endswith(READING_POSTS) and allowed not in (EVERYBODY, LISTENERS):
        allowed = allowed - {READER}
    if (method, route) in OF_REPORTER:
        allowed = allowed | {REPORTER}
    return Permission(method, route, frozenset(allowed), query, body, fields)


PERMISSIONS: Final = (
    # The instance.
    row("GET", "/api/health", EVERYBODY),
    row("GET", "/api/ready", EVERYBODY),
    row("GET", "/api/instance", EVERYBODY),
    row("POST", "/rpc", EVERYBODY, body={"jsonrpc": "2.0", "id": 1, "method": "auth.verify", "params": {"token": ""}}),
    row("GET", "/.well-known/jwks.json", EVERYBODY),
    row("GET", "/.well-known/openid-configuration", EVERYBODY),
    row("GET", "/.well-known/oauth-authorization-server", EVERYBODY),
    # Accounts of developers.
    row("POST", "/api/auth/register", EVERYBODY),
    row("POST", "/api/auth/login", EVERYBODY),
    row("POST", "/api/auth/login/second-factor", EVERYBODY),
    row("POST", "/api/auth/login/passkey/options", EVERYBODY),
    row("POST", "/api/auth/login/passkey/verify", EVERYBODY),
    row("POST", "/api/auth/refresh", EVERYBODY, body={"refresh_token": "{refresh_token}"}),
    row("GET", "/api/auth/me", SIGNED_IN),
    row("POST", "/api/auth/register/confirm", EVERYBODY),
    row("POST", "/api/auth/device", EVERYBODY),
    row("POST", "/api/auth/device/token", EVERYBODY),
    row("POST", "/api/auth/device/approve", SESSIONS),
    row("POST", "/api/auth/device/deny", SESSIONS),
    row("POST", "/api/auth/password-reset", EVERYBODY),
    row("POST", "/api/auth/password-reset/confirm", EVERYBODY),
    row("POST", "/api/auth/verify-email", EVERYBODY),
    row("POST", "/api/auth/verify-email/confirm", EVERYBODY),
    row("POST", "/api/auth/email", SESSIONS),
    row("POST", "/api/auth/email/confirm", EVERYBODY),
    row("GET", "/api/auth/providers", EVERYBODY),
    row("GET", "/api/auth/oauth/{provider}/start", EVERYBODY, f"?redirect_to=/&code_challenge={'x' * 43}"),
    row("GET", "/api/auth/oauth/{provider}/callback", EVERYBODY),
    row("POST", "/api/auth/oauth/exchange", EVERYBODY),
    row("POST", "/api/auth/identities/link/{provider}", SESSIONS),
    row("GET", "/api/auth/identities", SESSIONS),
    row("DELETE", "/api/auth/identities/{identity_id}", SESSIONS),
    row("GET", "/api/invites", {OWNER}),  # the owner of the table is the installation's administrator
    row("POST", "/api/invites", {OWNER}),
    row("DELETE", "/api/invites/{invite_id}", {OWNER}),
    row("PATCH", "/api/auth/me", SESSIONS),
    row("POST", "/api/auth/password", SESSIONS, body=SIGN_IN_PASSWORD),
    row("POST", "/api/auth/reauthenticate", SESSIONS, body=SIGN_IN_PASSWORD),
    row("POST", "/api/auth/reauthenticate/options", SESSIONS),
    row("GET", "/api/auth/totp", SESSIONS),
    row("POST", "/api/auth/totp", SESSIONS),
    row("POST", "/api/auth/totp/confirm", SESSIONS),
    row("DELETE", "/api/auth/totp", SESSIONS),
    row("POST", "/api/auth/recovery-codes", SESSIONS),
    row("GET", "/api/auth/passkeys", SESSIONS),
    row("POST", "/api/auth/passkeys/options", SESSIONS),
    row("POST", "/api/auth/passkeys/register", SESSIONS),
    row("PATCH", "/api/auth/passkeys/{passkey_id}", SESSIONS),
    row("DELETE", "/api/auth/passkeys/{passkey_id}", SESSIONS),
    row("GET", "/api/auth/activity", SESSIONS),
    row("GET", "/api/auth/sessions", SESSIONS),
    row("DELETE", "/api/auth/sessions/{session_id}", SESSIONS),
    row("GET", "/api/auth/authorizations", SESSIONS),
    row("DELETE", "/api/auth/authorizations/{authorization_id}", SESSIONS),
    # The OpenID Provider.
    row("POST", "/oauth/token", EVERYBODY),  # these routes need the credentials of a client
    row("POST", "/oauth/revoke", EVERYBODY),
    row("POST", "/oauth/introspect", EVERYBODY),
    row("GET", "/oauth/userinfo", EVERYBODY),  # this route needs the token of a client, and checks the token itself
    row("POST", "/oauth/userinfo", EVERYBODY),
    row("GET", "/api/admin/oauth-clients", ADMINISTRATORS),
    row("POST", "/api/admin/oauth-clients", ADMINISTRATORS),
    row("POST", "/api/admin/oauth-clients/{oauth_client}/rotate", ADMINISTRATORS),
    row("DELETE", "/api/admin/oauth-clients/{oauth_client}", ADMINISTRATORS),
    row("GET", "/api/auth/tokens", ACCOUNTS),
    row("POST", "/api/auth/tokens", SESSIONS),
    row("DELETE", "/api/auth/tokens/{token_id}", ACCOUNTS),
    # The installation. The owner of the table is its administrator.
    row("GET", "/api/admin/audit", ADMINISTRATORS),
    row("GET", "/api/admin/audit/export", ADMINISTRATORS),
    row("GET", "/api/admin/accounts", ADMINISTRATORS),
    row("GET", "/api/admin/accounts/{account_id}", ADMINISTRATORS),
    row("PATCH", "/api/admin/accounts/{account_id}", ADMINISTRATORS),
    row("POST", "/api/admin/accounts/{account_id}/suspend", ADMINISTRATORS),
    row("POST", "/api/admin/accounts/{account_id}/resume", ADMINISTRATORS),
    row("POST", "/api/admin/accounts/{account_id}/reset-factors", {OWNER}),  # this route needs a session
    row("GET", "/api/admin/usage", ADMINISTRATORS),
    row("GET", "/api/admin/projects", ADMINISTRATORS),
    row("GET", "/api/admin/projects/{ref}", ADMINISTRATORS, ref="every-route"),
    row("POST", "/api/admin/projects/{ref}/suspend", ADMINISTRATORS, ref="every-route"),
    row("POST", "/api/admin/projects/{ref}/resume", ADMINISTRATORS, ref="every-route"),
    # Projects.
    row("GET", "/api/projects", ACCOUNTS),
    row("POST", "/api/projects", ACCOUNTS),
    row("GET", P, VIEWERS | {DEPLOYER, ELSEWHERE}),
    row("PATCH", P, ADMINS),
    row("DELETE", P, OWNERS, body={"confirm": "another project"}),
    row("POST", f"{P}/restore", OWNERS),
    row("POST", f"{P}/transfer", OWNERS, body={"org": "personal"}),
    # Members and invitations of the project.
    row("GET", f"{P}/members", VIEWERS),
    row("POST", f"{P}/members", ADMINS),
    row("PATCH", f"{P}/members/{{user}}", ADMINS),
    row("DELETE", f"{P}/members/{{user}}", ADMINS),
    row("GET", f"{P}/invites", ADMINS | {WRITER, READER}),
    row("POST", f"{P}/invites", ADMINS),
    row("POST", f"{P}/invites/{{invite_id}}/resend", ADMINS),
    row("DELETE", f"{P}/invites/{{invite_id}}", ADMINS),
    row("POST", "/api/invites/accept", ACCOUNTS),
    row("POST", "/api/invites/register", EVERYBODY),
    # An organisation, in which each member of the project has the same role.
    row("GET", "/api/orgs", ACCOUNTS),
    row("POST", "/api/orgs", ACCOUNTS),
    row("GET", ORG, VIEWERS),
    row("PATCH", ORG, ADMINS),
    row("DELETE", ORG, OWNERS, body={"confirm": "another organisation"}),
    row("GET", f"{ORG}/members", VIEWERS),
    row("PATCH", f"{ORG}/members/{{user}}", ADMINS),
    row("DELETE", f"{ORG}/members/{{user}}", ADMINS),
    row("GET", f"{ORG}/invites", ADMINS | {WRITER, READER}),
    row("POST", f"{ORG}/invites", ADMINS),
    row("POST", f"{ORG}/invites/{{invite_id}}/resend", ADMINS),
    row("DELETE", f"{ORG}/invites/{{invite_id}}", ADMINS),
    row("GET", f"{ORG}/audit", ADMINS | {WRITER, READER}),
    row("GET", f"{ORG}/audit/export", ADMINS | {WRITER, READER}),
    # Keys.
    row("GET", f"{P}/keys", VIEWERS),
    row("POST", f"{P}/keys", ADMINS),
    row("PATCH", f"{P}/keys/{{key_id}}", ADMINS),
    row("DELETE", f"{P}/keys/{{key_id}}", ADMINS),
    row("POST", f"{P}/keys/{{key_id}}/rotate", ADMINS),
    row("GET", f"{P}/service-accounts", VIEWERS),
    row("POST", f"{P}/service-accounts", ADMINS),
    row("DELETE", f"{P}/service-accounts/{{client_id}}", ADMINS),
    row("GET", f"{P}/storage/credentials", VIEWERS),
    row("POST", f"{P}/storage/credentials", ADMINS),
    row("DELETE", f"{P}/storage/credentials/{{access_key_id}}", ADMINS),
    row("POST", "/v1/auth/token", EVERYBODY),
    row("GET", f"{P}/audit", ADMINS | {WRITER, READER}),
    row("GET", f"{P}/audit/export", ADMINS | {WRITER, READER}),
    row("GET", f"{P}/data-key", VIEWERS),
    row("POST", f"{P}/data-key/rotate", ADMINS),
    # Backups.
    row("GET", f"{P}/backups", DEVELOPERS),
    row("POST", f"{P}/backups", DEVELOPERS),
    row("GET", f"{P}/backups/schedule", DEVELOPERS),
    row("PUT", f"{P}/backups/schedule", ADMINS),
    row("DELETE", f"{P}/backups/schedule", ADMINS),
    row("POST", f"{P}/backups/restore", ADMINS),
    row("POST", f"{P}/backups/restore", ADMINS, "?users=true"),
    row("GET", f"{P}/backups/jobs/{{job}}", DEVELOPERS),
    row("GET", f"{P}/backups/{{backup}}", DEVELOPERS),
    row("DELETE", f"{P}/backups/{{backup}}", ADMINS),
    row("POST", f"{P}/backups/{{backup}}/verify", DEVELOPERS),
    row("GET", f"{P}/export", DEVELOPERS),
    row("POST", f"{P}/import", DEVELOPERS, "?collection=posts&mode=skip"),
    # Functions, as their developers see them.
    row("GET", f"{P}/env", DEVELOPERS),
    row("GET", f"{P}/env", {ADMIN, OWNER}, "?reveal=true"),  # no personal token here has the scope `secrets`
    row("PUT", f"{P}/env/{{name}}", DEVELOPERS, name="PAYMENT_KEY"),
    row("DELETE", f"{P}/env/{{name}}", DEVELOPERS, name="PAYMENT_KEY"),
    row("GET", f"{P}/functions", VIEWERS | {DEPLOYER}),
    row("GET", FUNCTION, VIEWERS | {DEPLOYER}),
    row("PUT", FUNCTION, DEVELOPERS | {DEPLOYER}, name="deployed"),
    row("DELETE", FUNCTION, DEVELOPERS | {DEPLOYER}),
    row("GET", f"{FUNCTION}/versions", VIEWERS | {DEPLOYER}),
    row("GET", f"{FUNCTION}/versions/{{version}}/bundle", DEVELOPERS | {DEPLOYER}, version="1"),
    row("POST", f"{FUNCTION}/rollback", DEVELOPERS | {DEPLOYER}),
    row("GET", f"{FUNCTION}/logs", VIEWERS | {DEPLOYER}),
    row("GET", f"{FUNCTION}/runs", VIEWERS | {DEPLOYER}),
    row("GET", f"{FUNCTION}/stats", VIEWERS | {DEPLOYER}),
    row("GET", f"{P}/logs", VIEWERS | {DEPLOYER}),
    row("GET", f"{P}/usage", VIEWERS),
    row("GET", f"{P}/schedules", VIEWERS | {DEPLOYER}),
    row("GET", f"{P}/jobs", VIEWERS | {DEPLOYER}),
    row("POST", f"{P}/jobs", DEVELOPERS),
    row("GET", f"{P}/jobs/{{job_id}}", DEVELOPERS),
    row("POST", f"{P}/jobs/{{job_id}}/replay", DEVELOPERS),
    row("DELETE", f"{P}/jobs/{{job_id}}", DEVELOPERS),
    row("POST", "/v1/jobs", SERVERS),
    row("GET", f"{P}/walks", VIEWERS | {DEPLOYER}),
    row("POST", f"{P}/walks", DEVELOPERS | {DEPLOYER}),
    row("POST", f"{P}/walks/rehearsal", DEVELOPERS | {DEPLOYER}),
    row("GET", f"{P}/walks/{{walk_id}}", VIEWERS | {DEPLOYER}),
    row("PATCH", f"{P}/walks/{{walk_id}}", DEVELOPERS | {DEPLOYER}),
    # Calls of a function with `access: "key"`. tests/functions/boundary has the other three kinds of access.
    *(
        row(method, f"/v1/functions/{{name}}{below}", KEYS, name="called")
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
        for below in ("", "/{path}")
    ),
    # End users.
    row("GET", f"{P}/auth", DEVELOPERS),
    row("PATCH", f"{P}/auth", ADMINS),
    row("GET", f"{P}/auth/activity", VIEWERS),
    row("POST", f"{P}/auth/signing-keys/rotate", ADMINS),
    row("POST", "/v1/auth/signup", KEYS),
    row("POST", "/v1/auth/anonymous", KEYS),
    row("POST", "/v1/auth/signup/confirm", KEYS),
    row("POST", "/v1/auth/login", KEYS),
    row("POST", "/v1/auth/login/custom-token", KEYS, body={"token": "{custom_token}"}),
    row("POST", "/v1/auth/refresh", KEYS, body={"refresh_token": "{user_refresh_token}"}),
    row("GET", "/v1/auth/me", {USER}),
    row("PATCH", "/v1/auth/me", {USER}),
    row("GET", "/v1/auth/providers", KEYS),
    row("GET", "/v1/auth/oauth/{provider}/start", KEYS, f"?redirect_to=/&code_challenge={'x' * 43}"),
    row("GET", "/v1/auth/oauth/{provider}/callback", EVERYBODY),
    row("POST", "/v1/auth/oauth/exchange", KEYS),
    row("GET", "/v1/auth/identities", {USER}),
    row("POST", "/v1/auth/identities/link", {USER}),
    row("DELETE", "/v1/auth/identities/{identity_id}", {USER}),
    row("POST", "/v1/auth/password", {USER}),
    row("POST", "/v1/auth/password-reset", KEYS),
    row("POST", "/v1/auth/password-reset/confirm", KEYS),
    row("POST", "/v1/auth/email", {USER}),
    row("POST", "/v1/auth/email/confirm", KEYS),
    row("POST", "/v1/auth/code", KEYS),
    row("POST", "/v1/auth/login/code", KEYS),
    row("POST", "/v1/auth/login/phone", KEYS),
    row("POST", "/v1/auth/phone", KEYS),
    row("DELETE", "/v1/auth/phone", {USER}),
    row("POST", "/v1/auth/phone/change", {USER}),
    row("POST", "/v1/auth/phone/change/confirm", {USER}),
    row("POST", "/v1/auth/link", KEYS),
    row("POST", "/v1/auth/login/link", KEYS),
    row("POST", "/v1/auth/verify-email", KEYS),
    row("POST", "/v1/auth/verify-email/confirm", KEYS),
    row("POST", "/v1/auth/login/enrolment", KEYS),
    row("POST", "/v1/auth/login/enrolment/confirm", KEYS),
    row("POST", "/v1/auth/login/passkey/options", KEYS),
    row("POST", "/v1/auth/login/passkey/verify", KEYS),
    row("POST", "/v1/auth/login/second-factor", KEYS),
    row("GET", "/v1/auth/passkeys", {USER}),
    row("POST", "/v1/auth/passkeys/options", {USER}),
    row("POST", "/v1/auth/passkeys/register", {USER}),
    row("PATCH", "/v1/auth/passkeys/{passkey_id}", {USER}),
    row("DELETE", "/v1/auth/passkeys/{passkey_id}", {USER}),
    row("GET", "/v1/auth/totp", {USER}),
    row("POST", "/v1/auth/totp", {USER}),
    row("POST", "/v1/auth/totp/confirm", {USER}),
    row("DELETE", "/v1/auth/totp", {USER}),
    row("POST", "/v1/auth/recovery-codes", {USER}),
    row("POST", "/v1/auth/reauthenticate", {USER}),
    row("POST", "/v1/auth/reauthenticate/options", {USER}),
    row("GET", "/v1/auth/activity", {USER}),
    row("GET", "/v1/auth/sessions", {USER}),
    row("DELETE", "/v1/auth/sessions/{session_id}", {USER}),
    row("GET", "/v1/auth/jwks.json", EVERYBODY, "?project={project}"),
    row("GET", "/v1/auth/invites", SERVERS | VIEWERS),
    row("DELETE", "/v1/auth/invites/{invite_id}", SERVERS | DEVELOPERS),
    row("GET", "/v1/auth/users", SERVERS | VIEWERS),
    row("POST", "/v1/auth/users", SERVERS | DEVELOPERS),
    row("GET", "/v1/auth/users/export", SERVERS | DEVELOPERS),
    # Hashes of passwords are secrets, so a token or key needs the scope `secrets`.
    Permission("GET", "/v1/auth/users/export", frozenset(SERVERS | ADMINS - {MANAGER}), "?hashes=true"),
    row("POST", "/v1/auth/users/import", SERVERS | DEVELOPERS),
    row("GET", "/v1/auth/users/{user_id}", SERVERS | VIEWERS),
    row("PATCH", "/v1/auth/users/{user_id}", SERVERS | DEVELOPERS),
    row("DELETE", "/v1/auth/users/{user_id}", SERVERS | DEVELOPERS),
    row("GET", "/v1/auth/users/{user_id}/activity", SERVERS | VIEWERS),
    row("GET", "/v1/auth/users/{user_id}/sessions", SERVERS | VIEWERS),
    row("DELETE", "/v1/auth/users/{user_id}/sessions", SERVERS | DEVELOPERS),
    row("POST", "/v1/auth/users/{user_id}/reset-factors", SERVERS | DEVELOPERS),
    row("POST", "/v1/auth/users/bulk", SERVERS | DEVELOPERS),
    row("POST", "/v1/auth/users/{user_id}/links", SERVERS | DEVELOPERS),
    row("POST", "/v1/auth/users/{user_id}/impersonate", SERVERS | DEVELOPERS),
    row("POST", "/v1/auth/invites", SERVERS | DEVELOPERS),
    row("POST", "/v1/auth/custom-token", SERVERS | DEVELOPERS),
    # Collections.
    row("GET", "/v1/collections", SERVERS | VIEWERS),
    row("GET", "/v1/collections/{collection}", SERVERS | VIEWERS),
    row("PUT", "/v1/collections/{collection}", SERVERS | DEVELOPERS, collection="made"),
    row("POST", "/v1/collections/{collection}/misfits", SERVERS | DEVELOPERS),
    row("DELETE", "/v1/collections/{collection}", SERVERS | DEVELOPERS),
    row("POST", "/v1/rules/test", SERVERS | DEVELOPERS),
    # Documents of a collection whose rules allow everything.
    row("GET", "/v1/data/{collection}", KEYS | VIEWERS, collection="posts"),
    row("POST", "/v1/data/{collection}", KEYS | DEVELOPERS, collection="posts"),
    row("GET", "/v1/data/{collection}/{id}", KEYS | VIEWERS, collection="posts"),
    row("PUT", "/v1/data/{collection}/{id}", KEYS | DEVELOPERS, collection="posts"),
    row("PATCH", "/v1/data/{collection}/{id}", KEYS | DEVELOPERS, collection="posts"),
    row("DELETE", "/v1/data/{collection}/{id}", KEYS | DEVELOPERS, collection="posts"),
    row("POST", "/v1/data/{collection}/query", KEYS | VIEWERS, collection="posts"),
    row("POST", "/v1/data/{collection}/aggregate", KEYS | VIEWERS, collection="posts"),
    row("POST", "/v1/commit", KEYS | DEVELOPERS),
    row("GET", "/v1/changes", SERVERS | DEVELOPERS),
    row("GET", "/v1/live", EVERYBODY),  # the first message of the connection has the key
    row("POST", "/v1/live", LISTENERS),
    row("POST", "/v1/live/poll", LISTENERS),
    row("POST", "/v1/live/ticket", LISTENERS),
    row("POST", "/v1/live/{conn}", LISTENERS),
    row("GET", "/v1/export", SERVERS),
    row("POST", "/v1/import", SERVERS, "?collection=posts&mode=skip"),
    # Channels. The pattern `rooms/{room}` allows everybody to publish.
    row("GET", "/v1/channels", SERVERS | VIEWERS),
    row("PUT", "/v1/channels", SERVERS | DEVELOPERS, body=OPEN_ROOMS),
    row("POST", "/v1/channels/publish", KEYS | DEVELOPERS),
    # Files. The buckets and objects in these rows do not exist, so a caller who may use the route gets 404.
    row("GET", "/v1/storage/buckets", SERVERS | VIEWERS),
    row("POST", "/v1/storage/buckets", SERVERS | DEVELOPERS),
    row("GET", "/v1/storage/buckets/{bucket}", SERVERS | VIEWERS),
    row("PATCH", "/v1/storage/buckets/{bucket}", SERVERS | DEVELOPERS),
    row("DELETE", "/v1/storage/buckets/{bucket}", SERVERS | DEVELOPERS),
    row("GET", "/v1/storage/objects/{bucket}/{key}", KEYS | VIEWERS),
    row("PUT", "/v1/storage/objects/{bucket}/{key}", KEYS | DEVELOPERS),
    row("DELETE", "/v1/storage/objects/{bucket}/{key}", KEYS | DEVELOPERS),
    row("GET", "/v1/storage/list/{bucket}", KEYS | VIEWERS),
    row("POST", "/v1/storage/copy", KEYS | DEVELOPERS, body=NO_OBJECT),
    row("POST", "/v1/storage/move", KEYS | DEVELOPERS, body=NO_OBJECT),
    row("POST", "/v1/storage/delete", KEYS | DEVELOPERS, body={"bucket": "nothing", "keys": ["a"]}),
    row("POST", "/v1/storage/sign", SERVERS | DEVELOPERS),
    row("GET", "/v1/storage/usage", SERVERS | VIEWERS),
    # The same documents in a collection whose rules allow nothing.
    row("GET", "/v1/data/{collection}", SERVERS | VIEWERS, collection="closed"),
    row("POST", "/v1/data/{collection}", SERVERS | DEVELOPERS, collection="closed"),
    row("PUT", "/v1/data/{collection}/{id}", SERVERS | DEVELOPERS, collection="closed"),
    row("POST", "/v1/data/{collection}/query", SERVERS | VIEWERS, collection="closed"),
    row("POST", "/v1/data/{collection}/aggregate", SERVERS | VIEWERS, collection="closed"),
)

SIGN_OUTS: Final = (  # These routes are tested last, because they end the sessions of the callers.
    row("POST", "/api/auth/signing-keys/replace", {OWNER}),
    row("DELETE", "/api/auth/sessions", SESSIONS),
    row("POST", "/api/auth/logout", SESSIONS),
    row("DELETE", "/v1/auth/sessions", {USER}),
    row("POST", "/v1/auth/logout", {USER}),
    row("DELETE", "/v1/auth/me", {USER}),
    row("DELETE", "/api/auth/me", SESSIONS),
)
