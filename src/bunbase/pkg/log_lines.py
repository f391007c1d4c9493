"""Log lines for what happens thousands of times a second: as pkg/logger.py writes them, for a small part of the time.

structlog takes 60 µs for a line, a document is read in 20. So what lines of a kind have in common is laid out once,
and many lines leave with one write, at most FLUSH_SECONDS late. A terminal, and a program that has not configured its
logs, get the ordinary way. Fields are written as they are: nothing secret may be among them.
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
MOST_LINES: Final = 2000  # beyond this they do not wait for the time to come
EVENT_WIDTH: Final = 30  # as structlog's ConsoleRenderer pads
PLAIN: Final = re.compile(r"[!#-&(-<>-~]*").fullmatch

Fields = Mapping[str, Any]

GAP: Final = "\0"  # in a layout: what each line of the kind has of its own

encode: Final = msgspec.json.Encoder().encode


class Line:
    """One kind of line, laid out once; written with how long it took and for which request.

    `request_id` holds no character that has to be escaped.
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
        except RuntimeError:  # no loop: nobody to do it later
            self.flush()


class _Clock:
    """The current second, laid out once."""

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
    """A line break in a value must not begin a line that looks like one of ours."""
    return value if type(value) is not str or PLAIN(value) else repr(value)


CLOCKS: Final[dict[Form, Callable[[], str]]] = {"people": _time_for_people, "machines": _time_for_machines}
LAYOUTS: Final[dict[Form, Callable[[str, Fields], list[str]]]] = {"people": _for_people, "machines": _for_machines}
_out: Final = _Out()
_root: Final = logging.getLogger()
