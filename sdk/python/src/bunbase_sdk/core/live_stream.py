"""A live connection over server-sent events, with a new stream after each loss (docs/live-protocol.md)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from bunbase_sdk.core.answers import line_value, problem_in
from bunbase_sdk.core.flow import Broken, Emit, Items, read
from bunbase_sdk.core.patience import Patience, passes
from bunbase_sdk.core.streams import Events
from bunbase_sdk.core.transport import Transport, Wanted
from bunbase_sdk.problem import Problem, problem_of

T = TypeVar("T")
SILENCE_SECONDS: Final = 45.0  # after this time, three heartbeats are missing, so the connection counts as lost
ACCEPT: Final = {"Accept": "text/event-stream"}
# codes with which the server ends a watch or a channel for a temporary reason: the client starts it again
AGAIN: Final = frozenset({"user_changed", "bundoc_busy", "unreachable", "no_channel_stream"})


class Reconnect(Exception):
    """The client must connect again. `seconds`: the wait before the new connection; None for a random time."""

    def __init__(self, seconds: float | None = None) -> None:
        super().__init__()
        self.seconds = seconds


def emitted(
    transport: Transport,
    body: Callable[[], Mapping[str, object]],
    taken: Callable[[Mapping[str, Any]], Sequence[T] | None],
    stop_after: float | None,
) -> Items[T]:
    """Emit what `taken` makes of each message, also over lost connections. `body`: the body of the request for a
    stream.

    `taken` returns None for a message that does not count as progress. It may raise `Reconnect`.
    Raises: Problem, if the server refuses.
    """
    patience = Patience(stop_after)
    while patience.left(1):
        try:
            yield from _connected(transport, body(), taken, patience)
        except Broken:
            pass
        except Reconnect as told:
            if told.seconds is not None:
                yield patience.sleep(told.seconds)
                continue
        except Problem as problem:
            if not passes(problem):
                raise
        yield patience.pause()


def ended(message: Mapping[str, Any]) -> Reconnect:
    """Return the exception for `end` or `error` if the client can connect again. Raises: Problem, if it cannot."""
    body = message["problem"]
    problem = problem_of(body["code"], body.get("detail", ""), status=body.get("status", 0), body=body)
    if problem.code not in AGAIN and not passes(problem):
        raise problem
    return Reconnect()


def _connected(
    transport: Transport,
    body: Mapping[str, object],
    taken: Callable[[Mapping[str, Any]], Sequence[T] | None],
    patience: Patience,
) -> Items[T]:
    wanted = Wanted("POST", "/v1/live", body, headers=ACCEPT)
    within = transport.deadline(patience.left(SILENCE_SECONDS))
    answer = yield from transport.sent(wanted, within, stream=True)
    if not answer.ok:
        raise problem_in(answer)
    reader = Events()
    while patience.left(1) and (part := (yield from read(answer))) is not None:
        for data in reader.fed(part):
            value = line_value(data)
            for message in value if isinstance(value, list) else [value]:
                if message["t"] == "bye":
                    raise Reconnect(message.get("after_ms", 0) / 1000)
                values = taken(message)
                if values is not None:
                    patience.worked()
                for one in values or ():
                    yield Emit(one)
