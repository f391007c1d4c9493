"""`/api/projects/{project}/logs` and `…/functions/{name}/logs`: pages of lines, or a stream of new lines."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final

from litestar import Request, get
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIResponse, OpenAPIType, Operation, Schema
from litestar.params import FromQuery, QueryParameter
from litestar.response import Response, Stream

from bunbase.contracts.caller import Caller
from bunbase.contracts.functions.logs import LogFilter, LogLevel, LogLine, LogPage
from bunbase.contracts.functions.service import Functions
from bunbase.functions.routes.path_parameters import FunctionName
from bunbase.pkg.api_json import api_json
from bunbase.pkg.closing_stream import ClosingStream
from bunbase.pkg.connected import until_stopping
from bunbase.pkg.cursors import DEFAULT_LIMIT
from bunbase.pkg.errors import InvalidInput, Problem
from bunbase.pkg.http import Cursor, Injected, Limit
from bunbase.pkg.http1.incoming import incoming
from bunbase.pkg.moments import EXAMPLE, read_moment
from bunbase.pkg.numbers import whole_number
from bunbase.pkg.openapi import answers
from bunbase.pkg.sent_texts import TIME

SSE: Final = "text/event-stream"
QUIET: Final = b": quiet\n\n"
LAST_EVENT_ID: Final = "last-event-id"
MAX_SEQ: Final = 2**63 - 1


Level = Annotated[LogLevel | None, QueryParameter(description="Only lines of this level or a more severe level.")]
Text = Annotated[
    str,
    QueryParameter(max_length=256, description="Only lines that contain this text. Upper and lower case are equal."),
]
Since = Annotated[
    str | None,
    QueryParameter(
        schema_extra=TIME,
        description="Only lines from this time on, in RFC 3339.",
    ),
]
Until = Annotated[
    str | None,
    QueryParameter(
        schema_extra=TIME,
        description="Only lines before this time, in RFC 3339.",
    ),
]
InvocationId = Annotated[str | None, QueryParameter(max_length=64)]
VersionNumber = Annotated[int | None, QueryParameter(ge=1, le=2**31 - 1)]
After = Annotated[int | None, QueryParameter(ge=0, le=MAX_SEQ)]

PAGE: Final = {200: answers(LogPage, "A page of lines; with `follow`, a stream of server-sent events.")}


@dataclass
class PageOrEvents(Operation):
    """The OpenAPI operation of a log. Its answer has one of two content types."""

    def __post_init__(self) -> None:
        page = (self.responses or {})["200"]
        if isinstance(page, OpenAPIResponse) and page.content is not None:
            page.content[SSE] = OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING))


@get(
    "/api/projects/{project:str}/functions/{name:str}/logs",
    summary="Read or follow a function's log",
    tags=["Functions"],
    operation_class=PageOrEvents,
    responses=PAGE,
)
async def read_function_logs(
    member: Injected[Caller],
    functions: Injected[Functions],
    request: Request[Any, Any, Any],
    name: FunctionName,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
    level: Level = None,
    q: Text = "",
    since: Since = None,
    until: Until = None,
    invocation: InvocationId = None,
    version: VersionNumber = None,
    follow: FromQuery[bool] = False,
    after: After = None,
) -> Response[LogPage] | Stream:
    """Returns lines, newest first. With `?follow=true`, the answer is a stream of server-sent events, with the oldest
    line first. The stream begins after the line `after` or Last-Event-ID. If both are missing, it begins with the next
    new line. The id of an event is the `seq` of its line.
    """
    which = LogFilter(level, q, _time("since", since), _time("until", until), invocation, version)
    if not follow:
        return Response(await functions.logs(member, name, limit, cursor, which))
    return await _followed(request, functions.follow_logs(member, name, _behind(request, after), which))


@get(
    "/api/projects/{project:str}/logs",
    summary="Read or follow the log of all functions",
    tags=["Functions"],
    operation_class=PageOrEvents,
    responses=PAGE,
)
async def read_logs(
    member: Injected[Caller],
    functions: Injected[Functions],
    request: Request[Any, Any, Any],
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
    level: Level = None,
    q: Text = "",
    since: Since = None,
    until: Until = None,
    invocation: InvocationId = None,
    follow: FromQuery[bool] = False,
    after: After = None,
) -> Response[LogPage] | Stream:
    """Works like the log of one function, for all functions of the project. Each line has the name of its function."""
    which = LogFilter(level, q, _time("since", since), _time("until", until), invocation)
    if not follow:
        return Response(await functions.logs(member, None, limit, cursor, which))
    return await _followed(request, functions.follow_logs(member, None, _behind(request, after), which))


def _time(name: str, sent: str | None) -> datetime | None:
    """Return a time of the query. Raises: InvalidInput."""
    if sent is None:
        return None
    try:
        return read_moment(sent)
    except ValueError:
        raise InvalidInput.at(f"/{name}", f"Send a time in RFC 3339 with a time zone, for example {EXAMPLE}.") from None


async def _followed(request: Request[Any, Any, Any], log: AsyncIterator[LogLine | None]) -> Stream:
    lines = until_stopping(incoming(request.scope), log)
    first = await anext(lines)  # This raises errors of the request before the answer begins with status 200.
    return ClosingStream(_events(first, lines), SSE)


def _behind(request: Request[Any, Any, Any], after: int | None) -> int | None:
    """Return the `seq` after which the stream begins: `after` or Last-Event-ID, whichever is larger.

    When an EventSource reconnects, it repeats the URL with the first `after`, and sends the id of its last event.
    """
    seen = _last_event_id(request)
    return seen if after is None else max(after, seen or 0)


def _last_event_id(request: Request[Any, Any, Any]) -> int | None:
    sent = request.headers.get(LAST_EVENT_ID, "")
    if not sent:
        return None
    seq = whole_number(sent, MAX_SEQ)
    if seq is None:
        raise InvalidInput("Last-Event-ID must be the id of the last event received, a whole number.")
    return seq


async def _events(first: LogLine | None, lines: AsyncIterator[LogLine | None]) -> AsyncGenerator[bytes, None]:
    yield _event(first)
    try:
        async for line in lines:
            yield _event(line)
    except Problem:
        return  # The client reconnects with Last-Event-ID, and receives the problem as the answer.


def _event(line: LogLine | None) -> bytes:
    if line is None:
        return QUIET
    return b"id: %d\nevent: log\ndata: %b\n\n" % (line.seq, api_json(line))


ROUTES = (read_function_logs, read_logs)
