"""Log lines for events that happen thousands of times a second. These lines look like the lines of pkg/logger.py, but
take less time.

structlog needs 60 µs for a line, while a document is read in 20 µs. So this module formats the common part of all lines
of one kind only once, and writes many lines together, at most FLUSH_SECONDS late. If stderr is a terminal, or logging
is not configured, structlog writes the lines. Fields are not redacted, so they must not contain secrets.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import re
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from bunbase.pkg import logger as ordinary
from bunbase.pkg.logger import Form

FLUSH_SECONDS: Final = 0.02
MOST_LINES: Final = 2000  # If this many lines wait, they are written at once.
EVENT_WIDTH: Final = 30  # structlog's ConsoleRenderer pads to this width.
PLAIN: Final = re.compile(r"[!#-&(-<>-~]*").fullmatch

Fields = Mapping[str, Any]

GAP: Final = "\0"  # This character marks the place in a layout where each line has its own value.

encode: Final = msgspec.json.Encoder().encode


class Line:
    """One kind of log line.

    The common part of such lines is formatted once, and each line adds a duration and a request id.

    `request_id` must not contain a character that JSON has to escape.
    """

    def __init__(self, room: str, event: str, fields: Fields) -> None:
        self.room = room
        self.event = event
        self.fields = fields
        self.form: Form | None = None
        self.parts = ("", "", "")

    def write(self, duration_ms: float, request_id: str) -> None:
        form = ordinary.plain_form()
        if form is None:
            log = ordinary.logger(self.room)
            log.info(self.event, **self.fields, duration_ms=duration_ms, request_id=request_id)
        elif _root.level <= logging.INFO:
            if form is not self.form:
                self._lay_out(form)
            before, between, after = self.parts
            _out.put(f"{CLOCKS[form]()}{before}{duration_ms}{between}{request_id}{after}")

    def _lay_out(self, form: Form) -> None:
        said = {**self.fields, "room": self.room, "duration_ms": GAP, "request_id": GAP}
        before, between, after = LAYOUTS[form](self.event, said)
        self.form, self.parts = form, (before, between, after)


class _Out:
    def __init__(self) -> None:
        self.lines: list[str] = []
        atexit.register(self.flush)

    def put(self, line: str) -> None:
        self.lines.append(line)
        if len(self.lines) == 1:
            self._flush_soon()
        elif len(self.lines) >= MOST_LINES:
            self.flush()

    def flush(self) -> None:
        lines, self.lines = self.lines, []
        if lines:
            sys.stderr.write("".join(lines))
            sys.stderr.flush()

    def _flush_soon(self) -> None:
        try:
            asyncio.get_running_loop().call_later(FLUSH_SECONDS, self.flush)
        except RuntimeError:  # No event loop runs that could flush later.
            self.flush()


class _Clock:
    """Formats a time, and keeps the text until the second ends."""

    def __init__(self, layout: str, utc: bool) -> None:
        self.layout = layout
        self.part = time.gmtime if utc else time.localtime
        self.second = -1
        self.text = ""

    def text_of(self, now: float) -> str:
        second = int(now)
        if second != self.second:
            self.second, self.text = second, time.strftime(self.layout, self.part(second))
        return self.text


_human_clock, _machine_clock = _Clock("%H:%M:%S", utc=False), _Clock("%Y-%m-%dT%H:%M:%S", utc=True)


def _time_for_people() -> str:
    return _human_clock.text_of(time.time())


def _time_for_machines() -> str:
    now = time.time()
    return f'{{"timestamp":"{_machine_clock.text_of(now)}.{int(now % 1 * 1_000_000):06}Z'


def _for_people(event: str, fields: Fields) -> list[str]:
    pairs = [f"{name}={GAP if fields[name] is GAP else _readable(fields[name])}" for name in sorted(fields)]
    return f" [info     ] {event:<{EVENT_WIDTH}} {' '.join(pairs)}\n".split(GAP)


def _for_machines(event: str, fields: Fields) -> list[str]:
    fixed = {name: value for name, value in fields.items() if value is not GAP}
    rest = encode({"event": event, "level": "info", **fixed}).decode()
    return ['","duration_ms":', ',"request_id":"', f'",{rest[1:]}\n']


def _readable(value: Any) -> Any:
    """Return a value in a form without line breaks, so that no value can forge another log line."""
    return value if type(value) is not str or PLAIN(value) else repr(value)


CLOCKS: Final[dict[Form, Callable[[], str]]] = {"people": _time_for_people, "machines": _time_for_machines}
LAYOUTS: Final[dict[Form, Callable[[str, Fields], list[str]]]] = {"people": _for_people, "machines": _for_machines}
_out: Final = _Out()
_root: Final = logging.getLogger()
