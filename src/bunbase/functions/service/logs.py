"""Reading what functions logged."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Final

import msgspec

from bunbase.contracts.caller import Caller, Role
from bunbase.contracts.function_logs import ALL_LINES, LogFilter, LogLine, LogPage
from bunbase.functions.service.parts import Parts
from bunbase.pkg.cursors import decode_cursor, encode_cursor
from bunbase.pkg.errors import InvalidInput

NEWEST: Final = 2**63 - 1  # what PostgreSQL's bigint holds
Seq = Annotated[int, msgspec.Meta(ge=0, le=NEWEST)]
MIN_YEAR: Final = 1970
MAX_YEAR: Final = 9998
BATCH_LINES: Final = 500
QUIET_SECONDS: Final = 1.0  # also how late a line is when its NOTIFY was lost


class Logging(Parts):
    async def logs(
        self, caller: Caller, name: str | None, limit: int, cursor: str | None, which: LogFilter | None = None
    ) -> LogPage:
        which = which or ALL_LINES
        if not await self._readable(caller, name, which):
            return LogPage((), None)
        await self.log_lines.flush()
        query = f"logs:{caller.project}:{name or ''}:{msgspec.json.encode(which).decode()}"
        before = decode_cursor(query, cursor, Seq) if cursor else NEWEST
        found = await self.stores.logs.before(caller.project, name, before, which, limit + 1)
        more = len(found) > limit
        return LogPage(tuple(found[:limit]), encode_cursor(query, found[limit - 1].seq) if more else None)

    async def follow_logs(
        self, caller: Caller, name: str | None, after: int | None, which: LogFilter | None = None
    ) -> AsyncIterator[LogLine | None]:
        which = which or ALL_LINES
        if not await self._readable(caller, name, which):
            raise InvalidInput("No invocation can be called so.")
        with self.followers.following(caller.project) as news:
            seen = await self.stores.logs.newest(caller.project, name) if after is None else after
            yield None  # from here on nothing is missed
            while True:
                news.clear()
                newest = await self.stores.logs.newest(caller.project, name)
                lines = await self._behind(caller.project, name, seen, newest, which)
                for line in lines:
                    yield line
                    seen = line.seq
                if len(lines) == BATCH_LINES:
                    continue
                seen = max(seen, newest)  # what does not pass the filter is looked at once
                if not await _within(QUIET_SECONDS, news):
                    yield None

    async def _behind(self, project: str, name: str | None, seen: int, newest: int, which: LogFilter) -> list[LogLine]:
        if newest <= seen:
            return []
        return await self.stores.logs.after(project, name, seen, newest, which, BATCH_LINES)

    async def _readable(self, caller: Caller, name: str | None, which: LogFilter) -> bool:
        """See that the caller may read, and whether there can be such lines. Raises: FunctionNotFound, InvalidInput."""
        caller.need(Role.VIEWER)
        if name is not None:
            await self.existing(caller.project, name)
        for label, time in (("since", which.since), ("until", which.until)):
            if time is not None and (time.tzinfo is None or not MIN_YEAR <= time.year <= MAX_YEAR):
                message = f"Send `{label}` with its time zone, as in 2026-01-31T12:00:00Z."
                raise InvalidInput(message, errors=[{"path": f"/{label}", "message": message}])
        # PostgreSQL takes no NUL, and no line has one
        return "\0" not in which.text and (which.invocation is None or which.invocation.isprintable())


async def _within(seconds: float, event: asyncio.Event) -> bool:
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False
