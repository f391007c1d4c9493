"""The values of an act that the audit log shows.

Only the fields in SHOWN ever reach the log. A new field of a body or an answer is therefore left out until somebody
adds it here. So no secret can enter the log by mistake. Documents are never shown: only their ids, revisions and
the names of the fields in the request.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from bunbase.contracts.acts import Act

SHOWN: Final[Mapping[Act, tuple[str, ...]]] = {
    Act.ACCOUNT_UPDATE: ("name", "avatar_url"),
    Act.ACCOUNT_SET_ROLE: ("role", "email"),
    Act.ACCOUNT_SUSPEND: ("email",),
    Act.ACCOUNT_RESUME: ("email",),
    Act.PASSKEY_CREATE: ("name", "synced"),
    Act.PASSKEY_UPDATE: ("name",),
    Act.TOKEN_CREATE: ("name", "scopes", "expires_at"),
    Act.PROJECT_CREATE: ("name", "slug"),
    Act.PROJECT_UPDATE: ("name",),
    Act.PROJECT_DELETE: ("now",),
    Act.PROJECT_TRANSFER: ("org",),
    Act.MEMBER_ADD: ("role", "email"),
    Act.MEMBER_UPDATE: ("role",),
    Act.INVITE_CREATE: ("email", "role"),
    Act.INVITE_RESEND: ("email", "role"),
    Act.INVITE_ACCEPT: ("role", "already_member"),
    Act.ORG_CREATE: ("name", "slug"),
    Act.ORG_UPDATE: ("name",),
    Act.ORG_MEMBER_UPDATE: ("role",),
    Act.ORG_INVITE_CREATE: ("email", "role"),
    Act.ORG_INVITE_RESEND: ("email", "role"),
    Act.ACCOUNT_INVITE_CREATE: ("email", "role"),
    Act.OAUTH_CLIENT_CREATE: ("name", "kind", "redirect_uris", "first_party"),
    Act.OAUTH_CLIENT_ROTATE: ("name", "rotated_at"),
    Act.KEY_CREATE: ("kind", "name", "hint", "scopes", "origins", "expires_at"),
    Act.KEY_UPDATE: ("name", "scopes", "origins", "allow_browser"),
    Act.KEY_ROTATE: ("id", "name", "hint", "grace_seconds"),
    Act.SERVICE_ACCOUNT_CREATE: ("name", "scopes"),
    Act.S3_CREDENTIAL_CREATE: ("name", "access", "buckets"),
    Act.DATA_KEY_ROTATE: ("version",),
    Act.BACKUP_SCHEDULE: ("every_hours", "kept", "users"),
    Act.BACKUP_RESTORE: ("backup", "from_project"),
    Act.BACKUP_RESTORE_USERS: ("backup", "from_project"),
    Act.FUNCTION_DEPLOY: ("version", "sha256", "size"),
    Act.FUNCTION_ROLLBACK: ("version",),
    Act.VARIABLE_SET: ("exposed",),
    Act.JOB_CREATE: ("function",),
    Act.AUTH_SETTINGS_UPDATE: ("signups", "enumeration", "second_factor", "redirect_urls", "secrets", "version"),
    Act.USER_CREATE: ("role", "email_verified"),
    Act.USER_INVITE_CREATE: ("email", "role"),
    Act.USER_UPDATE: ("role", "email_verified", "banned", "banned_until"),
    Act.USER_IMPORT: ("imported", "updated", "skipped", "failed"),
    Act.USER_BULK: ("action", "filter", "done", "digest"),
    Act.USER_IMPERSONATE: ("uid", "reason", "session"),
    Act.USER_LINK_CREATE: ("kind", "expires_at"),
    Act.COLLECTION_UPDATE: ("rules", "strict", "expires", "before_images", "max_scan"),
    Act.CHANNEL_UPDATE: ("channels",),
    Act.BUCKET_CREATE: ("name", "public", "rules"),
    Act.BUCKET_UPDATE: ("public", "rules"),
    Act.DOCUMENT_IMPORT: ("created", "updated", "skipped", "failed"),
}
MAX_NAMES: Final = 50  # At most this many field names are shown for one document.
MAX_WRITES: Final = 50  # At most this many writes are shown for one commit.
OPS: Final = {"POST": "create", "PUT": "put", "PATCH": "patch", "DELETE": "delete"}

Fields = dict[str, Any]


def shown_values(act: Act, method: str, sent: bytes, answer: bytes) -> Fields | None:
    """Return the values to show after an act that was done, or None. `sent`, `answer`: the two bodies, b"" if unknown.

    A field of the answer takes precedence over the same field of the request.
    """
    if act is Act.DOCUMENT_WRITE:
        return _document_writes(method, sent, answer)
    names = SHOWN.get(act)
    if names is None:
        return None
    both = {**object_in(sent), **_with_address(object_in(answer))}
    return {name: both[name] for name in names if name in both} or None


def _with_address(answer: Fields) -> Fields:
    """Return an answer with the address of a member as a field.

    In the answer itself, the object `user` has the address.
    """
    user = answer.get("user")
    return {"email": user["email"], **answer} if isinstance(user, dict) and "email" in user else answer


def object_in(body: bytes) -> Fields:
    """Return the JSON object in a body, or {} if the body has another form."""
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}


def _document_writes(method: str, sent: bytes, answer: bytes) -> Fields:
    writes = object_in(sent).get("writes") if "results" in (after := object_in(answer)) else None
    if not isinstance(writes, list):
        rev = {"rev": after["_rev"]} if "_rev" in after else {}
        return {"op": OPS.get(method, method.lower()), **rev, **_names(object_in(sent))}
    results = [one for one in after["results"] if isinstance(one, dict)]
    listed = [_commit_write(write, result) for write, result in zip(writes, results, strict=False)]
    return {"op": "commit", "count": len(listed), "writes": listed[:MAX_WRITES]}


def _commit_write(write: Any, result: Fields) -> Fields:
    if not isinstance(write, dict):
        return {}
    named = {name: str(write.get(name, ""))[:64] for name in ("op", "collection")}
    data = write.get("data")
    return {**named, "id": result.get("id"), "rev": result.get("rev"), **_names(data if isinstance(data, dict) else {})}


def _names(document: Fields) -> Fields:
    """Return the names of the fields in a document or a patch, and of the fields inside operators such as `$set`."""
    names: list[str] = []
    for name, value in document.items():
        inside = value if name.startswith("$") and isinstance(value, dict) else (name,)
        names += [str(one).partition(".")[0] for one in inside if not str(one).startswith("_")]
    return {"fields": [name[:64] for name in dict.fromkeys(names)][:MAX_NAMES]} if names else {}
