"""`bunbase logs`: show the lines that functions wrote to their console."""

from __future__ import annotations

import re
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
from bunbase.cli.outage import Outage
from bunbase.cli.output import Output
from bunbase.cli.session import Session, open_session
from bunbase.cli.sse import events
from bunbase.cli.tables import visible
from bunbase.contracts.functions.logs import LogLevel, LogLine, LogPage
from bunbase.pkg.clock import rfc3339

# a connection without data for this time counts as lost: the server sends a heartbeat every 15 s
SILENCE_SECONDS: Final = 45.0
PASSING: Final = frozenset({429, 500, 502, 503, 504})  # a server that is busy or restarting answers with these
STYLES: Final = {LogLevel.DEBUG: "dim", LogLevel.INFO: "", LogLevel.WARN: "yellow", LogLevel.ERROR: "red"}
AGO: Final = re.compile(r"(\d{1,6})([smhd])")
UNIT_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
SHOWN: Final = 100
SHOWN_BEFORE_NEW: Final = 10  # `--follow` first shows this number of stored lines, as `tail -f` does
NO_PARAMS: Final[Mapping[str, Any]] = {}


def logs(
    name: Annotated[
        str | None, Parameter(show_default=False, help="The function's name. Default: all functions.")
    ] = None,
    /,
    *,
    follow: Annotated[
        bool,
        Parameter(
            name=("--follow", "-f"),
            negative="",
            show_default=False,
            help="Show new lines as they are written, until Ctrl-C, after the newest stored ones.",
        ),
    ] = False,
    limit: Annotated[
        int | None,
        Parameter(
            validator=Number(gte=1, lte=500),
            show_default=False,
            help=f"How many of the newest stored lines to show. Default: {SHOWN}; with --follow {SHOWN_BEFORE_NEW}.",
        ),
    ] = None,
    level: Annotated[LogLevel | None, Parameter(help="Only lines of this level or of a more severe level.")] = None,
    grep: Annotated[
        str | None, Parameter(show_default=False, help="Only lines that contain this text (case-insensitive).")
    ] = None,
    since: Annotated[
        str | None,
        Parameter(show_default=False, help="Start of the range: an age (30s, 15m, 2h, 1d) or an RFC 3339 time."),
    ] = None,
    until: Annotated[
        str | None, Parameter(show_default=False, help="End of the range, in the same formats as --since.")
    ] = None,
    invocation: Annotated[
        str | None, Parameter(show_default=False, help="Only the lines of the invocation with this id.")
    ] = None,
    of_version: Annotated[int | None, Parameter(help="Only the lines of this version of the function.")] = None,
    flags: ProjectFlags = PROJECT_FLAGS,
) -> None:
    """Show the lines that functions wrote to their console, oldest first.

    A line that was not written today is shown with its date. Times are in the time zone of this machine.

    Example: bunbase logs hello -f --level warn
    """
    out = Output(flags.json)
    _refuse_empty(
        {"a function's name": name, "--grep": grep, "--since": since, "--until": until, "--invocation": invocation}
    )
    if of_version is not None and not name:
        raise Usage("--of-version needs the name of a function.")
    now = datetime.now(UTC)
    asked = {
        "level": level,
        "q": grep,
        "since": time_of(since or "", now),
        "until": time_of(until or "", now),
        "invocation": invocation,
        "version": of_version,
    }
    params: dict[str, Any] = {key: value for key, value in asked.items() if value}
    with open_session(flags) as session:
        path = logs_path(needed_project(flags.project, session), name or "")
        shown = limit or (SHOWN_BEFORE_NEW if follow else SHOWN)
        page = session.ask(LogPage, Call("GET", path, params={"limit": shown, **params}))
        if flags.json and not follow:
            out.document(page)
            return
        for line in reversed(page.items):
            show(line, out, not name)
        if not follow:
            if not page.items:
                out.hint(_nothing(invocation))
            return
        for line in follow_lines(session, path, page.items[0].seq if page.items else 0, out, params):
            show(line, out, not name)


