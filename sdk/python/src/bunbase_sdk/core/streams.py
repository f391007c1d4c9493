"""Bodies and answers of many lines: NDJSON, and server-sent events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from bunbase_sdk.core.answers import line_value, lines_of, value_of
from bunbase_sdk.core.flow import Broken, Emit, Flow, Items, Sleep, Source, Upload, read
from bunbase_sdk.core.json_values import written
from bunbase_sdk.core.retry import FIRST_PAUSE_SECONDS, backoff
from bunbase_sdk.core.transport import Transport, Wanted
from bunbase_sdk.problem import Problem, invalid_value

NDJSON: Final = {"Content-Type": "application/x-ndjson"}
MAX_LINE_BYTES: Final = 64 * 1024 * 1024


def emitted_lines(transport: Transport, address: Callable[[object], str], timeout: float | None) -> Items[Any]:
    """Emit the value of each line.

    `address`: a function that returns the address for the lines after a value; None stands for all lines.

    If the connection breaks, the client connects again and continues after the last complete line. Raises: Problem, if
    several connections in a row bring no line.
    """
    last: object = None
    failures = 0
    while True:
        within = transport.deadline(timeout)
        answer = yield from transport.answered(Wanted("GET", address(last), repeatable=True), within, stream=True)
        buffer = bytearray()
        try:
            while (part := (yield from read(answer))) is not None:
                buffer += part
                for line in lines_of(buffer):
                    last, failures = line_value(line), 0
                    yield Emit(last)
                _check_size(len(buffer))
            if not buffer.strip():
                return
            raise Broken("the answer ended within a line")
        except Broken as broken:
            problem = transport.unreachable(broken, within)
        if failures >= transport.retries:
            raise problem
        yield Sleep(backoff(failures, FIRST_PAUSE_SECONDS))
        failures += 1


def uploaded(
    transport: Transport,
    where: str,
    items: Source[Mapping[str, object]],
    from_line: int | None,
    timeout: float | None,
) -> Flow[Any]:
    """Send each item as a line, and return the answer. There are no retries: the items can be read only once."""
    upload = Upload(items, _line, 1 if from_line is None else from_line)
    wanted = Wanted("POST", where, content=upload, headers=NDJSON)
    answer = yield from transport.answered(wanted, transport.deadline(timeout))
    return value_of(answer)


class Events:
    """Read server-sent events (HTML Standard §9.2), only the part of the format that BunBase uses."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._data: list[str] = []
        self._size = 0  # the number of characters of the data so far

    def fed(self, part: bytes) -> list[str]:
        """Return the data of the events that are complete with these bytes."""
        complete: list[str] = []
        self._buffer += part
        for line in lines_of(self._buffer):
            text = line.removesuffix(b"\r").decode("utf-8", "replace")
            if not text and self._data:
                complete.append("\n".join(self._data))
                self._data, self._size = [], 0
            elif text.startswith("data:"):
                self._data.append(text[5:].removeprefix(" "))
                self._size += len(line) + 1
                _check_size(self._size)
        _check_size(len(self._buffer))
        return complete


def _line(number: int, item: object) -> bytes:
    if not isinstance(item, Mapping):
        raise invalid_value(f"line {number}", f"A line is an object, and no {type(item).__name__}.")
    return written(item, f"line {number}") + b"\n"


def _check_size(size: int) -> None:
    if size > MAX_LINE_BYTES:
        raise Problem("unexpected_answer", "The server sent a line that is too long. Is this BunBase?")
