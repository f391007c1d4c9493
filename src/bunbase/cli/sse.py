"""Read server-sent events (HTML Standard §9.2). This module supports the part of the format that BunBase uses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from bunbase.cli.errors import Failure

MAX_LINE_BYTES: Final = 8 << 20  # a line may have at most this size; the result of a live query has at most 4 MiB


class Event(msgspec.Struct, frozen=True):
    """One event. `id`: "" if the event has no id."""

    kind: str
    id: str
    data: str


def events(parts: Iterable[bytes]) -> Iterator[Event]:
    """Yield each event as soon as it is complete. Skip comments, which only keep the connection open."""
    kind, id, data, size = "message", "", list[str](), 0
    for line in _lines(parts):
        if not line:
            if data:
                yield Event(kind, id, "\n".join(data))
            kind, id, data, size = "message", "", [], 0
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
                size += len(value) + 1
                if size > MAX_LINE_BYTES:
                    raise _too_long()
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
            raise _too_long()


def _too_long() -> Failure:
    return Failure("unexpected_answer", "The server sent a line that is too long: is this a BunBase server?")
