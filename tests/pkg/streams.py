"""Close a stream before its end, as a caller does when it disconnects."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator
from typing import Any


async def hang_up(stream: AsyncIterator[Any]) -> None:
    assert inspect.isasyncgen(stream)
    await stream.aclose()
