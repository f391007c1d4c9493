"""`/api/projects/{project}/functions/{name}/stats` and `/api/projects/{project}/usage`."""

from __future__ import annotations

from typing import Annotated, Final

from litestar import get
from litestar.params import QueryParameter

from bunbase.contracts.caller import Caller
from bunbase.contracts.functions.service import Functions
from bunbase.contracts.functions.usage import FunctionStats, Usage
from bunbase.functions.routes.path_parameters import FunctionName
from bunbase.pkg.http import Injected

MAX_HOURS: Final = 744  # 31 days

Hours = Annotated[int, QueryParameter(ge=1, le=MAX_HOURS)]


@get(
    "/api/projects/{project:str}/functions/{name:str}/stats",
    summary="Get a function's statistics",
    tags=["Functions"],
)
async def get_function_stats(
    member: Injected[Caller], functions: Injected[Functions], name: FunctionName, hours: Hours = 24
) -> FunctionStats:
    """Returns statistics for the last `hours` hours, including the current hour, newest first.

    Hours without calls are left out.
    """
    return await functions.stats(member, name, hours)


@get("/api/projects/{project:str}/usage", summary="Get a project's usage", tags=["Projects"])
async def get_project_usage(member: Injected[Caller], functions: Injected[Functions], hours: Hours = 24) -> Usage:
    """Returns for each hour the number of calls of functions, their gigabyte-seconds and their processor time, the time
    of live connections, the messages that were sent to these connections, the messages that were published in channels,
    the size of all files times the hours for which they were stored, and the bytes of files that were downloaded. The
    newest hour comes first. Hours without usage are left out. `monthly_active_users` has the end users
    who signed in or refreshed a session, for this month and the eleven months before.
    """
    return await functions.usage(member, hours)


ROUTES = (get_function_stats, get_project_usage)
