"""`ctx.data`: documents, through the same contract as the data routes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from bunbase.contracts.bundoc.documents import Aggregation, Precondition, Query
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.functions.host_calls.arguments import read
from bunbase.functions.host_calls.power import Power, caller_of
from bunbase.functions.workers.asks import Ask
from bunbase.pkg.cursors import DEFAULT_LIMIT

MAX_BODY_BYTES: Final = 10 << 20  # A commit has at most this size. Bundoc also limits each document in it.


class DocumentAddress(msgspec.Struct, frozen=True):
    """The arguments of a call. `power`: the kind of rights that the call uses.

    `if_rev`, `if_absent`: the precondition of a write.
    """

    power: Power = msgspec.field(default="project", name="as")
    collection: str = ""
    id: str = ""
    if_rev: int | None = None
    if_absent: bool = False

    @property
    def precondition(self) -> Precondition:
        return Precondition(self.if_rev, self.if_absent)


class PageOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    limit: int = DEFAULT_LIMIT
    cursor: str | None = None


class QueryOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    where: msgspec.Raw = msgspec.Raw(b"{}")
    sort: tuple[str, ...] = ()
    limit: int = DEFAULT_LIMIT
    cursor: str | None = None
    select: tuple[str, ...] | None = None
    count: bool = False
    explain: bool = False


class AggregateOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    values: msgspec.Raw
    where: msgspec.Raw = msgspec.Raw(b"{}")
    group: tuple[str | dict[str, Any], ...] = ()
    sort: tuple[str, ...] = ()
    limit: int | None = None
    cursor: str | None = None


async def get(bundoc: Bundoc, ask: Ask, at: DocumentAddress) -> bytes:
    return (await bundoc.get(caller_of(ask, at.power), at.collection, at.id)).body


async def list_page(bundoc: Bundoc, ask: Ask, at: DocumentAddress) -> bytes:
    options = read(await _body(ask), PageOptions)
    return (await bundoc.list(caller_of(ask, at.power), at.collection, options.limit, options.cursor)).body


async def query(bundoc: Bundoc, ask: Ask, at: DocumentAddress) -> bytes:
    asked = read(await _body(ask), QueryOptions)
    what = Query(
        bytes(asked.where),
        asked.sort,
        asked.limit,
        asked.cursor,
        asked.select,
        asked.count,
        asked.explain,
    )
    return (await bundoc.query(caller_of(ask, at.power), at.collection, what)).body


async def aggregate(bundoc: Bundoc, ask: Ask, at: DocumentAddress) -> bytes:
    asked = read(await _body(ask), AggregateOptions)
    what = Aggregation(bytes(asked.values), bytes(asked.where), asked.group, asked.sort, asked.limit, asked.cursor)
    return (await bundoc.aggregate(caller_of(ask, at.power), at.collection, what)).body


async def create(bundoc: Bundoc, ask: Ask, at: DocumentAddress) -> bytes:
    return (await bundoc.create(caller_of(ask, at.power), at.collection, await _body(ask))).body


async def put(bundoc: Bundoc, ask: Ask, at: DocumentAddress) -> bytes:
    caller = caller_of(ask, at.power)
    return (await bundoc.put(caller, at.collection, at.id, await _body(ask), at.precondition)).body


async def patch(bundoc: Bundoc, ask: Ask, at: DocumentAddress) -> bytes:
    caller = caller_of(ask, at.power)
    return (await bundoc.patch(caller, at.collection, at.id, await _body(ask), at.precondition)).body


async def delete(bundoc: Bundoc, ask: Ask, at: DocumentAddress) -> bytes:
    await bundoc.delete(caller_of(ask, at.power), at.collection, at.id, at.precondition)
    return b""


async def commit(bundoc: Bundoc, ask: Ask, at: DocumentAddress) -> bytes:
    return msgspec.json.encode((await bundoc.commit(caller_of(ask, at.power), await _body(ask))).commit)


async def _body(ask: Ask) -> bytes:
    return await ask.body(MAX_BODY_BYTES)


METHODS: Final[dict[str, Callable[[Bundoc, Ask, DocumentAddress], Awaitable[bytes]]]] = {
    "data.get": get,
    "data.list": list_page,
    "data.query": query,
    "data.aggregate": aggregate,
    "data.create": create,
    "data.put": put,
    "data.patch": patch,
    "data.delete": delete,
    "data.commit": commit,
}
