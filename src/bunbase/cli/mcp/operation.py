"""Tools about functions: the deployed versions, their log lines and their statistics."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from bunbase.cli.logs import logs_path, time_of
from bunbase.cli.mcp.answers import NOTICE, WHOLE, Cut, Notice, number_that_fits
from bunbase.cli.mcp.collections import NoArguments
from bunbase.cli.mcp.project_api import ProjectApi
from bunbase.cli.mcp.tool import Tool
from bunbase.contracts.functions.deployments import FunctionConfig, Versions
from bunbase.contracts.functions.logs import LogLevel, LogLine, LogPage
from bunbase.contracts.functions.usage import FunctionStats

MAX_LINES: Final = 200
MAX_FUNCTIONS: Final = 100
MAX_HOURS: Final = 168

FunctionName = Annotated[str, Meta(pattern="^[a-z][a-z0-9-]{0,62}$", description="The name of the function.")]
Time = Annotated[str | None, Meta(description="An age, such as 15m, 2h or 1d, or a time in RFC 3339.")]


class LogArguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    function: Annotated[FunctionName | None, Meta(description="Default: all functions.")] = None
    level: Annotated[LogLevel | None, Meta(description="Only lines of this level or of a more severe level.")] = None
    contains: Annotated[
        Annotated[str, Meta(max_length=256)] | None,
        Meta(description="Only lines that contain this text, in upper or lower case."),
    ] = None
    since: Time = None
    until: Time = None
    invocation: Annotated[
        Annotated[str, Meta(max_length=64)] | None, Meta(description="Only the lines of this invocation.")
    ] = None
    limit: Annotated[int, Meta(ge=1, le=MAX_LINES, description="The largest number of lines.")] = 50


class ShownLines(msgspec.Struct, frozen=True):
    notice: Notice
    lines: Annotated[list[LogLine], Meta(description="The newest line is the first one.")]
    cut: Cut


class ShownFunction(msgspec.Struct, frozen=True):
    name: str
    version: Annotated[int, Meta(description="The number of the active version.")]
    size: Annotated[int, Meta(description="The bytes of the bundle.")]
    deployed_at: datetime
    config: Annotated[FunctionConfig, Meta(description="`access`: who may call it; `on`: changes that run it.")]


class ShownFunctions(msgspec.Struct, frozen=True):
    functions: list[ShownFunction]
    cut: Cut


class StatsArguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    function: FunctionName
    hours: Annotated[int, Meta(ge=1, le=MAX_HOURS, description="How many hours to look back.")] = 24


class ShownStats(msgspec.Struct, frozen=True):
    stats: FunctionStats
    cut: Cut


def read_logs(project: ProjectApi, asked: LogArguments) -> ShownLines:
    now = datetime.now(UTC)
    params: dict[str, Any] = {
        "level": asked.level,
        "q": asked.contains,
        "since": time_of(asked.since or "", now),
        "until": time_of(asked.until or "", now),
        "invocation": asked.invocation,
        "limit": asked.limit,
    }
    sent = {name: value for name, value in params.items() if value}
    page = project.ask(LogPage, "GET", logs_path(project.project, asked.function or ""), params=sent)
    fitting = number_that_fits(page.items)
    cut = f"Only the newest {fitting} of {len(page.items)} lines fit. Read older lines with `until`."
    if fitting == len(page.items):
        cut = "There are older lines: read them with `until` or a larger `limit`." if page.next else WHOLE
    return ShownLines(NOTICE, list(page.items[:fitting]), cut)


def list_functions(project: ProjectApi, _asked: NoArguments) -> ShownFunctions:
    page = project.ask(Versions, "GET", project.path("functions"), params={"limit": MAX_FUNCTIONS})
    shown = [ShownFunction(one.name, one.version, one.size, one.created_at, one.config) for one in page.items]
    fitting = number_that_fits(shown)
    whole = fitting == len(shown) and page.next is None
    cut = f"Only the first {fitting} functions are shown, ordered by name."
    return ShownFunctions(shown[:fitting], WHOLE if whole else cut)


def function_stats(project: ProjectApi, asked: StatsArguments) -> ShownStats:
    path = project.path("functions", asked.function, "stats")
    stats = project.ask(FunctionStats, "GET", path, params={"hours": asked.hours})
    fitting = number_that_fits(stats.hours)
    cut = f"The totals are complete; only the newest {fitting} hours are listed."
    return ShownStats(
        msgspec.structs.replace(stats, hours=stats.hours[:fitting]), WHOLE if fitting == len(stats.hours) else cut
    )


TOOLS: Final = (
    Tool(
        "list_functions",
        "List functions",
        "List the deployed functions with their active versions and settings.",
        NoArguments,
        ShownFunctions,
        list_functions,
    ),
    Tool(
        "function_stats",
        "Statistics of a function",
        "Show calls, errors, durations, CPU time and memory of a function, by the hour.",
        StatsArguments,
        ShownStats,
        function_stats,
    ),
    Tool(
        "read_logs",
        "Read logs",
        "Read the lines that functions wrote to their console, and their uncaught errors.",
        LogArguments,
        ShownLines,
        read_logs,
        shows_data=True,
    ),
)
