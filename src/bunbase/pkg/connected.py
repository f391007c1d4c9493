"""Run work that is only useful while the client waits for it, and cancel it when the client hangs up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from bunbase.pkg.errors import ClientGone

T = TypeVar("T")

Receive = Callable[[], Awaitable[Any]]  # ASGI's `receive`, after the body was read: the next message is the disconnect


async def while_connected(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """Return the result of the work.

    If the client hangs up first, the work is cancelled and ClientGone is raised. If `receive` raises, because the rest
    of a body does not come, the work is cancelled too and that exception is raised.
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
