"""Run work for a client, and cancel the work if the client closes the connection, or if the server stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from bunbase.pkg.errors import ClientGone, Stopping
from bunbase.pkg.http1.incoming import Incoming

T = TypeVar("T")

# This is ASGI's `receive`. The body has been read already, so the next message is the disconnect.
Receive = Callable[[], Awaitable[Any]]


async def while_connected(receive: Receive, work: Coroutine[Any, Any, T], ends: Incoming | None = None) -> T:
    """Return the result of the work. If the client closes the connection first, cancel the work.

    `ends`: the request. Pass it only if the work waits for a change, which may never come. The work is then also
    cancelled if the server stops.
    Raises: ClientGone if the client closes the connection; Stopping if the server stops; the exception of `receive` if
    a body does not arrive.
    """
    working, waiting = asyncio.ensure_future(work), asyncio.ensure_future(_hung_up(receive))
    stopped = asyncio.Event()

    def stop() -> None:
        if working.cancel():
            stopped.set()

    if ends is not None:
        ends.when_stopping(stop)
    try:
        await asyncio.wait((working, waiting), return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
        if not working.done():
            working.cancel()
        await asyncio.gather(working, waiting, return_exceptions=True)
    if working.cancelled():
        if stopped.is_set():
            raise Stopping("The server stops: ask again.", retry_after_seconds=1)
        if not waiting.cancelled():
            waiting.result()
        raise ClientGone("The client closed the connection before the answer was ready.")
    return working.result()


async def until_stopping(request: Incoming, news: AsyncIterator[T]) -> AsyncGenerator[T, None]:
    """Yield each item of an endless iterator. If the server stops, finish the current item, then end."""
    waiting: asyncio.Task[Any] | None = None
    stopped = asyncio.Event()

    def stop() -> None:
        stopped.set()
        if waiting is not None:
            waiting.cancel()

    request.when_stopping(stop)
    while not stopped.is_set():
        task = waiting = asyncio.current_task()
        try:
            item = await anext(news)
        except StopAsyncIteration:
            return
        except asyncio.CancelledError:
            if task is None or not stopped.is_set() or task.uncancel():
                raise  # The request itself was cancelled.
            return
        finally:
            waiting = None
        yield item


async def _hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
