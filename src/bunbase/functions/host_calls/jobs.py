"""`ctx.enqueue`: another run of a function of the same project, later."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from bunbase.contracts.triggers import ChainTooLong, NewJob
from bunbase.functions.host_calls.arguments import read
from bunbase.functions.triggers.queue import MAX_PAYLOAD_BYTES, Queue
from bunbase.functions.workers.asks import Ask
from bunbase.pkg.api_json import api_json

OVERHEAD_BYTES: Final = 4096  # of what is said beside the payload

Warn = Callable[[str, str, str], Awaitable[None]]


async def enqueue(queue: Queue, warn: Warn, ask: Ask) -> bytes:
    """`warn(project, function, text)` writes into the function's log."""
    new = read(await ask.body(MAX_PAYLOAD_BYTES + OVERHEAD_BYTES), NewJob)
    of = ask.deployment
    try:
        return api_json(await queue.enqueue(of.project, new, ask.request.depth))
    except ChainTooLong as stop:  # worth knowing even where the function swallows the error
        await warn(of.project, of.name, stop.detail)
        raise
