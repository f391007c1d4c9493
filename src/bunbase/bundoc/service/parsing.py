"""Parse bodies, in a thread if they are large or may have patterns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")

LARGE_BYTES: Final = 16 << 10  # checking many small objects takes 65 µs per KiB; more than 1 ms would delay others


async def parsed(sent: bytes, parse: Callable[[bytes], T]) -> T:
    """Parse a body. A thread parses a large one."""
    return parse(sent) if len(sent) < LARGE_BYTES else await asyncio.to_thread(parse, sent)


async def parsed_update(sent: bytes, parse: Callable[[bytes], T]) -> T:
    """Parse a body that may contain conditions. A short commit may have patterns that take a second to compile."""
    if b"regex" in sent or b"\\u" in sent:  # any letter of a name may be written as \u0072
        return await asyncio.to_thread(parse, sent)
    return await parsed(sent, parse)
