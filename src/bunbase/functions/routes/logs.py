"""`/api/projects/{project}/functions/{name}/logs`: a page of lines, or lines as they come."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

from litestar import Request, get
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.response import Response, Stream

from bunbase.contracts.caller import Caller
from bunbase.contracts.functions import Functions, LogLine, LogPage
from bunbase.pkg.api_json import api_json
from bunbase.pkg.cursors import DEFAULT_LIMIT
from bunbase.pkg.errors import InvalidInput, Problem
from bunbase.pkg.http import Cursor, Injected, Limit

SSE: Final = "text/event-stream"
QUIET: Final = b": quiet\n\n"
LAST_EVENT_ID: Final = "last-event-id"
MAX_SEQ: Final = 2**63 - 1


@get(
    "/api/projects/{project:str}/functions/{name:str}/logs",
    summary="Read or follow a function's log",
    tags=["Functions"],
)
async def read_logs(
    member: Injected[Caller],
    functions: Injected[Functions],
    request: Request[Any, Any, Any],
    name: FromPath[str],
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
    invocation: Annotated[str | None, QueryParameter(max_length=64)] = None,
    follow: FromQuery[bool] = False,
    after: Annotated[int | None, QueryParameter(ge=0, le=MAX_SEQ)] = None,
) -> Response[LogPage] | Stream:
    """Newest first. `?follow=true` streams lines as server-sent events: those behind `after` or Last-Event-ID, else
    from now on; each event's id is the line's `seq`."""
    if not follow:
        return Response(await functions.logs(member, name, limit, cursor, invocation))
    lines = functions.follow_logs(member, name, _last_event_id(request) if after is None else after)
    first = await anext(lines)  # what is wrong with the request shows here, while it can be answered properly
    return Stream(_events(first, lines), media_type=SSE, headers={"cache-control": "no-store"})


def _last_event_id(request: Request[Any, Any, Any]) -> int | None:
    sent = request.headers.get(LAST_EVENT_ID, "")
    if not sent:
        return None
    if not sent.isascii() or not sent.isdigit() or int(sent) > MAX_SEQ:
        raise InvalidInput("Last-Event-ID is the id of the last event that was received.")
    return int(sent)


async def _events(first: LogLine | None, lines: AsyncIterator[LogLine | None]) -> AsyncIterator[bytes]:
    yield _event(first)
    try:
        async for line in lines:
            yield _event(line)
    except Problem:
        return  # the client comes back with Last-Event-ID, and is told then


def _event(line: LogLine | None) -> bytes:
    if line is None:
        return QUIET
    return b"id: %d\nevent: log\ndata: %b\n\n" % (line.seq, api_json(line))


ROUTES = (read_logs,)
