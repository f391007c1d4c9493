"""Documents, queries and changes in the contract of Bundoc.

Documents cross this contract as JSON bytes with the system fields in front. Bundoc never parses a document to send it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from bunbase.contracts.caller import EndUser
from bunbase.contracts.storage_copies import FilesKey


class Written(msgspec.Struct, frozen=True):
    """`seq`: a state of the project that has this write, as `<epoch>.<number of the newest change>`.

    `replayed`: true if an earlier request with the same idempotency key did the write.
    """

    seq: str
    replayed: bool = False


class Document(msgspec.Struct, frozen=True):
    """`body`: the whole JSON object; `_id`, `_rev`, `_created` and `_updated` come first.

    `created`: true if this write created the document. `view`: empty if the caller sees all fields of the document,
    otherwise a hash of the fields that the caller sees. `written`: None if the document was only read.
    """

    id: str
    rev: int
    body: bytes
    created: bool = False
    view: str = ""
    written: Written | None = None


class Page(msgspec.Struct, frozen=True):
    """`body`: `{"items":[…],"next":…}` as JSON bytes."""

    body: bytes


class CommitResult(msgspec.Struct, frozen=True):
    """`rev`: the revision after the commit, 0 if there is no document."""

    id: str
    rev: int


class Commit(msgspec.Struct, frozen=True):
    """`seq`: the number of the project's newest change after the commit."""

    seq: int
    results: tuple[CommitResult, ...]


class DoneCommit(msgspec.Struct, frozen=True):
    """A commit, and the values in the headers of its answer."""

    commit: Commit
    written: Written


class ChangeEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """`op`: create, update or delete. `rev`: the new revision, or the last revision of a deleted document. `at`:
    RFC 3339.

    `depth`: the number of triggered function runs in a row that led to the change; left out if no run led to the
    change.
    `before`: the document before the change, as JSON with its system fields, if the collection keeps `before_images`;
    left out for a created document, and if the image is no longer kept.
    """

    seq: int
    op: str
    collection: str
    id: str
    rev: int
    at: str
    depth: int = 0
    before: bytes | None = None


class Changes(msgspec.Struct, frozen=True):
    """`next`: the `since` of the next request. `next` is never null, because more changes can always follow.

    There may be fewer items than `limit`, because images may end a page earlier.
    """

    items: tuple[ChangeEntry, ...]
    next: int


class Highlight(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How to show the matches of a search: an excerpt of `length` characters for each of the `fields`.

    `before` and `after` are put around each match. The text is escaped for HTML; `before` and `after` are not.
    """

    fields: tuple[str, ...]
    before: str = "<mark>"
    after: str = "</mark>"
    length: int = 120


class Query(msgspec.Struct, frozen=True):
    """`where`: a filter as JSON. `sort`: paths, with `-` in front for descending order. `select`: fields to return;
    None returns all.

    `score`, `highlight`: add the relevance, and excerpts with the matches, to each document that a `$search` finds.
    `expand`: dotted paths of fields with `x-ref`; the documents to which these fields refer are added to the result.
    `explain_as`: the end user for whom `explain` explains the query; None for a visitor who is not signed in; UNSET for
    the caller.
    """

    where: bytes | None = None
    sort: tuple[str, ...] = ()
    limit: int = 20
    cursor: str | None = None
    select: tuple[str, ...] | None = None
    count: bool = False
    explain: bool = False
    score: bool = False
    highlight: Highlight | None = None
    expand: tuple[str, ...] = ()
    explain_as: EndUser | UnsetType | None = UNSET


class Aggregation(msgspec.Struct, frozen=True):
    """`values`: a JSON object that maps each name to an operator, such as `{"$sum":path}` or `{"$count":true}`.

    `group`: the fields whose values define the groups; `{"$each":path}` and `{"$dateTrunc":{…}}` are objects.
    `sort`: names of group fields and values, with `-` in front for descending order. `limit`: the number of groups in a
    page. `explain`: also return the plan. `explain_as`: the same as in Query.
    """

    values: bytes
    where: bytes | None = None
    group: tuple[str | dict[str, Any], ...] = ()
    sort: tuple[str, ...] = ()
    limit: int | None = None
    cursor: str | None = None
    explain: bool = False
    explain_as: EndUser | UnsetType | None = UNSET


class StoredSize(msgspec.Struct, frozen=True):
    """The size of a project's documents on disk, and the time of the last write."""

    bytes: int
    written_at: datetime | None


class KeyState(msgspec.Struct, frozen=True):
    """The state of a project's data key. `version`: the version of the project's key in BunKMS that wraps the data key.

    `since`: the time of the first use of the data key, null for the first data key of a project. `progress`: the
    progress of a rotation, 0 to 1. `failed`: the error code if the last rotation failed; then the old data key is still
    in use. `files`: the state of the key of files; null if the project has no buckets. `rotating`, `progress` and
    `failed` are about both keys.
    """

    version: int
    since: str | None
    rotating: bool
    progress: float | None = None
    failed: str | None = None
    files: FilesKey | None = None


class Precondition(msgspec.Struct, frozen=True):
    """The condition of a write.

    `rev`: write only if this revision is stored (If-Match); 0 if there must be no document.

    `absent`: true to write only if there is no document (If-None-Match: *).
    """

    rev: int | None = None
    absent: bool = False


NO_PRECONDITION = Precondition()
