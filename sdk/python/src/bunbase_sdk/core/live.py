"""Live queries over server-sent events (docs/live-protocol.md)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from bunbase_sdk.core.answers import line_value, problem_in
from bunbase_sdk.core.flow import Broken, Emit, Items, read
from bunbase_sdk.core.held_result import HeldResult
from bunbase_sdk.core.patience import Patience, passes
from bunbase_sdk.core.requests import DataRequests
from bunbase_sdk.core.streams import Events
from bunbase_sdk.core.transport import Wanted
from bunbase_sdk.live_result import LiveResult
from bunbase_sdk.problem import Problem, problem_of

T = TypeVar("T")
SILENCE_SECONDS: Final = 45.0  # the server sends a sign of life every 15 s; then the connection is dead
WATCH: Final = 1  # the only watch of a connection
ACCEPT: Final = {"Accept": "text/event-stream"}
# a watch that ended because of the server, not of the query: it begins again
AGAIN: Final = frozenset({"user_changed", "bundoc_busy", "unreachable"})


class _Reconnect(Exception):
    """This connection is no longer of use. `seconds`: how long to wait; None for a random time."""

    def __init__(self, seconds: float | None = None) -> None:
        super().__init__()
        self.seconds = seconds


def emitted_results(
    requests: DataRequests,
    asked: Mapping[str, object],
    shape: Callable[[LiveResult[Any]], T],
    stop_after: float | None,
) -> Items[T]:
    """Emit what `shape` makes of the result of a query, and then of each new one, also over lost connections.

    `asked`: the member `query` or `doc` of a message `watch`. Raises: Problem, if the server refuses or ends the query.
    """
    held, patience = HeldResult(), Patience(stop_after)
    while patience.left(1):
        try:
            yield from _connected(requests, asked, held, shape, patience)
        except Broken:
            pass
        except _Reconnect as told:
            if told.seconds is not None:
                yield patience.sleep(told.seconds)
                continue
        except Problem as problem:
            if not passes(problem):
                raise
        yield patience.pause()


def _connected(
    requests: DataRequests,
    asked: Mapping[str, object],
    held: HeldResult,
    shape: Callable[[LiveResult[Any]], T],
    patience: Patience,
) -> Items[T]:
    watch = {"t": "watch", "id": WATCH, **asked, **held.resume()}
    wanted = Wanted("POST", "/v1/live", {"send": [watch]}, headers={**ACCEPT, **requests.actor})
    within = requests.transport.deadline(patience.left(SILENCE_SECONDS))
    answer = yield from requests.transport.sent(wanted, within, stream=True)
    if not answer.ok:
        raise problem_in(answer)
    reader = Events()
    while patience.left(1) and (part := (yield from read(answer))) is not None:
        for data in reader.fed(part):
            value = line_value(data)
            for message in value if isinstance(value, list) else [value]:
                result = _taken(message, held)
                if result is not None:
                    patience.worked()
                    yield Emit(shape(result))


def _taken(message: Mapping[str, Any], held: HeldResult) -> LiveResult[Any] | None:
    """Take one message. Return the result at a barrier that has changed it. Raises: Problem, _Reconnect."""
    match message["t"]:
        case "now":
            held.now(message)
        case "diff":
            if not held.diff(message):
                held.why = "gap"
                raise _Reconnect(0)
        case "check":
            if not held.agrees(message):
                held.forget()
                held.why = "check"
                raise _Reconnect(0)
        case "at":
            return held.take(message["at"]) if held.group else None
        case "end" | "error":
            body = message["problem"]
            problem = problem_of(body["code"], body.get("detail", ""), status=body.get("status", 0), body=body)
            if problem.code not in AGAIN and not passes(problem):
                raise problem
            held.forget()
            raise _Reconnect
        case "bye":
            raise _Reconnect(message.get("after_ms", 0) / 1000)
        case _:
            pass
    return None
