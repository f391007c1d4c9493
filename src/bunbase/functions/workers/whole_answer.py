"""Reads the answer of a call to its end, for callers that are BunBase itself."""

from __future__ import annotations

from typing import Final

from bunbase.contracts.functions.problems import FunctionError
from bunbase.functions.workers.call import Call

FAILED_STATUS: Final = 400  # the first status of an answer that counts as a failure


async def whole_answer(call: Call, most: int, who: str, too_large: Exception) -> bytes:
    """Return the whole answer.

    `most`: how many bytes it may have; `too_large`: raised beyond that. `who`: the subject of the error that tells a
    status.
    Raises: FunctionError, `too_large`.
    """
    try:
        head, body = await call.head(), bytearray()
        while data := await call.read():
            body += data
            if len(body) > most:
                raise too_large
    finally:
        call.abandon()
    if head.status >= FAILED_STATUS:
        raise FunctionError(f"{who} answered with status {head.status}.")
    return bytes(body)
