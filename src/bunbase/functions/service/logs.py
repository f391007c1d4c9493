"""Reads the logs of functions: pages of stored lines, or a stream of new lines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Final

import msgspec

from bunbase.contracts.caller import Act, Caller
from bunbase.contracts.functions.logs import ALL_LINES, LogFilter, LogLine, LogPage
from bunbase.functions.logs.buffer import LogBuffer
from bunbase.functions.logs.followers import Followers
from bunbase.functions.service.existing import existing_version
from bunbase.functions.store import Stores
from bunbase.pkg.cursors import cut_page, page_start
from bunbase.pkg.errors import InvalidInput

NEWEST: Final = 2**63 - 1  # This is the largest bigint of PostgreSQL.
Seq = Annotated[int, msgspec.Meta(ge=0, le=NEWEST)]
MIN_YEAR: Final = 1970
MAX_YEAR: Final = 9998
BATCH_LINES: Final = 500
QUIET_SECONDS: Final = 1.0  # If a NOTIFY is lost, its line arrives at most this much later.


class Logs:
    def __init__(self, stores: Stores, log_lines: LogBuffer, followers: Followers) -> None:
        self.stores = stores
        self.log_lines = log_lines
        self.followers = followers

    async def logs(
        self, caller: Caller, name: str | None, limit: int, cursor: str | None, which: LogFilter | None = None
    ) -> LogPage:
        which = which or ALL_LINES
        if not await self._check_filter(caller, name, which):
            return LogPage((), None)
        await self.log_lines.flush()
        query = f"logs:{caller.project}:{name or ''}:{msgspec.json.encode(which).decode()}"
        before = page_start(query, cursor, Seq, NEWEST)
        found = await self.stores.logs.before(caller.project, name, before, which, limit + 1)
        page, following = cut_page(found, limit, query, lambda line: line.seq)
        return LogPage(tuple(page), following)

    async def follow_logs(
        self, caller: Caller, name: str | None, after: int | None, which: LogFilter | None = None
    ) -> AsyncIterator[LogLine | None]:
        which = which or ALL_LINES
        if not await self._check_filter(caller, name, which):
            raise InvalidInput("No invocation can have this id.")
        with self.followers.following(caller.project) as news:
            seen = await self.stores.logs.newest(caller.project, name) if after is None else after
            yield None  # The stream has begun, and every later line will be sent.
            while True:
                news.clear()
                newest = await self.stores.logs.newest(caller.project, name)
                lines = await self._lines_after(caller.project, name, seen, newest, which)
                for line in lines:
                    yield line
                    seen = line.seq
                if len(lines) == BATCH_LINES:
                    continue
                seen = max(seen, newest)  # Lines that the filter excludes are read only once.
                if not await _is_set_within(QUIET_SECONDS, news):
                    yield None

    async def _lines_after(
        self, project: str, name: str | None, seen: int, newest: int, which: LogFilter
    ) -> list[LogLine]:
        if newest <= seen:
            return []
        return await self.stores.logs.after(project, name, seen, newest, which, BATCH_LINES)

    async def _check_filter(self, caller: Caller, name: str | None, which: LogFilter) -> bool:
        """Check that the caller may read these lines. Return False if no line can match the filter.

        Raises: Forbidden, FunctionNotFound, InvalidInput.
        """
        caller.check(Act.LOG_READ)
        if name is not None:
            await existing_version(self.stores.functions, caller.project, name)
        for label, time in (("since", which.since), ("until", which.until)):
            if time is not None and (time.tzinfo is None or not MIN_YEAR <= time.year <= MAX_YEAR):
                raise InvalidInput.at(f"/{label}", f"Send `{label}` with its time zone, as in 2026-01-31T12:00:00Z.")
        # PostgreSQL accepts no NUL in a text, and no line contains NUL.
        return "\0" not in which.text and (which.invocation is None or which.invocation.isprintable())


async def _is_set_within(seconds: float, event: asyncio.Event) -> bool:
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False
