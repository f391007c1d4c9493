"""The payload that begins a call in a worker: the request as JSON, and the part of its body that has arrived."""

from __future__ import annotations

from typing import Any

import msgspec

from bunbase.contracts.caller import EndUser
from bunbase.functions.workers.deployment import Request
from bunbase.functions.workers.frames import join_payload
from bunbase.functions.workers.limits import WINDOW_BYTES
from bunbase.pkg.clock import rfc3339


def invoke_payload(request: Request) -> bytes:
    user, trigger = request.user, request.trigger
    meta = {
        "invocation": request.invocation,
        "method": request.method,
        "path": request.path,
        "headers": request.headers,
        "caller": user and _shown(user),
        "trigger": trigger
        and {"kind": trigger.kind, "job": trigger.job, "attempt": trigger.attempt, "due_at": rfc3339(trigger.due_at)},
        "credit": WINDOW_BYTES,
        "more": request.more,
        "hook": request.hook,
    }
    return join_payload(meta, request.body)


def _shown(user: EndUser) -> dict[str, Any]:
    """Return `ctx.caller`, which contains only the data of the signed-in user that a function may see.

    The session is a secret of the user.
    """
    return {name: value for name, value in msgspec.structs.asdict(user).items() if name != "session"}
