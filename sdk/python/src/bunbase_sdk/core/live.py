"""Live queries over server-sent events (docs/live-protocol.md)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from bunbase_sdk.core.flow import Items
from bunbase_sdk.core.held_result import HeldResult
from bunbase_sdk.core.live_stream import Reconnect, emitted, ended
from bunbase_sdk.core.requests import DataRequests
from bunbase_sdk.live_result import LiveResult
from bunbase_sdk.problem import Problem

T = TypeVar("T")
WATCH: Final = 1  # the id of the query that a connection watches; it watches only one
NO_ACTOR: Final = (
    "as_user(…) has no live queries. Use live of client.data, for which no rules apply, or read again with as_user."
)


def emitted_results(
    requests: DataRequests,
    asked: Mapping[str, object],
    shape: Callable[[LiveResult[Any]], T],
    stop_after: float | None,
) -> Items[T]:
    """Emit `shape(result)` for the result of a query and for each new result, also after a lost connection.

    `asked`: the member `query` or `doc` of a message `watch`. Raises: Problem, if the server refuses or ends the query,
    and at once for `as_user(…)`.
    """
    if requests.actor:
        raise Problem("not_supported", NO_ACTOR)
    held = HeldResult()

    def body() -> Mapping[str, object]:
        return {"send": [{"t": "watch", "id": WATCH, **asked, **held.resume()}]}

    def taken(message: Mapping[str, Any]) -> Sequence[T] | None:
        result = _taken(message, held)
        return None if result is None else [shape(result)]

    return emitted(requests.transport, body, taken, stop_after)


def _taken(message: Mapping[str, Any], held: HeldResult) -> LiveResult[Any] | None:
    """Process one message. At a barrier, return the result if it has changed. Raises: Problem, Reconnect."""
    match message["t"]:
        case "now":
            held.now(message)
        case "diff":
            if not held.diff(message):
                held.why = "gap"
                raise Reconnect(0)
        case "check":
            if not held.agrees(message):
                held.forget()
                held.why = "check"
                raise Reconnect(0)
        case "at":
            return held.take(message["at"]) if held.group else None
        case "end" | "error":
            again = ended(message)
            held.forget()
            raise again
        case _:
            pass
    return None
