"""`bunbase logs`: show the lines that functions wrote to their console."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

import msgspec
from cyclopts import Parameter
from cyclopts.validators import Number
from rich.text import Text

from bunbase.cli.chosen import needed_project
from bunbase.cli.errors import Failure, Unreachable, Usage
from bunbase.cli.flags import PROJECT_FLAGS, ProjectFlags
from bunbase.cli.http import Call, at, refuse
from bunbase.cli.output import Output
from bunbase.cli.session import Session, open_session
from bunbase.cli.sse import events
from bunbase.cli.tables import visible
from bunbase.contracts.functions.logs import LogLevel, LogLine, LogPage
from bunbase.pkg.clock import rfc3339

SILENCE_SECONDS: Final = 45.0  # three heartbeats, since the server sends one every 15 s; then the connection is dead
PASSING: Final = frozenset({429, 500, 502, 503, 504})  # statuses of a server that is busy or restarting
FIRST_PAUSE_SECONDS: Final = 0.5
MAX_PAUSE_SECONDS: Final = 10.0
STYLES: Final = {LogLevel.DEBUG: "dim", LogLevel.INFO: "", LogLevel.WARN: "yellow", LogLevel.ERROR: "red"}
AGO: Final = re.compile(r"(\d{1,6})([smhd])")
UNIT_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
NO_PARAMS: Final[Mapping[str, Any]] = {}

Pause = Callable[[float], None]


def logs(
    name: Annotated[str, Parameter(show_default=False, help="The function's name. Default: all functions.")] = "",
    /,
    *,
    follow: Annotated[
        bool,
        Parameter(
            name=("--follow", "-f"),
            negative="",
            show_default=False,
            help="Show new lines as they are written, until Ctrl-C.",
        ),
    ] = False,
    limit: Annotated[
        int, Parameter(validator=Number(gte=1, lte=500), help="How many of the newest lines to show.")
    ] = 100,
    level: Annotated[LogLevel | None, Parameter(help="Only lines of this level or of a more severe level.")] = None,
    grep: Annotated[
        str, Parameter(show_default=False, help="Only lines that contain this text, in upper or lower case.")
    ] = "",
    since: Annotated[
        str, Parameter(show_default=False, help="Start of the range: an age (30s, 15m, 2h, 1d) or an RFC 3339 time.")
    ] = "",
    until: Annotated[str, Parameter(show_default=False, help="End of the range, in the same formats as --since.")] = "",
    invocation: Annotated[
        str, Parameter(show_default=False, help="Only the lines of the invocation with this id.")
    ] = "",
    of_version: Annotated[int | None, Parameter(help="Only the lines of this version of the function.")] = None,
    flags: ProjectFlags = PROJECT_FLAGS,
) -> None:
    """Show the lines that functions wrote to their console, oldest first."""
    out = Output(flags.json)
    if of_version is not None and not name:
        raise Usage("--of-version needs the name of a function.")
    now = datetime.now(UTC)
    asked = {
        "level": level,
        "q": grep,
        "since": time_of(since, now),
        "until": time_of(until, now),
        "invocation": invocation,
        "version": of_version,
    }
    params: dict[str, Any] = {key: value for key, value in asked.items() if value}
    with open_session(flags) as session:
        path = logs_path(needed_project(flags.project, session), name)
        page = session.ask(LogPage, Call("GET", path, params={"limit": limit, **params}))
        if flags.json and not follow:
            out.document(page)
            return
        for line in reversed(page.items):
            show(line, out, name == "")
        if not follow:
            return
        for line in follow_lines(session, path, page.items[0].seq if page.items else 0, out, params):
            show(line, out, name == "")


def logs_path(project: str, name: str = "") -> str:
    """Return the API path of one function's log, or of the log of all functions."""
    return at("projects", project, "functions", name, "logs") if name else at("projects", project, "logs")


def time_of(text: str, now: datetime) -> str:
    """Return a time in the API's format; "1h" is an hour before `now`. Raises: Usage."""
    if not text:
        return ""
    if ago := AGO.fullmatch(text):
        return rfc3339(now - timedelta(seconds=int(ago[1]) * UNIT_SECONDS[ago[2]]))
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise Usage(f"{text!r} is not a time: write 30s, 15m, 2h, 1d or 2026-01-31T12:00:00Z.") from None
    return rfc3339(time.astimezone(UTC))  # a time without a zone is in this machine's zone


def follow_lines(
    session: Session,
    path: str,
    after: int,
    out: Output,
    params: Mapping[str, Any] = NO_PARAMS,
    pause: Pause = time.sleep,
) -> Iterator[LogLine]:
    """Yield every log line with a number above `after`, once, as it arrives.

    If the connection breaks, or the server is busy or restarting, connect again. Raises: Refused for other errors.
    """
    seconds = FIRST_PAUSE_SECONDS
    while True:
        try:
            for line in _stream(session, path, after, params):
                after, seconds = line.seq, FIRST_PAUSE_SECONDS
                yield line
        except Unreachable as error:
            out.hint(f"{error.detail} Trying again.")
        pause(seconds)
        seconds = min(seconds * 2, MAX_PAUSE_SECONDS)


def _stream(session: Session, path: str, after: int, params: Mapping[str, Any]) -> Iterator[LogLine]:
    headers = {"accept": "text/event-stream", "last-event-id": str(after)}
    asked = {**params, "follow": "true", "after": after}
    reply = session.send(Call("GET", path, params=asked, headers=headers, seconds=SILENCE_SECONDS), stream=True)
    with session.http.parts(reply) as parts:
        if reply.status_code in PASSING:
            raise Unreachable(f"{session.url} answered {reply.status_code}.")
        if not reply.is_success:
            reply.read()
            refuse(reply)
        for event in events(parts):
            if event.kind == "log":
                yield _line(event.data)


def _line(data: str) -> LogLine:
    try:
        return msgspec.json.decode(data, type=LogLine)
    except msgspec.MsgspecError as error:
        raise Failure("unexpected_answer", f"The server sent a log line that cannot be read: {error}.") from None


def show(line: LogLine, out: Output, named: bool = False) -> None:
    """Print a log line. `named`: also print the name of its function, for logs of several functions."""
    if out.json:
        out.document(line)
        return
    style = STYLES[line.level]
    whose = f"{line.function} v{line.version}" if named else f"v{line.version}"
    begin = f"{line.at.astimezone():%H:%M:%S}.{line.at.microsecond // 1000:03d} {whose} "
    text = Text.assemble((begin, "dim"), (f"{line.level.value:<5} ", style), (visible(line.text), style))
    out.results.print(text, soft_wrap=True)
    if line.truncated:
        out.results.print(Text("… (the rest was too long to keep)", "dim"))
