"""Users of PocketBase: records of an auth collection (`users`), and of `_externalAuths`.

    since 0.23: password, tokenKey, email, emailVisibility, verified; _externalAuths with recordRef
    before:     passwordHash, tokenKey, username, email, verified, lastResetSentAt; _externalAuths with recordId

The API of PocketBase never shows hashes, so they come from the database file. Fields that the developer has added
become the user's data.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bunbase.pkg.user_imports.lines import CannotRead, Line, Record, identity, line_of, moment, truth

# These fields become part of neither the line nor the data: secrets, and fields that only PocketBase needs.
OWN: Final = frozenset(
    [
        "id",
        "password",
        "passwordHash",
        "tokenKey",
        "email",
        "emailVisibility",
        "verified",
        "name",
        "created",
        "updated",
        "collectionId",
        "collectionName",
        "lastResetSentAt",
        "lastVerificationSentAt",
        "lastLoginAlertSentAt",
        "expand",
    ]
)
HASH: Final = "$2"


def from_record(record: Record, externals: Sequence[Record] = ()) -> Line:
    """Return the line of a user. `externals`: the records of this user in `_externalAuths`. Raises: CannotRead."""
    if not record.get("id"):
        raise CannotRead("A record of PocketBase has an id.")
    hash = str(record.get("passwordHash") or record.get("password") or "")
    services = [one for one in externals if one.get("provider") and one.get("providerId")]
    return line_of(
        id=record["id"],
        email=record.get("email"),
        email_verified=truth(record.get("verified")) and bool(record.get("email")),
        name=record.get("name"),
        password_hash=hash if hash.startswith(HASH) else None,
        data={name: value for name, value in record.items() if name not in OWN and value not in (None, "")},
        created_at=moment(record.get("created")),
        identities=[identity(str(one["provider"]), one["providerId"]) for one in services],
    )
