"""`ctx.enqueue`: adds a job that runs a function of the same project later."""

from __future__ import annotations

from typing import Final

from bunbase.contracts.functions.triggers import ChainTooLong, NewJob
from bunbase.functions.host_calls.arguments import read
from bunbase.functions.logs.warnings import Warn
from bunbase.functions.triggers.queue import MAX_PAYLOAD_BYTES, Queue
from bunbase.functions.workers.asks import Ask
from bunbase.pkg.api_json import api_json

OVERHEAD_BYTES: Final = 4096  # All fields except the payload have at most this size.


async def enqueue(queue: Queue, warn: Warn, ask: Ask) -> bytes:
    new = read(await ask.body(MAX_PAYLOAD_BYTES + OVERHEAD_BYTES), NewJob)
    deployment = ask.deployment
    try:
        return api_json(await queue.enqueue(deployment.project, new, ask.request.depth))
    except ChainTooLong as stop:  # This logs a warning, because the function may catch the error.
        await warn(deployment.project, deployment.name, stop.detail)
        raise
