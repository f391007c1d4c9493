"""Run work for a client, and cancel the work if the client closes the connection."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from bunbase.pkg.errors import ClientGone

T = TypeVar("T")

Receive = Callable[[], Awaitable[Any]]  # ASGI's `receive`, after the body was read: the next message is the disconnect


async def while_connected(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """Return the result of the work. If the client closes the connection first, cancel the work.

    Raises: ClientGone if the client closes the connection; the exception of `receive` if a body does not arrive.
    """
    working, waiting = asyncio.ensure_future(work), asyncio.ensure_future(_hung_up(receive))
    try:
        await asyncio.wait((working, waiting), return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
        if not working.done():
            working.cancel()
        await asyncio.gather(working, waiting, return_exceptions=True)
    if working.cancelled():
        if not waiting.cancelled():
            waiting.result()
        raise ClientGone("The client closed the connection before the answer was ready.")
    return working.result()


async def _hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
