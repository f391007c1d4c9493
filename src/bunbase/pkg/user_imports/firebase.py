"""Users of Firebase Authentication, as `firebase auth:export` writes them.

Formats: https://firebase.google.com/docs/cli/auth#file_format. The command exports only the identities of Google,
Facebook, Twitter and GitHub, and no second factors. A JSON file of the Admin SDK with more providers is read too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from bunbase.pkg.user_imports.lines import (
    CannotRead,
    Line,
    Record,
    identity,
    line_of,
    milliseconds,
    object_in,
    role_in,
    truth,
)

CSV_PROVIDERS: Final = (("google.com", 7), ("facebook.com", 11), ("twitter.com", 15), ("github.com", 19))
NO_SERVICE: Final = ("password", "phone", "anonymous", "custom")
FIELD: Final = re.compile(r"(\w+)\s*:\s*([^\s,}]+)")


class HashConfig(msgspec.Struct, frozen=True):
    """The parameters of a project's password hashes: Firebase console → Authentication → Users → ⋮."""

    base64_signer_key: str
    base64_salt_separator: str
    rounds: int
    mem_cost: int


def read_config(text: str) -> HashConfig:
    """Read the parameters as the console shows them (`hash_config {…}`), or as JSON. Raises: CannotRead."""
    fields: dict[str, Any] = dict(FIELD.findall(text.replace('"', "")))
    if fields.get("algorithm", "SCRYPT") != "SCRYPT":
        raise CannotRead(f"The algorithm {fields['algorithm']} is not Firebase's SCRYPT.")
    try:
        return msgspec.convert(fields, HashConfig, strict=False)
    except msgspec.ValidationError as error:
        raise CannotRead(
            "The hash parameters of Firebase have base64_signer_key, base64_salt_separator, rounds and mem_cost; "
            f"copy them from the console: {error}."
        ) from None


def from_json(record: Record, config: HashConfig | None = None) -> Line:
    """Return the line of one of the `users` in a JSON file. Raises: CannotRead."""
    services = [one for one in record.get("providerUserInfo") or () if one.get("providerId") not in NO_SERVICE]
    phone = record.get("phoneNumber")
    role, claims = role_in(object_in(record.get("customAttributes") or record.get("customClaims")))
    return line_of(
        id=record.get("localId") or record.get("uid"),
        email=record.get("email"),
        email_verified=truth(record.get("emailVerified")),
        phone=phone,
        phone_verified=bool(phone),  # all numbers in Firebase are verified
        name=record.get("displayName"),
        password_hash=_hash(record.get("passwordHash"), record.get("salt") or record.get("passwordSalt"), config),
        role=role,
        claims=claims,
        data=line_of(photo_url=record.get("photoUrl")),
        banned=truth(record.get("disabled")) or None,  # None leaves a ban that was made here unchanged
        created_at=milliseconds(record.get("createdAt")),
        last_sign_in_at=milliseconds(record.get("lastSignedInAt") or record.get("lastLoginAt")),
        identities=[identity(one["providerId"], one.get("rawId"), one.get("email")) for one in services],
    )


def from_csv(row: Sequence[str], config: HashConfig | None = None) -> Line:
    """Return the line of a row of a CSV file, which has 28 columns and no header. Raises: CannotRead."""
    if len(row) < 27:
        raise CannotRead(f"A row of Firebase's CSV has 28 columns; this one has {len(row)}.")
    names = ("localId", "email", "emailVerified", "passwordHash", "salt", "displayName", "photoUrl")
    later = ("createdAt", "lastSignedInAt", "phoneNumber", "disabled", "customAttributes")
    record: dict[str, Any] = dict(zip(names, row, strict=False)) | dict(zip(later, row[23:28], strict=False))
    record["providerUserInfo"] = [
        {"providerId": name, "rawId": row[at], "email": row[at + 1]} for name, at in CSV_PROVIDERS if row[at]
    ]
    return from_json(record, config)


def _hash(hash: str | None, salt: str | None, config: HashConfig | None) -> Line | None:
    if not hash:
        return None
    if config is None:
        raise CannotRead("The file has hashes of passwords: name the hash parameters of the project (--hash-config).")
    return {
        "scheme": "firebase-scrypt",
        "hash": _normal(hash),
        "salt": _normal(salt or ""),
        "signer_key": config.base64_signer_key,
        "salt_separator": config.base64_salt_separator,
        "rounds": config.rounds,
        "mem_cost": config.mem_cost,
    }


def _normal(text: str) -> str:
    """Return base64 with the usual alphabet. The API of Firebase, unlike its command, writes the URL-safe alphabet."""
    return text.replace("-", "+").replace("_", "/")
