"""The policy of the audit log. The policy decides which acts of a caller have an entry, and which acts the server does
even if it cannot write the log.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from bunbase.contracts.acts import Act
from bunbase.contracts.caller import Caller, CallerKind

# These acts change nothing, but show secrets, all documents or all users.
SENSITIVE_READS: Final = frozenset(
    {
        Act.VARIABLE_REVEAL,
        Act.DOCUMENT_EXPORT,
        Act.FUNCTION_DOWNLOAD,
        Act.USER_EXPORT,
        Act.USER_EXPORT_HASHES,
    }
)

# These acts of a secret key are the daily work of a server, and not the administration of the project.
DAILY_WORK: Final = frozenset(
    {Act.DOCUMENT_WRITE, Act.FUNCTION_INVOKE, Act.JOB_CREATE, Act.PROFILE_USE, Act.CHANNEL_PUBLISH, Act.OBJECT_WRITE}
)

# These acts take access away. If the log cannot be written, it would be more dangerous to refuse them.
ALWAYS_DONE: Final = frozenset(
    {
        Act.SESSION_END,
        Act.DEVICE_DENY,
        Act.SIGNING_KEY_REPLACE,
        Act.AUTHORIZATION_DELETE,
        Act.OAUTH_CLIENT_DELETE,
        Act.TOKEN_DELETE,
        Act.MEMBER_REMOVE,
        Act.MEMBER_LEAVE,
        Act.INVITE_DELETE,
        Act.ORG_MEMBER_REMOVE,
        Act.ORG_MEMBER_LEAVE,
        Act.ORG_INVITE_DELETE,
        Act.ACCOUNT_INVITE_DELETE,
        Act.KEY_DELETE,
        Act.SERVICE_ACCOUNT_DELETE,
        Act.S3_CREDENTIAL_DELETE,
        Act.USER_INVITE_DELETE,
        Act.USER_KEYS_ROTATE,
        Act.USER_SIGN_OUT,
        Act.ACCOUNT_SUSPEND,
        Act.PROJECT_SUSPEND,
    }
)


def is_audited(caller: Caller, act: Act) -> bool:
    """True if this act of this caller has an entry in the audit log. Acts of end users never have one."""
    if caller.inspects:
        return True
    match caller.kind:
        case CallerKind.DEVELOPER:
            return act.changes or act in SENSITIVE_READS
        case CallerKind.SECRET:
            return (act.changes or act in SENSITIVE_READS) and act not in DAILY_WORK
        case _:
            return False


LEAVING: Final = {Act.MEMBER_REMOVE: Act.MEMBER_LEAVE, Act.ORG_MEMBER_REMOVE: Act.ORG_MEMBER_LEAVE}


def refined(act: Act, caller: Caller, path: Mapping[str, Any], asked: Collection[str]) -> Act:
    """Return the act of a request whose parameters need more rights, or fewer rights, than the act of its route.

    `path`: the parameters in the path. `asked`: the names of the parameters in the query.
    """
    if act is Act.VARIABLE_READ and "reveal" in asked:
        return Act.VARIABLE_REVEAL
    if act is Act.USER_EXPORT and "hashes" in asked:
        return Act.USER_EXPORT_HASHES
    if act is Act.BACKUP_RESTORE and "users" in asked:
        return Act.BACKUP_RESTORE_USERS
    leaves = act in LEAVING and caller.developer is not None and path.get("user") == caller.developer.id
    return LEAVING[act] if leaves else act
