"""Reads the next documents of a walk, in the order of their ids."""

from __future__ import annotations

from typing import Final

import msgspec

from bunbase.contracts.bundoc.documents import Query
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.caller import Caller
from bunbase.functions.store.walks import HeldWalk

BATCH: Final = 100
READ_AGAIN: Final = 50  # One query has at most this many ids.


class Document(msgspec.Struct, frozen=True):
    """A stored document. `body`: the whole JSON object."""

    id: str
    rev: int
    created: str
    body: bytes


class NextDocuments(msgspec.Struct, frozen=True):
    """The documents of a batch, and the position at which the walk continues afterwards."""

    documents: tuple[Document, ...]
    cursor: str | None
    exhausted: bool
    retries: tuple[str, ...]


class _DocumentPage(msgspec.Struct, frozen=True):
    items: tuple[msgspec.Raw, ...]
    next: str | None


class _System(msgspec.Struct, frozen=True, rename={"id": "_id", "rev": "_rev", "created": "_created"}):
    id: str
    rev: int
    created: str


async def next_documents(bundoc: Bundoc, caller: Caller, walk: HeldWalk) -> NextDocuments:
    """Return the documents that must be visited again. If there are none, return the next page.

    Raises: the problems of `Bundoc.list`.
    """
    if walk.retries:
        ids, rest = walk.retries[:READ_AGAIN], walk.retries[READ_AGAIN:]
        found = await documents_of(bundoc, caller, walk.collection, ids)
        return NextDocuments(found, walk.cursor, walk.exhausted, rest)
    if walk.exhausted:
        return NextDocuments((), None, True, ())
    documents, cursor = await page(bundoc, caller, walk.collection, walk.cursor)
    return NextDocuments(documents, cursor, cursor is None, ())


async def page(
    bundoc: Bundoc, caller: Caller, collection: str, cursor: str | None
) -> tuple[tuple[Document, ...], str | None]:
    """Return the next documents, and the cursor after them."""
    read = _read((await bundoc.list(caller, collection, BATCH, cursor)).body)
    return tuple(_document(one) for one in read.items), read.next


async def documents_of(bundoc: Bundoc, caller: Caller, collection: str, ids: tuple[str, ...]) -> tuple[Document, ...]:
    """Return the documents with these ids that still exist."""
    where, found, cursor = msgspec.json.encode({"_id": {"$in": ids}}), list[Document](), None
    while True:  # A page with large documents may contain fewer documents than its limit.
        query = Query(where, limit=READ_AGAIN, cursor=cursor)
        read = _read((await bundoc.query(caller, collection, query)).body)
        found += [_document(one) for one in read.items]
        if (cursor := read.next) is None:
            return tuple(found)


def _read(body: bytes) -> _DocumentPage:
    return msgspec.json.decode(body, type=_DocumentPage)


def _document(raw: msgspec.Raw) -> Document:
    system = msgspec.json.decode(raw, type=_System)
    return Document(system.id, system.rev, system.created, bytes(raw))
