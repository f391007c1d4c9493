"""Reads the answer of a call to its end. BunBase itself is the caller."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bunbase.contracts.functions.problems import FunctionError
from bunbase.functions.workers.call import Call

FAILED_STATUS: Final = 400  # An answer with this status or a higher one counts as a failure.


async def whole_answer(call: Call, most: int, who: str, too_large: Exception) -> bytes:
    """Return the whole answer.

    `most`: the maximum number of bytes of the answer. `too_large`: the error to raise if the answer is larger. `who`:
    the subject of the sentence in the error about a status.
    Raises: FunctionError, `too_large`.
    """
    body = bytearray()

    def keep(data: bytes) -> None:
        body.extend(data)
        if len(body) > most:
            raise too_large

    status = await read_to_end(call, keep)
    if status >= FAILED_STATUS:
        raise FunctionError(f"{who} answered with status {status}.")
    return bytes(body)


async def read_to_end(call: Call, on_data: Callable[[bytes], None]) -> int:
    """Read all of an answer and return its status. Only the end of the answer shows that the function succeeded.

    If `on_data` raises, the call is abandoned.
    """
    try:
        head = await call.head()
        while data := await call.read():
            on_data(data)
    finally:
        call.abandon()
    return head.status
