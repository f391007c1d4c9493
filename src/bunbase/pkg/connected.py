"""Work that is of use only while the client listens: it ends when the client hangs up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from bunbase.pkg.errors import ClientGone

T = TypeVar("T")

Receive = Callable[[], Awaitable[Any]]  # of ASGI, once the body was read: what comes next is the end


async def while_connected(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """Return the result of the work. Raises: ClientGone when the client hung up first; the work is cancelled then. What
    `receive` raises of a body that does not come ends it too.
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
        raise ClientGone("The client hung up before the answer was ready.")
    return working.result()


async def _hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
