"""The messages of one live connection after another, over server-sent events (docs/live-protocol.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeVar

import msgspec

from bunbase.cli.chosen import needed_project
from bunbase.cli.errors import Failure, Refused, Unreachable
from bunbase.cli.flags import ProjectFlags
from bunbase.cli.http import Call, at_v1, refuse
from bunbase.cli.outage import Outage
from bunbase.cli.output import Output
from bunbase.cli.session import Session
from bunbase.cli.sse import events

M = TypeVar("M")
T = TypeVar("T")
# a connection without data for this time counts as lost, because the server sends a heartbeat every 15 s
SILENCE_SECONDS: Final = 45.0
PASSING: Final = frozenset({429, 500, 502, 503, 504})  # a server that is busy or restarting answers with these


class LiveStream:
    """The live connections of a command. `headers`: the headers of each request."""

    def __init__(self, session: Session, flags: ProjectFlags, out: Output) -> None:
        self.session = session
        self.headers = {"x-bunbase-project": needed_project(flags.project, session), "accept": "text/event-stream"}
        self.outage = Outage(session.url, out.warn)

    def followed(
        self, kind: type[M], body: Callable[[], Mapping[str, Any]], taken: Callable[[M], tuple[T, ...]]
    ) -> Iterator[T]:
        """Yield the result of `taken` for each message. Reconnect after lost connections.

        `body`: returns the body of the request for a stream.

        Raises: Refused, Unreachable.
        """
        while True:
            reason = "The server ended the answer."
            try:
                for message in self._messages(kind, body()):
                    for one in taken(message):
                        self.outage.note_progress()
                        yield one
            except Unreachable as error:
                reason = error.detail
            except Refused as refused:
                if refused.problem.get("status") not in PASSING:
                    raise
                reason = refused.detail
            self.outage.wait(reason)

    def _messages(self, kind: type[M], body: Mapping[str, Any]) -> Iterator[M]:
        call = Call("POST", at_v1("live"), headers=self.headers, json=body, seconds=SILENCE_SECONDS)
        reply = self.session.send(call, stream=True)
        with self.session.http.parts(reply) as parts:
            if not reply.is_success:
                reply.read()
                refuse(reply)
            self.outage.end()
            for event in events(parts):
                yield from _decoded(kind, event.data)


def _decoded(kind: type[M], data: str) -> tuple[M, ...]:
    try:
        if data.startswith("["):
            return tuple(msgspec.json.decode(data, type=list[kind]))  # type: ignore[valid-type]  # known only at run time
        return (msgspec.json.decode(data, type=kind),)
    except msgspec.MsgspecError as error:
        raise Failure("unexpected_answer", f"The server sent a message that cannot be read: {error}.") from None
