"""Acts: everything that a caller can request, in one table, with the role and the scope that each act needs.

A room checks an act with `Caller.check`. The gateway knows the act of every route (`gateway/route_acts.py`): it refuses
tokens and keys whose scopes do not allow the act, and the audit log uses the name of the act.
`docs/reference/permissions.md` is generated from this table.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final, Self

from bunbase.contracts.roles import Role
from bunbase.contracts.scopes import ADMIN, IN_COLLECTION, READ, SECRETS, WRITE, allows

VIEWER, DEVELOPER, ADMINISTRATOR, OWNER = Role.VIEWER, Role.DEVELOPER, Role.ADMIN, Role.OWNER
ACCOUNT: Final = None  # acts outside of projects need no role: any signed-in developer may do them
ANY_SCOPE: Final = ""
SEES, CHANGES = False, True
SERVERS: Final = True


class Act(StrEnum):
    """An act. The value of an act is its stable name, `<object>.<verb>`, as in the audit log of GitHub.

    `role`: the least role that a member needs; None for acts outside of projects, which need only an account.
    `coarse`, `fine`: two scopes; a token or key with scopes needs one of them. `coarse` is "" if the act needs no
    scope, and `fine` is "" if no finer scope allows the act. `changes`: true if the act changes something. `servers`:
    true if a secret key may do the act too.
    """

    role: Role | None
    coarse: str
    fine: str
    changes: bool
    servers: bool

    def __new__(
        cls, name: str, role: Role | None, changes: bool, coarse: str, fine: str = "", servers: bool = False
    ) -> Self:
        act = str.__new__(cls, name)
        act._value_ = name
        act.role, act.changes, act.coarse, act.fine, act.servers = role, changes, coarse, fine, servers
        return act

    # accounts
    ACCOUNT_READ = "account.read", ACCOUNT, SEES, ANY_SCOPE
    ACCOUNT_UPDATE = "account.update", ACCOUNT, CHANGES, ADMIN
    ACCOUNT_CHANGE_PASSWORD = "account.change_password", ACCOUNT, CHANGES, ADMIN
    ACCOUNT_REAUTHENTICATE = "account.reauthenticate", ACCOUNT, CHANGES, ADMIN
    ACCOUNT_CHANGE_EMAIL = "account.change_email", ACCOUNT, CHANGES, ADMIN
    ACCOUNT_DELETE = "account.delete", ACCOUNT, CHANGES, ADMIN
    ACTIVITY_READ = "activity.read", ACCOUNT, SEES, ADMIN
    SESSION_READ = "session.read", ACCOUNT, SEES, ADMIN
    SESSION_END = "session.end", ACCOUNT, CHANGES, WRITE
    TOTP_READ = "totp.read", ACCOUNT, SEES, ADMIN
    TOTP_CREATE = "totp.create", ACCOUNT, CHANGES, ADMIN
    TOTP_CONFIRM = "totp.confirm", ACCOUNT, CHANGES, ADMIN
    TOTP_DELETE = "totp.delete", ACCOUNT, CHANGES, ADMIN
    RECOVERY_CODE_CREATE = "recovery_code.create", ACCOUNT, CHANGES, ADMIN
    PASSKEY_READ = "passkey.read", ACCOUNT, SEES, ADMIN
    # the caller gets the options for a new passkey, or for a proof with a passkey
    PASSKEY_BEGIN = "passkey.begin", ACCOUNT, SEES, ADMIN
    PASSKEY_CREATE = "passkey.create", ACCOUNT, CHANGES, ADMIN
    PASSKEY_UPDATE = "passkey.update", ACCOUNT, CHANGES, ADMIN
    PASSKEY_DELETE = "passkey.delete", ACCOUNT, CHANGES, ADMIN
    IDENTITY_READ = "identity.read", ACCOUNT, SEES, ADMIN
    # the caller gets a ticket with which a browser links an identity to the account
    IDENTITY_BEGIN = "identity.begin", ACCOUNT, SEES, ADMIN
    IDENTITY_LINK = "identity.link", ACCOUNT, CHANGES, ADMIN
    IDENTITY_DELETE = "identity.delete", ACCOUNT, CHANGES, ADMIN
    DEVICE_APPROVE = "device.approve", ACCOUNT, CHANGES, ADMIN
    DEVICE_DENY = "device.deny", ACCOUNT, CHANGES, ADMIN
    AUTHORIZATION_READ = "authorization.read", ACCOUNT, SEES, ADMIN
    # the developer allows the sign-in by an OpenID Connect client
    AUTHORIZATION_CREATE = "authorization.create", ACCOUNT, CHANGES, ADMIN
    AUTHORIZATION_DELETE = "authorization.delete", ACCOUNT, CHANGES, WRITE
    TOKEN_READ = "token.read", ACCOUNT, SEES, READ
    TOKEN_CREATE = "token.create", ACCOUNT, CHANGES, ADMIN
    TOKEN_DELETE = "token.delete", ACCOUNT, CHANGES, WRITE

    # organisations; the room also checks the role that the developer has in the organisation
    ORG_CREATE = "org.create", ACCOUNT, CHANGES, WRITE
    ORG_LIST = "org.list", ACCOUNT, SEES, READ
    ORG_READ = "org.read", ACCOUNT, SEES, READ
    ORG_UPDATE = "org.update", ACCOUNT, CHANGES, ADMIN
    ORG_DELETE = "org.delete", ACCOUNT, CHANGES, ADMIN
    ORG_MEMBER_READ = "org_member.read", ACCOUNT, SEES, READ
    ORG_MEMBER_UPDATE = "org_member.update", ACCOUNT, CHANGES, ADMIN
    ORG_MEMBER_REMOVE = "org_member.remove", ACCOUNT, CHANGES, ADMIN
    ORG_MEMBER_LEAVE = "org_member.leave", ACCOUNT, CHANGES, ADMIN
    ORG_INVITE_READ = "org_invite.read", ACCOUNT, SEES, READ
    ORG_INVITE_CREATE = "org_invite.create", ACCOUNT, CHANGES, ADMIN
    ORG_INVITE_RESEND = "org_invite.resend", ACCOUNT, CHANGES, ADMIN
    ORG_INVITE_DELETE = "org_invite.delete", ACCOUNT, CHANGES, ADMIN
    ORG_AUDIT_READ = "org_audit.read", ACCOUNT, SEES, READ
    # the caller accepts an invitation to a project or an organisation
    INVITE_ACCEPT = "invite.accept", ACCOUNT, CHANGES, WRITE

    # projects
    PROJECT_CREATE = "project.create", ACCOUNT, CHANGES, WRITE
    PROJECT_LIST = "project.list", ACCOUNT, SEES, READ
    PROJECT_READ = "project.read", VIEWER, SEES, ANY_SCOPE
    PROJECT_UPDATE = "project.update", ADMINISTRATOR, CHANGES, ADMIN, "settings"
    PROJECT_DELETE = "project.delete", OWNER, CHANGES, ADMIN
    PROJECT_RESTORE = "project.restore", OWNER, CHANGES, ADMIN
    PROJECT_TRANSFER = "project.transfer", OWNER, CHANGES, ADMIN
    MEMBER_READ = "member.read", VIEWER, SEES, READ
    MEMBER_ADD = "member.add", ADMINISTRATOR, CHANGES, ADMIN
    MEMBER_UPDATE = "member.update", ADMINISTRATOR, CHANGES, ADMIN
    MEMBER_REMOVE = "member.remove", ADMINISTRATOR, CHANGES, ADMIN
    MEMBER_LEAVE = "member.leave", VIEWER, CHANGES, ADMIN
    INVITE_READ = "invite.read", ADMINISTRATOR, SEES, READ
    INVITE_CREATE = "invite.create", ADMINISTRATOR, CHANGES, ADMIN
    INVITE_RESEND = "invite.resend", ADMINISTRATOR, CHANGES, ADMIN
    INVITE_DELETE = "invite.delete", ADMINISTRATOR, CHANGES, ADMIN
    KEY_READ = "key.read", VIEWER, SEES, READ
    KEY_CREATE = "key.create", ADMINISTRATOR, CHANGES, ADMIN
    KEY_UPDATE = "key.update", ADMINISTRATOR, CHANGES, ADMIN
    KEY_DELETE = "key.delete", ADMINISTRATOR, CHANGES, ADMIN
    KEY_ROTATE = "key.rotate", ADMINISTRATOR, CHANGES, ADMIN
    SERVICE_ACCOUNT_READ = "service_account.read", VIEWER, SEES, READ
    SERVICE_ACCOUNT_CREATE = "service_account.create", ADMINISTRATOR, CHANGES, ADMIN
    SERVICE_ACCOUNT_DELETE = "service_account.delete", ADMINISTRATOR, CHANGES, ADMIN
    S3_CREDENTIAL_READ = "s3_credential.read", VIEWER, SEES, READ
    S3_CREDENTIAL_CREATE = "s3_credential.create", ADMINISTRATOR, CHANGES, ADMIN
    S3_CREDENTIAL_DELETE = "s3_credential.delete", ADMINISTRATOR, CHANGES, ADMIN
    DATA_KEY_READ = "data_key.read", VIEWER, SEES, READ, "settings"
    DATA_KEY_ROTATE = "data_key.rotate", ADMINISTRATOR, CHANGES, ADMIN
    USAGE_READ = "usage.read", VIEWER, SEES, READ

    AUDIT_READ = "audit.read", ADMINISTRATOR, SEES, READ  # the audit log has emails and addresses of all members

    # acts of the administrators of the installation
    INSTALLATION_READ = "installation.read", ACCOUNT, SEES, ADMIN
    ACCOUNT_INVITE_READ = "account_invite.read", ACCOUNT, SEES, ADMIN
    ACCOUNT_INVITE_CREATE = "account_invite.create", ACCOUNT, CHANGES, ADMIN
    ACCOUNT_INVITE_DELETE = "account_invite.delete", ACCOUNT, CHANGES, ADMIN
    SIGNING_KEY_REPLACE = "signing_key.replace", ACCOUNT, CHANGES, ADMIN
    ACCOUNT_SUSPEND = "account.suspend", ACCOUNT, CHANGES, ADMIN
    ACCOUNT_RESUME = "account.resume", ACCOUNT, CHANGES, ADMIN
    ACCOUNT_SET_ROLE = "account.set_role", ACCOUNT, CHANGES, ADMIN
    ACCOUNT_RESET_FACTORS = "account.reset_factors", ACCOUNT, CHANGES, ADMIN
    OAUTH_CLIENT_CREATE = "oauth_client.create", ACCOUNT, CHANGES, ADMIN
    OAUTH_CLIENT_ROTATE = "oauth_client.rotate", ACCOUNT, CHANGES, ADMIN
    OAUTH_CLIENT_DELETE = "oauth_client.delete", ACCOUNT, CHANGES, ADMIN
    PROJECT_SUSPEND = "project.suspend", ACCOUNT, CHANGES, ADMIN
    PROJECT_RESUME = "project.resume", ACCOUNT, CHANGES, ADMIN
    PROJECT_INSPECT = "project.inspect", ACCOUNT, SEES, ADMIN  # an administrator who is not a member reads a project

    # backups
    BACKUP_READ = "backup.read", DEVELOPER, SEES, READ, "backups"
    BACKUP_CREATE = "backup.create", DEVELOPER, CHANGES, WRITE, "backups"
    BACKUP_VERIFY = "backup.verify", DEVELOPER, CHANGES, WRITE, "backups"
    BACKUP_SCHEDULE = "backup.schedule", ADMINISTRATOR, CHANGES, ADMIN, "backups"
    BACKUP_RESTORE = "backup.restore", ADMINISTRATOR, CHANGES, ADMIN
    BACKUP_RESTORE_USERS = "backup.restore_users", ADMINISTRATOR, CHANGES, ADMIN
    BACKUP_DELETE = "backup.delete", ADMINISTRATOR, CHANGES, ADMIN

    # functions
    FUNCTION_READ = "function.read", VIEWER, SEES, READ, "functions:deploy"
    FUNCTION_DOWNLOAD = "function.download", DEVELOPER, SEES, READ, "functions:deploy"
    FUNCTION_DEPLOY = "function.deploy", DEVELOPER, CHANGES, WRITE, "functions:deploy"
    FUNCTION_ROLLBACK = "function.rollback", DEVELOPER, CHANGES, WRITE, "functions:deploy"
    FUNCTION_DELETE = "function.delete", DEVELOPER, CHANGES, WRITE, "functions:deploy"
    FUNCTION_INVOKE = "function.invoke", DEVELOPER, CHANGES, WRITE, "functions:invoke", SERVERS
    LOG_READ = "log.read", VIEWER, SEES, READ, "logs:read"
    VARIABLE_READ = "variable.read", DEVELOPER, SEES, READ, "settings"
    VARIABLE_REVEAL = "variable.reveal", ADMINISTRATOR, SEES, SECRETS
    VARIABLE_SET = "variable.set", DEVELOPER, CHANGES, WRITE, "settings"
    VARIABLE_DELETE = "variable.delete", DEVELOPER, CHANGES, WRITE, "settings"
    SCHEDULE_READ = "schedule.read", VIEWER, SEES, READ, "logs:read"
    JOB_LIST = "job.list", VIEWER, SEES, READ, "logs:read"
    JOB_READ = "job.read", DEVELOPER, SEES, READ  # viewers may not, because a payload may contain secrets
    JOB_CREATE = "job.create", DEVELOPER, CHANGES, WRITE, "functions:invoke", SERVERS
    JOB_REPLAY = "job.replay", DEVELOPER, CHANGES, WRITE, "functions:invoke"
    JOB_DELETE = "job.delete", DEVELOPER, CHANGES, WRITE, "functions:invoke"
    WALK_READ = "walk.read", VIEWER, SEES, READ, "logs:read"
    WALK_CREATE = "walk.create", DEVELOPER, CHANGES, WRITE, "functions:deploy"
    # a change, because a rehearsal runs the function
    WALK_REHEARSE = "walk.rehearse", DEVELOPER, CHANGES, WRITE, "functions:deploy"
    WALK_UPDATE = "walk.update", DEVELOPER, CHANGES, WRITE, "functions:deploy"

    # end users
    AUTH_SETTINGS_READ = "auth_settings.read", DEVELOPER, SEES, READ, "settings"
    AUTH_SETTINGS_UPDATE = "auth_settings.update", ADMINISTRATOR, CHANGES, ADMIN, "settings"
    USER_KEYS_ROTATE = "user_keys.rotate", ADMINISTRATOR, CHANGES, ADMIN
    USER_READ = "user.read", VIEWER, SEES, READ, "users:read", SERVERS
    USER_CREATE = "user.create", DEVELOPER, CHANGES, WRITE, "users:write", SERVERS
    USER_INVITE_CREATE = "user_invite.create", DEVELOPER, CHANGES, WRITE, "users:write", SERVERS
    USER_INVITE_DELETE = "user_invite.delete", DEVELOPER, CHANGES, WRITE, "users:write", SERVERS
    USER_UPDATE = "user.update", DEVELOPER, CHANGES, WRITE, "users:write", SERVERS
    USER_DELETE = "user.delete", DEVELOPER, CHANGES, WRITE, "users:write", SERVERS
    USER_SIGN_OUT = "user.sign_out", DEVELOPER, CHANGES, WRITE, "users:write", SERVERS
    USER_RESET_FACTORS = "user.reset_factors", DEVELOPER, CHANGES, WRITE, "users:write", SERVERS
    USER_IMPORT = "user.import", DEVELOPER, CHANGES, WRITE, "users:write", SERVERS
    USER_EXPORT = "user.export", DEVELOPER, SEES, READ, "users:read", SERVERS
    USER_EXPORT_HASHES = "user.export_hashes", ADMINISTRATOR, SEES, SECRETS, "", SERVERS
    # one request bans, deletes or signs out many users
    USER_BULK = "user.bulk", DEVELOPER, CHANGES, WRITE, "users:write", SERVERS
    USER_LINK_CREATE = "user_link.create", DEVELOPER, CHANGES, WRITE, "users:write", SERVERS
    USER_IMPERSONATE = "user.impersonate", DEVELOPER, CHANGES, WRITE, "users:write", SERVERS
    # an end user signs in, or uses the own profile
    PROFILE_USE = "profile.use", DEVELOPER, CHANGES, ANY_SCOPE, "", SERVERS

    # collections and documents
    COLLECTION_READ = "collection.read", VIEWER, SEES, READ, "data:read", SERVERS
    COLLECTION_UPDATE = "collection.update", DEVELOPER, CHANGES, WRITE, "settings", SERVERS
    COLLECTION_DELETE = "collection.delete", DEVELOPER, CHANGES, WRITE, "settings", SERVERS
    COLLECTION_CHECK = "collection.check", DEVELOPER, SEES, WRITE, "settings", SERVERS
    RULE_TEST = "rule.test", DEVELOPER, SEES, WRITE, "settings", SERVERS
    DOCUMENT_READ = "document.read", VIEWER, SEES, READ, "data:read", SERVERS
    DOCUMENT_WRITE = "document.write", DEVELOPER, CHANGES, WRITE, "data:write", SERVERS
    DOCUMENT_EXPORT = "document.export", DEVELOPER, SEES, READ, "data:read", SERVERS
    DOCUMENT_IMPORT = "document.import", DEVELOPER, CHANGES, WRITE, "data:write", SERVERS
    CHANGE_READ = "change.read", DEVELOPER, SEES, READ, "data:read", SERVERS

    # channels
    CHANNEL_READ = "channel.read", VIEWER, SEES, READ, "settings", SERVERS
    CHANNEL_UPDATE = "channel.update", DEVELOPER, CHANGES, WRITE, "settings", SERVERS
    CHANNEL_SUBSCRIBE = "channel.subscribe", VIEWER, SEES, READ, "live", SERVERS  # join a channel
    CHANNEL_PUBLISH = "channel.publish", DEVELOPER, CHANGES, WRITE, "live", SERVERS

    # files
    BUCKET_READ = "bucket.read", VIEWER, SEES, READ, "settings", SERVERS
    BUCKET_CREATE = "bucket.create", DEVELOPER, CHANGES, WRITE, "settings", SERVERS
    BUCKET_UPDATE = "bucket.update", DEVELOPER, CHANGES, WRITE, "settings", SERVERS
    BUCKET_DELETE = "bucket.delete", DEVELOPER, CHANGES, WRITE, "settings", SERVERS
    OBJECT_READ = "object.read", VIEWER, SEES, READ, "files:read", SERVERS
    OBJECT_WRITE = "object.write", DEVELOPER, CHANGES, WRITE, "files:write", SERVERS
    # a link for an upload also needs object.write
    OBJECT_SIGN = "object.sign", DEVELOPER, SEES, READ, "files:read", SERVERS


OF_ADMINISTRATORS: Final = frozenset(
    {
        Act.INSTALLATION_READ,
        Act.ACCOUNT_INVITE_READ,
        Act.ACCOUNT_INVITE_CREATE,
        Act.ACCOUNT_INVITE_DELETE,
        Act.SIGNING_KEY_REPLACE,
        Act.ACCOUNT_SUSPEND,
        Act.ACCOUNT_RESUME,
        Act.ACCOUNT_SET_ROLE,
        Act.ACCOUNT_RESET_FACTORS,
        Act.OAUTH_CLIENT_CREATE,
        Act.OAUTH_CLIENT_ROTATE,
        Act.OAUTH_CLIENT_DELETE,
        Act.PROJECT_SUSPEND,
        Act.PROJECT_RESUME,
        Act.PROJECT_INSPECT,
    }
)

# personal access tokens may not do these acts, because the acts change the account itself, or would let an intruder
# keep access
OF_SESSIONS: Final = frozenset(
    {
        Act.ACCOUNT_UPDATE,
        Act.ACCOUNT_CHANGE_PASSWORD,
        Act.ACCOUNT_REAUTHENTICATE,
        Act.ACCOUNT_CHANGE_EMAIL,
        Act.ACCOUNT_DELETE,
        Act.ACTIVITY_READ,
        Act.SESSION_READ,
        Act.SESSION_END,
        Act.TOTP_READ,
        Act.TOTP_CREATE,
        Act.TOTP_CONFIRM,
        Act.TOTP_DELETE,
        Act.RECOVERY_CODE_CREATE,
        Act.PASSKEY_READ,
        Act.PASSKEY_BEGIN,
        Act.PASSKEY_CREATE,
        Act.PASSKEY_UPDATE,
        Act.PASSKEY_DELETE,
        Act.IDENTITY_READ,
        Act.IDENTITY_BEGIN,
        Act.IDENTITY_LINK,
        Act.IDENTITY_DELETE,
        Act.DEVICE_APPROVE,
        Act.DEVICE_DENY,
        Act.AUTHORIZATION_READ,
        Act.AUTHORIZATION_CREATE,
        Act.AUTHORIZATION_DELETE,
        Act.TOKEN_CREATE,
        Act.ACCOUNT_INVITE_READ,
        Act.ACCOUNT_INVITE_CREATE,
        Act.ACCOUNT_INVITE_DELETE,
        Act.SIGNING_KEY_REPLACE,
        Act.ACCOUNT_RESET_FACTORS,
    }
)


def within(narrower: Iterable[str], scopes: tuple[str, ...]) -> bool:
    """True if `scopes` allow every act that `narrower` allows."""
    return all(scope in scopes or _is_covered(scope, scopes) for scope in narrower)


def _is_covered(scope: str, scopes: tuple[str, ...]) -> bool:
    """True if `scope` allows at least one act, and `scopes` allow every act that `scope` allows."""
    named = IN_COLLECTION.fullmatch(scope)
    collection = named[1] if named else ""
    acts = [act for act in Act if act.coarse and allows((scope,), act.coarse, act.fine, collection)]
    return bool(acts) and all(allows(scopes, act.coarse, act.fine, collection) for act in acts)
