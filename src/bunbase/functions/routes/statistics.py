"""`/api/projects/{project}/functions/{name}/stats` and `/api/projects/{project}/usage`."""

from __future__ import annotations

from typing import Annotated, Final

from litestar import get
from litestar.params import FromPath, QueryParameter

from bunbase.contracts.caller import Caller
from bunbase.contracts.function_usage import FunctionStats, Usage
from bunbase.contracts.functions import Functions
from bunbase.pkg.http import Injected

MAX_HOURS: Final = 744  # 31 days

Hours = Annotated[int, QueryParameter(ge=1, le=MAX_HOURS)]


@get(
    "/api/projects/{project:str}/functions/{name:str}/stats",
    summary="How a function did",
    tags=["Functions"],
)
async def function_stats(
    member: Injected[Caller], functions: Injected[Functions], name: FromPath[str], hours: Hours = 24
) -> FunctionStats:
    """Of the last `hours`, the running one included, newest first; hours without calls are left out."""
    return await functions.stats(member, name, hours)


@get("/api/projects/{project:str}/usage", summary="What a project used", tags=["Projects"])
async def project_usage(member: Injected[Caller], functions: Injected[Functions], hours: Hours = 24) -> Usage:
    """Calls of functions and their gigabyte-seconds, by the hour, newest first; hours without any are left out."""
    return await functions.usage(member, hours)


ROUTES = (function_stats, project_usage)