def _refuse_empty(given: Mapping[str, str | None]) -> None:
    """Refuse an empty value, which often comes from an unset variable of the shell. Raises: Usage."""
    for what, value in given.items():
        if value == "":
            raise Usage(f"The value of {what} is empty. Leave it out to see all lines.")


def _nothing(invocation: str | None) -> str:
    if invocation:
        return f"No line of {invocation}: it logged nothing, its lines were too old to keep, or the id is wrong."
    return "No line was found."


def logs_path(project: str, name: str = "") -> str:
    """Return the API path of one function's log, or of the log of all functions."""
    return at("projects", project, "functions", name, "logs") if name else at("projects", project, "logs")


def time_of(text: str, now: datetime) -> str:
    """Return a time in the API's format; "1h" is an hour before `now`. Raises: Usage."""
    if not text:
        return ""
    if ago := duration_of(text):
        return rfc3339(now - ago)
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise Usage(f"{text!r} is not a time: write 30s, 15m, 2h, 1d or 2026-01-31T12:00:00Z.") from None
    return rfc3339(time.astimezone(UTC))  # `astimezone` takes a time without a zone as a time in this machine's zone


def duration_of(text: str) -> timedelta | None:
    """Return the duration that a text such as 30s, 15m, 2h or 7d stands for, or None."""
    found = AGO.fullmatch(text)
    return timedelta(seconds=int(found[1]) * UNIT_SECONDS[found[2]]) if found else None


def follow_lines(
    session: Session,
    path: str,
    after: int,
    out: Output,
    params: Mapping[str, Any] = NO_PARAMS,
    outage: Outage | None = None,
) -> Iterator[LogLine]:
    """Yield every log line with a number above `after`, once, as it arrives.

    If the connection breaks, or the server is busy or restarting, tell the user and connect again. Then read the last
    shown line again. If this line is missing, the server has deleted lines meanwhile, perhaps also later lines.
    Raises: Unreachable if the server stays unreachable; Refused for other errors.
    """
    outage = outage or Outage(session.url, out.warn)
    reread = 0  # the number of the line to read again, or 0
    while True:
        reason = "The server ended the answer."
        try:
            for line in _stream(session, path, reread - 1 if reread else after, params, outage.end):
                if reread and (missing := line.seq - reread - 1) > 0:
                    out.warn(_deleted(missing))
                reread = 0
                if line.seq > after:
                    after = line.seq
                    outage.note_progress()
                    yield line
        except Unreachable as error:
            reason = error.detail
        reread = after
        outage.wait(reason)


def _deleted(lines: int) -> str:
    """Return the message about deleted lines.

    The exact number of deleted lines is unknown. The server numbers the lines of all projects together, so a gap in the
    numbers only limits how many lines of this project are missing.
    """
    return f"Lines are missing here, {lines} at most: the server deletes the oldest lines, and did so meanwhile."


def _stream(
    session: Session, path: str, after: int, params: Mapping[str, Any], on_connected: Callable[[], None]
) -> Iterator[LogLine]:
    headers = {"accept": "text/event-stream", "last-event-id": str(after)}
    asked = {**params, "follow": "true", "after": after}
    reply = session.send(Call("GET", path, params=asked, headers=headers, seconds=SILENCE_SECONDS), stream=True)
    with session.http.parts(reply) as parts:
        if reply.status_code in PASSING:
            raise Unreachable(f"{session.url} answered {reply.status_code}.")
        if not reply.is_success:
            reply.read()
            refuse(reply)
        on_connected()
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
    cut = " … (shortened)" if line.truncated else ""
    text = Text.assemble(
        (f"{shown_time(line.at)} {whose} ", "dim"),
        (f"{line.level.value:<5} ", style), (visible(line.text), style), (cut, "dim"),
    )  # fmt: skip
    out.results.print(text, soft_wrap=True)


def shown_time(at: datetime) -> str:
    """Return a time in this machine's time zone. Include the date if the time is not today."""
    here = at.astimezone()
    time = f"{here:%H:%M:%S}.{here.microsecond // 1000:03d}"
    return time if here.date() == datetime.now(here.tzinfo).date() else f"{here:%Y-%m-%d} {time}"
