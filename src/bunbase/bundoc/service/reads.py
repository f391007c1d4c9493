"""Read documents: one document, lists, queries, aggregates and the change log."""

from __future__ import annotations

from functools import partial
from typing import Final

import msgspec

from bunbase.bundoc.counted import counted
from bunbase.bundoc.documents import (
    STATE,
    Lookup,
    StoredDocument,
    check_collection,
    check_id,
    document,
    with_system_fields,
)
from bunbase.bundoc.engine import Engine
from bunbase.bundoc.permissions.access import FOR_SERVERS, Access, check_access
from bunbase.bundoc.permissions.callers import as_user
from bunbase.bundoc.permissions.reading import missing, read_document
from bunbase.bundoc.reading.expanding import expanded, expansions, with_expanded
from bunbase.bundoc.reading.first_queries import FirstQueries
from bunbase.bundoc.reading.querying import aggregated_page, queried
from bunbase.bundoc.service.rights import CallerRights
from bunbase.contracts.bundoc.documents import Aggregation, Changes, Document, Page, Query
from bunbase.contracts.bundoc.problems import NotYet, RuleDenied
from bunbase.contracts.caller import Act, Caller
from bunbase.pkg.context import seconds_left
from bunbase.pkg.cursors import MAX_LIMIT, decode_cursor, encode_cursor
from bunbase.pkg.errors import InvalidInput

MAX_WAIT_SECONDS: Final = 30.0
AT_LEAST_SECONDS: Final = 2.0  # A read waits this long for the state that the caller asks for.
ANSWER_SECONDS: Final = 2.0  # This part of a call's deadline is reserved for sending the answer.


class ReadService:
    """The reading methods of Bundoc's contract."""

    def __init__(self, engine: Engine, rights: CallerRights, read_seconds: float) -> None:
        self.engine = engine
        self.rights = rights
        self.first_queries = FirstQueries(engine, read_seconds)

    async def get(
        self, caller: Caller, collection: str, id: str, expand: tuple[str, ...] = (), at_least: str = ""
    ) -> Document:
        with counted("get"):
            bound = check_access(caller, Act.DOCUMENT_READ, collection)
            check_collection(collection)
            check_id(id)
            if at_least:
                await self._reach(caller.project, at_least)
            if bound:
                stored = await self.rights.decided(caller, collection, partial(_read, id))
            elif (found := await self.engine.get(caller.project, collection, id)) is not None:
                stored = found
            else:
                raise missing(collection, id)
            return document(stored) if not expand else await self._with_expanded(caller, collection, stored, expand)

    async def list(self, caller: Caller, collection: str, limit: int, cursor: str | None, at_least: str = "") -> Page:
        with counted("list"):
            bound = check_access(caller, Act.DOCUMENT_READ, collection)
            check_collection(collection)
            check_limit(limit)
            if at_least:
                await self._reach(caller.project, at_least)
            await self.rights.check_created(caller, collection)
            if bound:
                return await self._queried(caller, collection, Query(limit=limit, cursor=cursor))
            query = f"list {collection} by _id"
            after = decode_cursor(query, cursor, str) if cursor is not None else ""
            chunk = await self.engine.page(caller.project, collection, after, limit)
            next = encode_cursor(query, chunk.items[-1].id) if chunk.more else None
            items = b",".join([with_system_fields(stored) for stored in chunk.items])
            return Page(b'{"items":[' + items + b'],"next":' + msgspec.json.encode(next) + b"}")

    async def query(self, caller: Caller, collection: str, query: Query, at_least: str = "") -> Page:
        with counted("query"):
            check_access(caller, Act.DOCUMENT_READ, collection)
            check_collection(collection)
            check_limit(query.limit)
            if at_least:
                await self._reach(caller.project, at_least)
            await self.rights.check_created(caller, collection)
            return await self._queried(as_user(caller, query), collection, query)

    async def aggregate(self, caller: Caller, collection: str, aggregation: Aggregation, at_least: str = "") -> Page:
        with counted("aggregate"):
            # The scopes belong to the caller itself, and not to the user in `as`.
            check_access(caller, Act.DOCUMENT_READ, collection)
            asker = as_user(caller, aggregation)
            if at_least:
                await self._reach(caller.project, at_least)
            check_collection(collection)
            access, budgets = await self.rights.limits(asker, collection)
            await self.rights.check_created(caller, collection)
            try:
                return await aggregated_page(self.engine, caller.project, collection, aggregation, budgets, access)
            except RuleDenied as denied:
                raise self.rights.hinted(denied, asker) from None

    async def changes(self, caller: Caller, since: int, limit: int, wait_seconds: float) -> Changes:
        with counted("changes"):
            if check_access(caller, Act.CHANGE_READ, ""):
                raise RuleDenied(FOR_SERVERS)
            _check_changes(since, wait_seconds)
            check_limit(limit)
            seconds = min(wait_seconds, max(0.0, seconds_left(MAX_WAIT_SECONDS + ANSWER_SECONDS) - ANSWER_SECONDS))
            return await self.engine.changes(caller.project, since, limit, seconds)

    async def _queried(self, caller: Caller, collection: str, query: Query) -> Page:
        access, budgets = await self.rights.limits(caller, collection)
        if access is not None and self.rights.dev:
            await self.first_queries.note(caller.project, collection, access.rules)
        visible = partial(self.rights.visible_to, caller)
        try:
            return await queried(self.engine, caller.project, collection, query, budgets, access, visible)
        except RuleDenied as denied:
            raise self.rights.hinted(denied, caller) from None

    async def _with_expanded(
        self, caller: Caller, collection: str, stored: StoredDocument, paths: tuple[str, ...]
    ) -> Document:
        wanted = await expansions(self.engine, caller.project, collection, paths)
        whole = with_system_fields(stored)
        (beside,) = await expanded(self.engine, caller.project, [whole], wanted, self.rights.visible_to(caller))
        return Document(stored.id, stored.rev, with_expanded(whole, beside))

    async def _reach(self, project: str, at_least: str) -> None:
        """Wait until reads see the state that the caller asks for. Raises: NotYet, InvalidInput."""
        asked = STATE.fullmatch(at_least)
        if asked is None:
            message = "Send the value of X-Bunbase-Seq of an earlier answer, unchanged."
            raise InvalidInput.at("X-Bunbase-At-Least", message)
        epoch, seq = asked[1], int(asked[2])
        now = await self.engine.reached(project, epoch, seq, AT_LEAST_SECONDS)
        there, _, last = now.partition(".")
        if there != epoch:
            raise NotYet(
                "This state is from before a backup of the project was restored, and will not come back. Send the "
                "request without X-Bunbase-At-Least.",
                seq=now,
            )
        if int(last) < seq:
            raise NotYet("The change that you ask for has not arrived here. Try again.", seq=now, retry_after_seconds=1)


def _read(id: str, access: Access, lookup: Lookup) -> StoredDocument:
    return read_document(access, id, lookup)


def _check_changes(since: int, wait_seconds: float) -> None:
    if not 0 <= since < 1 << 63:
        message = "since must be the seq of the last change that you have read, or 0."
        raise InvalidInput.at("since", message)
    if not 0 <= wait_seconds <= MAX_WAIT_SECONDS:
        raise InvalidInput.at("wait_seconds", f"wait_seconds must be from 0 to {MAX_WAIT_SECONDS:g}.")


def check_limit(limit: int) -> None:
    """Check the number of items in a page. Raises: InvalidInput."""
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidInput.at("/limit", f"limit must be from 1 to {MAX_LIMIT}.")
