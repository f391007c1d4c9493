"""Parse bodies, in a thread if they are large or may have patterns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")

# Checking many small objects takes 65 µs per KiB. Work of more than 1 ms would delay other requests.
LARGE_BYTES: Final = 16 << 10


async def parsed(sent: bytes, parse: Callable[[bytes], T]) -> T:
    """Parse a body. A thread parses a large body."""
    return parse(sent) if len(sent) < LARGE_BYTES else await asyncio.to_thread(parse, sent)


async def parsed_update(sent: bytes, parse: Callable[[bytes], T]) -> T:
    """Parse a body that may contain conditions. A short commit may have patterns that take a second to compile."""
    if b"regex" in sent or b"\\u" in sent:  # A name may contain any letter as an escape such as \u0072.
        return await asyncio.to_thread(parse, sent)
    return await parsed(sent, parse)
