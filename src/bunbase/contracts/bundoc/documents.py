"""Bundoc: the document store.

Documents cross this contract as JSON bytes, system fields in front: they are never parsed on the way out.
"""

from __future__ import annotations

import msgspec


class Document(msgspec.Struct, frozen=True):
    """`body`: the whole JSON object, `_id`, `_rev`, `_created`, `_updated` first.

    `created`: true if this write created the document. `view`: a hash of the visible fields if the caller sees less of
    a revision than others; empty if the caller sees all.
    """

    id: str
    rev: int
    body: bytes
    created: bool = False
    view: str = ""


class Page(msgspec.Struct, frozen=True):
    """`body`: `{"items":[…],"next":…}` as JSON bytes."""

    body: bytes


class CommitResult(msgspec.Struct, frozen=True):
    """`rev`: the revision stored now, 0 if there is no document."""

    id: str
    rev: int


class Commit(msgspec.Struct, frozen=True):
    """`seq`: number of the project's newest change after the commit."""

    seq: int
    results: tuple[CommitResult, ...]


class ChangeEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """`op`: create, update or delete. `rev`: the new revision; for a delete, the last one. `at`: RFC 3339.

    `depth`: how many triggered runs of functions in a row led to it; left out if none did.
    """

    seq: int
    op: str
    collection: str
    id: str
    rev: int
    at: str
    depth: int = 0


class Changes(msgspec.Struct, frozen=True):
    """`next`: the `since` of the next request; it is never null, because more changes can follow."""

    items: tuple[ChangeEntry, ...]
    next: int


class Highlight(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Show the matches of a search: `length` characters of each field, with marks around each match. Between the marks
    and around them text is escaped for HTML; the marks are given as they are.
    """

    fields: tuple[str, ...]
    before: str = "<mark>"
    after: str = "</mark>"
    length: int = 120


class Query(msgspec.Struct, frozen=True):
    """`where`: a filter as JSON. `sort`: paths, with `-` in front for descending order. `select`: fields to return;
    None returns all.

    `score`, `highlight`: add relevance and matches to each document of a `$search`. `expand`: fields that refer,
    dotted, whose documents are to come along.
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


class Aggregation(msgspec.Struct, frozen=True):
    """`values`:

    JSON, for each name one of `{"$sum":path}`, `$avg`, `$min`, `$max`, `$countDistinct`, `{"$count":true}`.
    """

    values: bytes
    where: bytes | None = None
    group: tuple[str, ...] = ()


class KeyState(msgspec.Struct, frozen=True):
    """The state of a project's data key. `version`: version of the project's key in BunKMS under which it is wrapped.

    `since`: time of its first use, null for the first data key of a project. `progress`: of a rotation, 0 to 1;
    `failed`: the code of what ended the last rotation before its time; the old key is in use still.
    """

    version: int
    since: str | None
    rotating: bool
    progress: float | None = None
    failed: str | None = None


class Precondition(msgspec.Struct, frozen=True):
    """`rev`: only if this revision is stored (If-Match), 0: nothing; `absent`: only if none is (If-None-Match: *)."""

    rev: int | None = None
    absent: bool = False


NO_PRECONDITION = Precondition()
