"""`ctx.enqueue`: another run of a function of the same project, later."""

from __future__ import annotations

from bunbase.contracts.triggers import NewJob
from bunbase.functions.host_calls.arguments import read
from bunbase.functions.triggers.queue import MAX_PAYLOAD_BYTES, Queue
from bunbase.functions.workers.asks import Ask
from bunbase.pkg.api_json import api_json

OVERHEAD_BYTES = 4096  # of what is said beside the payload


async def enqueue(queue: Queue, ask: Ask) -> bytes:
    new = read(await ask.body(MAX_PAYLOAD_BYTES + OVERHEAD_BYTES), NewJob)
    trigger = ask.request.trigger
    job = await queue.enqueue(ask.deployment.project, new, 0 if trigger is None else trigger.depth + 1)
    return api_json(job)
