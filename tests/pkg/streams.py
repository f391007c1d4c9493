"""Close a stream before its end, in the same way as a caller that disconnects."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator
from typing import Any


async def hang_up(stream: AsyncIterator[Any]) -> None:
    assert inspect.isasyncgen(stream)
    await stream.aclose()
