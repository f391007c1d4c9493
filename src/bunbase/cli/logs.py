"""`bunbase logs`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Annotated, Final

import msgspec
from cyclopts import Parameter
from cyclopts.validators import Number
from rich.text import Text

from bunbase.cli.chosen import needed_project
from bunbase.cli.errors import Failure, Unreachable
from bunbase.cli.flags import PROJECT_FLAGS, ProjectFlags
from bunbase.cli.http import Call, at, refuse
from bunbase.cli.output import Output, visible
from bunbase.cli.session import Session, open_session
from bunbase.cli.sse import events
from bunbase.contracts.functions import LogLevel, LogLine, LogPage

SILENCE_SECONDS: Final = 45.0  # the server sends a heartbeat every 15 s at most; after three the line is dead
PASSING: Final = frozenset({429, 500, 502, 503, 504})  # what a server says that is busy or restarting
FIRST_PAUSE_SECONDS: Final = 0.5
MAX_PAUSE_SECONDS: Final = 10.0
STYLES: Final = {LogLevel.DEBUG: "dim", LogLevel.INFO: "", LogLevel.WARN: "yellow", LogLevel.ERROR: "red"}

Pause = Callable[[float], None]


def logs(
    name: Annotated[str, Parameter(help="The function's name.")],
    /,
    *,
    follow: Annotated[
        bool, Parameter(name=("--follow", "-f"), negative="", show_default=False, help="Go on until Ctrl-C.")
    ] = False,
    limit: Annotated[int, Parameter(validator=Number(gte=1, lte=500), help="How many of the newest lines.")] = 100,
    invocation: Annotated[str, Parameter(show_default=False, help="Only the lines of this invocation.")] = "",
    flags: ProjectFlags = PROJECT_FLAGS,
) -> None:
    """Show what a function wrote to its console, oldest line first."""
    out = Output(flags.json)
    with open_session(flags) as session:
        path = at("projects", needed_project(flags.project, session), "functions", name, "logs")
        params: dict[str, str | int] = {"limit": limit} | ({"invocation": invocation} if invocation else {})
        page = session.ask(LogPage, Call("GET", path, params=params))
        if flags.json and not follow:
            out.document(page)
            return
        for line in reversed(page.items):
            _show(line, out)
        if not follow:
            return
        for line in followed(session, path, page.items[0].seq if page.items else 0, out):
            if invocation in ("", line.invocation):
                _show(line, out)


def followed(session: Session, path: str, after: int, out: Output, pause: Pause = time.sleep) -> Iterator[LogLine]:
    """Give every line behind `after` as it comes, each once, over as many connections as it takes.

    Raises: what the server refuses for good.
    """
    seconds = FIRST_PAUSE_SECONDS
    while True:
        try:
            for line in _stream(session, path, after):
                after, seconds = line.seq, FIRST_PAUSE_SECONDS
                yield line
        except Unreachable as error:
            out.hint(f"{error.detail} Trying again.")
        pause(seconds)
        seconds = min(seconds * 2, MAX_PAUSE_SECONDS)


def _stream(session: Session, path: str, after: int) -> Iterator[LogLine]:
    headers = {"accept": "text/event-stream", "last-event-id": str(after)}
    params = {"follow": "true", "after": after}
    reply = session.send(Call("GET", path, params=params, headers=headers, seconds=SILENCE_SECONDS), stream=True)
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


def _show(line: LogLine, out: Output) -> None:
    if out.json:
        out.document(line)
        return
    style = STYLES[line.level]
    begin = f"{line.at.astimezone():%H:%M:%S}.{line.at.microsecond // 1000:03d} v{line.version} "
    text = Text.assemble((begin, "dim"), (f"{line.level.value:<5} ", style), (visible(line.text), style))
    out.results.print(text, soft_wrap=True)
    if line.truncated:
        out.results.print(Text("… and more, which was too much to keep", "dim"))
