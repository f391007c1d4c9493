"""The document routes that are called most often. Both lanes of the gateway call these functions.

Both lanes stop a list or a query when the client disconnects: the ordinary lane with `while_connected`, the fast lane
with `reads`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from bunbase.bundoc.routes.preconditions import etag, precondition, unchanged
from bunbase.bundoc.routes.sent_queries import QUERYING, named, read_query
from bunbase.contracts.bundoc.documents import Document, Precondition, Query, Written
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.caller import Caller
from bunbase.contracts.fast_routes import Answer, FastRequest, FastRoute
from bunbase.pkg.cursors import DEFAULT_LIMIT, MAX_CURSOR
from bunbase.pkg.idempotency import REPLAYED, sent_key
from bunbase.pkg.media import JSON, check_json

MERGE_PATCH: Final = "application/merge-patch+json"

SEQ: Final = "x-bunbase-seq"
AT_LEAST: Final = "x-bunbase-at-least"
COLLECTION: Final = "/v1/data/{collection}"
DOCUMENT: Final = "/v1/data/{collection}/{id}"
FLAG: Final = re.compile("true|false")
NAMES: Final = re.compile(r"[A-Za-z0-9_.,-]{1,2048}")
LIST_QUERY: Final = {
    "limit": re.compile(r"[1-9][0-9]?|[1-4][0-9]{2}|500"),
    "cursor": re.compile(f"[A-Za-z0-9_.=-]{{1,{MAX_CURSOR}}}"),
    "where": re.compile(r"[ -~]{1,8192}"),
    "sort": NAMES,
    "select": NAMES,
    "expand": NAMES,
    "count": FLAG,
    "explain": FLAG,
    "score": FLAG,
}


async def create(bundoc: Bundoc, caller: Caller, asked: FastRequest) -> Answer:
    check_media(asked, JSON)
    (collection,) = asked.names
    made = await bundoc.create(caller, collection, asked.body, sent_key(asked.headers))
    return _whole(made, ("location", f"/v1/data/{collection}/{made.id}"))


async def list_page(bundoc: Bundoc, caller: Caller, asked: FastRequest) -> Answer:
    (collection,) = asked.names
    sent = asked.query
    limit, cursor = int(sent.get("limit", DEFAULT_LIMIT)), sent.get("cursor")
    if not QUERYING & sent.keys():
        page = await bundoc.list(caller, collection, limit, cursor, _at_least(asked))
    else:
        page = await bundoc.query(caller, collection, _query(sent, limit, cursor), _at_least(asked))
    return Answer(200, (), page.body, JSON)


async def query(bundoc: Bundoc, caller: Caller, asked: FastRequest) -> Answer:
    check_media(asked, JSON)
    (collection,) = asked.names
    page = await bundoc.query(caller, collection, read_query(asked.body), _at_least(asked))
    return Answer(200, (), page.body, JSON)


async def get(bundoc: Bundoc, caller: Caller, asked: FastRequest) -> Answer:
    collection, id = asked.names
    found = await bundoc.get(caller, collection, id, (), _at_least(asked))
    tag = (("etag", etag(found)),)
    known = asked.headers.get("if-none-match")
    if known is not None and unchanged(known, tag[0][1]):
        return Answer(304, tag)
    return Answer(200, tag, found.body, JSON)


async def put(bundoc: Bundoc, caller: Caller, asked: FastRequest) -> Answer:
    check_media(asked, JSON)
    collection, id = asked.names
    written = await bundoc.put(caller, collection, id, asked.body, _when(asked), sent_key(asked.headers))
    return _whole(written, ("location", f"/v1/data/{collection}/{id}")) if written.created else _whole(written)


async def patch(bundoc: Bundoc, caller: Caller, asked: FastRequest) -> Answer:
    check_media(asked, JSON, MERGE_PATCH)
    collection, id = asked.names
    return _whole(await bundoc.patch(caller, collection, id, asked.body, _when(asked), sent_key(asked.headers)))


async def delete(bundoc: Bundoc, caller: Caller, asked: FastRequest) -> Answer:
    collection, id = asked.names
    written = await bundoc.delete(caller, collection, id, _when(asked), sent_key(asked.headers))
    return Answer(204, receipt(written))


def _query(sent: Mapping[str, str], limit: int, cursor: str | None) -> Query:
    where = sent.get("where")
    return Query(
        where=None if where is None else where.encode(),
        sort=named(sent.get("sort")) or (),
        limit=limit,
        cursor=cursor,
        select=named(sent.get("select")),
        count=sent.get("count") == "true",
        explain=sent.get("explain") == "true",
        score=sent.get("score") == "true",
        expand=named(sent.get("expand")) or (),
    )


def _whole(document: Document, *headers: tuple[str, str]) -> Answer:
    if document.written is None:
        return Answer(200, (("etag", etag(document)), *headers), document.body, JSON)
    headers = (("etag", etag(document)), *headers, *receipt(document.written))
    return Answer(201 if document.created else 200, headers, document.body, JSON)


def receipt(written: Written) -> tuple[tuple[str, str], ...]:
    """Return the headers that every answer to a write has."""
    return ((SEQ, written.seq), (REPLAYED, "true")) if written.replayed else ((SEQ, written.seq),)


def _at_least(asked: FastRequest) -> str:
    return asked.headers.get(AT_LEAST, "")


def _when(asked: FastRequest) -> Precondition:
    return precondition(asked.headers.get("if-match"), asked.headers.get("if-none-match"))


def check_media(asked: FastRequest, *accepted: str) -> None:
    """Check the content type of a request. Raises: UnsupportedMedia."""
    check_json(asked.headers.get("content-type", ""), "origin" in asked.headers, accepted)


FAST_ROUTES: Final = (
    FastRoute("GET", DOCUMENT, get, reads=True),
    FastRoute("GET", COLLECTION, list_page, LIST_QUERY, reads=True),
    FastRoute("POST", f"{COLLECTION}/query", query, reads=True),
    FastRoute("POST", COLLECTION, create),
    FastRoute("PUT", DOCUMENT, put),
    FastRoute("PATCH", DOCUMENT, patch),
    FastRoute("DELETE", DOCUMENT, delete),
)
