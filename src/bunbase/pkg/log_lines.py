"""Log lines for what happens thousands of times a second: as pkg/logger.py writes them, for a tenth of the time.

structlog takes 60 µs for a line, a document is read in 20. So plain fields are laid out here, and many lines leave
with one write, at most FLUSH_SECONDS late. A terminal, and a program that has not configured its logs, get the
ordinary way. Fields are written as they are: nothing secret may be among them.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import re
import sys
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec

from bunbase.pkg import logger as ordinary

FLUSH_SECONDS: Final = 0.02
MOST_LINES: Final = 2000  # beyond this they do not wait for the time to come
EVENT_WIDTH: Final = 30  # as structlog's ConsoleRenderer pads
PLAIN: Final = re.compile(r"[!#-&(-<>-~]*").fullmatch

Fields = Mapping[str, Any]

encode: Final = msgspec.json.Encoder().encode


class LogLines:
    """`room`: as in `logger(room)`."""

    def __init__(self, room: str) -> None:
        self.room = room
        self.log = ordinary.logger(room)

    def info(self, event: str, fields: Fields, request_id: str) -> None:
        form = ordinary.plain_form()
        if form is None:
            self.log.info(event, **fields, request_id=request_id)
        elif _root.level <= logging.INFO:
            _out.put(FORMS[form](event, {"room": self.room, **fields}, request_id))


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


def _for_people(event: str, fields: Fields, request_id: str) -> str:
    said = {**fields, "request_id": request_id}
    pairs = " ".join([f"{name}={_readable(said[name])}" for name in _ordered(tuple(said))])
    return f"{_human_clock.text_of(time.time())} [info     ] {event:<{EVENT_WIDTH}} {pairs}\n"


def _for_machines(event: str, fields: Fields, request_id: str) -> str:
    now = time.time()
    stamp = f"{_machine_clock.text_of(now)}.{int(now % 1 * 1_000_000):06}Z"
    line = {**fields, "event": event, "level": "info", "timestamp": stamp, "request_id": request_id}
    return encode(line).decode() + "\n"


@lru_cache(256)
def _ordered(names: tuple[str, ...]) -> list[str]:
    return sorted(names)


def _readable(value: Any) -> Any:
    """A line break in a value must not begin a line that looks like one of ours."""
    return value if type(value) is not str or PLAIN(value) else repr(value)


FORMS: Final[dict[str, Callable[[str, Fields, str], str]]] = {"people": _for_people, "machines": _for_machines}
_out: Final = _Out()
_root: Final = logging.getLogger()
