"""Server-sent events (HTML Standard §9.2), as far as a reader of lines needs them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from bunbase.cli.errors import Failure

MAX_LINE_BYTES: Final = 1024 * 1024  # no event of ours comes near; a server that sends more is none of ours


class Event(msgspec.Struct, frozen=True):
    """`id` is "" where the event has none."""

    kind: str
    id: str
    data: str


def events(parts: Iterable[bytes]) -> Iterator[Event]:
    """Give each event once it is whole; comments, which only keep the connection alive, are passed over."""
    kind, id, data = "message", "", list[str]()
    for line in _lines(parts):
        if not line:
            if data:
                yield Event(kind, id, "\n".join(data))
            kind, id, data = "message", "", []
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "event":
                kind = value
            case "id":
                id = value
            case "data":
                data.append(value)
            case _:
                pass


def _lines(parts: Iterable[bytes]) -> Iterator[str]:
    buffer = b""
    for part in parts:
        buffer += part
        *whole, buffer = buffer.split(b"\n")
        for line in whole:
            yield line.removesuffix(b"\r").decode("utf-8", "replace")
        if len(buffer) > MAX_LINE_BYTES:
            raise Failure("unexpected_answer", "The server sends a line without end: is it a BunBase server?")
