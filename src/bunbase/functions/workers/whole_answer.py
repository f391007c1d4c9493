"""Reads the answer of a call to its end, for callers that are BunBase itself."""

from __future__ import annotations

from typing import Final

from bunbase.contracts.functions.problems import FunctionError
from bunbase.functions.workers.call import Call

FAILED_STATUS: Final = 400  # the first status of an answer that counts as a failure


async def whole_answer(call: Call, most: int, who: str, too_large: str) -> bytes:
    """Return the whole answer.

    `most`: the number of bytes that the answer may have; `too_large`: the error if it has more. `who`: the subject of
    the error text that names a status.
    Raises: FunctionError.
    """
    try:
        head, body = await call.head(), bytearray()
        while data := await call.read():
            body += data
            if len(body) > most:
                raise FunctionError(too_large)
    finally:
        call.abandon()
    if head.status >= FAILED_STATUS:
        raise FunctionError(f"{who} answered with status {head.status}.")
    return bytes(body)
