"""The streams of events from other rooms. A stream that is silent for too long counts as broken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TypeVar

from bunbase.pkg.errors import Unreachable

T = TypeVar("T")


async def heard(source: AsyncIterator[T], name: str, seconds: float) -> AsyncIterator[T]:
    """Yield the events of the stream, and close it at the end.

    Raises: Unreachable if the stream is silent for `seconds`.
    """
    stream = aiter(source)
    try:
        while True:
            async with asyncio.timeout(seconds):
                events = await anext(stream, None)
            if events is None:
                return
            yield events
    except TimeoutError:
        raise Unreachable(f"The stream of {name} was silent.") from None
    finally:
        close = getattr(stream, "aclose", None)
        if close is not None:
            await close()
