"""Bodies and answers of HTTP that are lines of JSON, of any length."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any, Final

from litestar import Request
from litestar.response import Stream

from bunbase.pkg.closing_stream import ClosingStream
from bunbase.pkg.errors import DeadlineExceeded
from bunbase.pkg.http import check_credentials_again
from bunbase.pkg.http1.incoming import incoming
from bunbase.pkg.ndjson import NDJSON, ExportPart

SILENCE_SECONDS: Final = 60.0
CHECK_SECONDS: Final = 1.0


async def feed_body(request: Request[Any, Any, Any], feed: Callable[[bytes], Awaitable[None]]) -> None:
    """Pass each piece of the body to `feed` as soon as it arrives.

    While the body arrives, the credentials are checked again every CHECK_SECONDS, because the lines take effect at
    once.

    Raises: DeadlineExceeded, the problems of the gateway, and the errors of `feed`.
    """
    silent = DeadlineExceeded(
        f"No data arrived for {SILENCE_SECONDS:g} seconds; to continue, send the rest of the lines with from_line."
    )
    incoming(request.scope).may_be_silent(SILENCE_SECONDS, silent)
    checked_at = time.monotonic()
    async for piece in request.stream():
        if time.monotonic() - checked_at >= CHECK_SECONDS:
            await check_credentials_again(request.scope)
            checked_at = time.monotonic()
        await feed(piece)


async def lines_answer(parts: AsyncIterator[ExportPart]) -> Stream:
    """Return an answer that streams the lines.

    If the first part fails, raise its error, because the status can then still be chosen.
    """
    return ClosingStream(_lines(await anext(parts, None), parts), NDJSON)


async def _lines(first: ExportPart | None, parts: AsyncIterator[ExportPart]) -> AsyncGenerator[bytes, None]:
    """Yield the lines. An error here closes the connection early, so the client sees that the export is incomplete."""
    if first is not None:
        yield first.lines
        async for part in parts:
            yield part.lines
