"""Import and export of a project's users, as lines of JSON."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final, Protocol

import msgspec
from msgspec import UNSET, UnsetType

from bunbase.contracts.caller import Caller
from bunbase.pkg.ndjson import ExportPart, ImportLine, RefusedLine
from bunbase.pkg.sent_texts import Email

MAX_IMPORT_LINES: Final = 500  # one call may have at most this number of lines
MAX_LISTED_ERRORS: Final = 1000  # the answer to one request lists at most this number of errors
MAX_LINE_IDENTITIES: Final = 20

Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class OnConflict(StrEnum):
    """The treatment of a line whose user is in the project already."""

    SKIP = "skip"  # the user stays as it is
    ERROR = "error"  # the line is refused
    UPDATE = "update"  # the user gets the fields of the line


class ScryptParts(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="scheme", tag="scrypt"):
    """`n`: the cost N itself, a power of two. `salt`, `hash`: the values in base64."""

    salt: str
    hash: str
    n: int
    r: int = 8
    p: int = 1


class FirebaseParts(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="scheme", tag="firebase-scrypt"):
    """The names are the names in Firebase's console. All texts are in base64."""

    salt: str
    hash: str
    signer_key: str
    salt_separator: str
    rounds: int
    mem_cost: int


class Pbkdf2Parts(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="scheme", tag="pbkdf2"):
    """`digest`: sha1, sha256 or sha512. `salt`, `hash`: the values in base64."""

    salt: str
    hash: str
    iterations: int
    digest: str = "sha256"


class LineIdentity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A person of another service that may sign in as the user.

    `provider`: the name of the service in the project's settings. `subject`: the id that the service has for the
    person.
    """

    provider: str
    subject: str
    email: str | None = None


class UserLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One user in one line. Every field may be left out, but a line has an id, an address, a phone or an identity.

    `password_hash`: a text such as `$2a$10$…`, or an object with the parts. `banned_until`: null for a ban without end.
    An export has all fields, but `password_hash` only if the request asks for hashes.
    """

    id: str | UnsetType = UNSET
    email: Email | UnsetType | None = UNSET
    email_verified: bool | UnsetType = UNSET
    phone: str | UnsetType | None = UNSET
    phone_verified: bool | UnsetType = UNSET
    name: str | UnsetType = UNSET
    language: str | UnsetType = UNSET
    password_hash: str | ScryptParts | FirebaseParts | Pbkdf2Parts | UnsetType | None = UNSET
    role: str | UnsetType = UNSET
    claims: dict[str, Any] | UnsetType = UNSET
    data: dict[str, Any] | UnsetType = UNSET
    anonymous: bool | UnsetType = UNSET
    banned: bool | UnsetType = UNSET
    banned_until: Moment | UnsetType | None = UNSET
    created_at: Moment | UnsetType = UNSET
    last_sign_in_at: Moment | UnsetType | None = UNSET
    password_changed_at: Moment | UnsetType | None = UNSET
    identities: Annotated[tuple[LineIdentity, ...], msgspec.Meta(max_length=MAX_LINE_IDENTITIES)] = ()


class ImportChoices(msgspec.Struct, frozen=True):
    """`dry_run`: check the lines, and write nothing."""

    on_conflict: OnConflict = OnConflict.SKIP
    dry_run: bool = False


class ImportedUsers(msgspec.Struct, frozen=True):
    """`errors`: the first 1,000 refused lines.

    `last_line`: the number of the last processed line; all lines before it have been processed too.
    """

    imported: int = 0
    updated: int = 0
    skipped: int = 0
    failed: int = 0
    last_line: int = 0
    errors: tuple[RefusedLine, ...] = ()


class UserTransfers(Protocol):
    """The interface for the secret key and for members of the project: the role developer may import and export users,
    and the role admin may also export the hashes of passwords.
    """

    async def import_users(
        self, caller: Caller, choices: ImportChoices, lines: tuple[ImportLine, ...]
    ) -> ImportedUsers:
        """Add the user in each line, or update an existing user. All lines of a call are written together.

        No mail is sent, and no function runs. An error in one line does not stop the import.
        Raises: Forbidden, TooManyUsers, InvalidInput if there are too many lines.
        """
        ...

    def export_users(self, caller: Caller, hashes: bool, after: str) -> AsyncIterator[ExportPart]:
        """Yield the users whose id sorts after `after`, as UserLines, ordered by id.

        `hashes`: true for lines with the hashes of passwords. Each user has the state at the time when its page was
        read. Raises: Forbidden.
        """
        ...
