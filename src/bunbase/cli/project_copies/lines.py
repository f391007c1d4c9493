"""The lines of an exported project. Each line is one JSON object; docs/backups.md describes the file.

{"bunbase_export":1,"bunbase":"…","project":"prj_…","slug":"shop","created_at":"…","users":true}
{"define":"posts","settings":{"schema":…,"indexes":[…],"rules":{…}}}
{"user":{"id":"usr_…",…}}
{"collection":"posts","document":{"_id":"first",…}}
{"bucket":{"name":"photos",…}}
{"object":{"bucket":"photos","key":"a.jpg","size":3,"etag":"…",…}}
{"bytes":"…"}
{"end":{"collections":1,"documents":1,"users":1,"buckets":1,"objects":1}}

The content of an object follows it: lines with at most PIECE_BYTES in base64. A file without `"files":true` in its
first line has the format 1, which older versions read too.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from bunbase.cli.plans.comparing import FLAGS, own_indexes
from bunbase.contracts.bundoc.collections import Collection, CollectionSpec
from bunbase.contracts.storage import NewBucket

FORMAT: Final = 2  # the version of the file's format; a command reads its own version and all earlier ones
MAX_LINE_BYTES: Final = (2 << 20) + 4096  # the largest body of a document, and the JSON object around it
FORMAT_WITHOUT_FILES: Final = 1
PIECE_BYTES: Final = 768 << 10  # of an object in one line: 1 MiB in base64
# for each setting, the value that means "not set"; None for all settings that are not listed here
EMPTY: Final[dict[str, Any]] = {"indexes": (), **dict.fromkeys(FLAGS, False)}


class Header(msgspec.Struct, frozen=True):
    """The first line. `users`: the file contains users, with the hashes of their passwords. `files`: the file contains
    buckets and objects.
    """

    bunbase_export: int
    bunbase: str = ""
    project: str = ""
    slug: str = ""
    created_at: str = ""
    users: bool = False
    files: bool = False


class Counts(msgspec.Struct, frozen=True):
    collections: int = 0
    documents: int = 0
    users: int = 0
    buckets: int = 0
    objects: int = 0


class ObjectLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """An object. `etag`: the MD5 of its content. `owner`: the id of a user, or null."""

    bucket: str
    key: str
    size: int
    etag: str
    content_type: str = ""
    cache_control: str = ""
    metadata: dict[str, str] = {}
    owner: str | None = None


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line after the first line.

    It has either `define` with `settings`, `user`, `collection` with `document`, `bucket`, `object`, `bytes` or `end`.

    `user`, `document`: the unchanged text, so that a number keeps every digit.
    """

    define: str | UnsetType = UNSET
    settings: CollectionSpec | UnsetType = UNSET
    user: msgspec.Raw | UnsetType = UNSET
    collection: str | UnsetType = UNSET
    document: msgspec.Raw | UnsetType = UNSET
    bucket: NewBucket | UnsetType = UNSET
    object: ObjectLine | UnsetType = UNSET
    bytes: str | UnsetType = UNSET
    end: Counts | UnsetType = UNSET


class DocumentId(msgspec.Struct, frozen=True):
    id: str = msgspec.field(name="_id")


class UserId(msgspec.Struct, frozen=True):
    id: str


read_header: Final = msgspec.json.Decoder(Header).decode
read_json_line: Final = msgspec.json.Decoder(Line).decode
read_document_id: Final = msgspec.json.Decoder(DocumentId).decode
read_user_id: Final = msgspec.json.Decoder(UserId).decode


def settings_of(now: Collection) -> CollectionSpec:
    """Return the settings that a collection has; all other settings are UNSET."""
    found: dict[str, Any] = {name: getattr(now, name, None) for name in CollectionSpec.__struct_fields__}
    found["indexes"] = tuple(own_indexes(now))
    kept: dict[str, Any] = {name: value for name, value in found.items() if value not in (None, (), False)}
    return CollectionSpec(**kept)


def whole(settings: CollectionSpec) -> CollectionSpec:
    """Return settings that also reset everything that `settings` does not name."""
    values = {name: getattr(settings, name) for name in CollectionSpec.__struct_fields__}
    every: dict[str, Any] = {name: EMPTY.get(name) if value is UNSET else value for name, value in values.items()}
    return CollectionSpec(**every)


def json_line(value: object) -> bytes:
    return msgspec.json.encode(value) + b"\n"
