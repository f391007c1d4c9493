"""Reading what functions logged."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from bunbase.contracts.caller import Caller, Role
from bunbase.contracts.functions import LogLine, LogPage
from bunbase.functions.service.parts import Parts
from bunbase.pkg.cursors import decode_cursor, encode_cursor

NEWEST: Final = 2**63 - 1  # what PostgreSQL's bigint holds
BATCH_LINES: Final = 500
QUIET_SECONDS: Final = 1.0  # also how late a line is when its NOTIFY was lost


class Logging(Parts):
    async def logs(self, caller: Caller, name: str, limit: int, cursor: str | None, invocation: str | None) -> LogPage:
        caller.need(Role.VIEWER)
        await self.existing(caller.project, name)
        if invocation is not None and not invocation.isprintable():  # PostgreSQL takes no NUL
            return LogPage((), None)
        await self.log_lines.flush()
        query = f"logs:{caller.project}:{name}:{invocation}"
        before = decode_cursor(query, cursor, int) if cursor else NEWEST
        found = await self.stores.logs.before(caller.project, name, before, invocation, limit + 1)
        more = len(found) > limit
        return LogPage(tuple(found[:limit]), encode_cursor(query, found[limit - 1].seq) if more else None)

    async def follow_logs(self, caller: Caller, name: str, after: int | None) -> AsyncIterator[LogLine | None]:
        caller.need(Role.VIEWER)
        await self.existing(caller.project, name)
        with self.followers.following(caller.project) as news:
            seen = await self.stores.logs.newest(caller.project, name) if after is None else after
            yield None  # from here on nothing is missed
            while True:
                news.clear()
                lines = await self.stores.logs.after(caller.project, name, seen, BATCH_LINES)
                for line in lines:
                    yield line
                    seen = line.seq
                if len(lines) < BATCH_LINES and not await _within(QUIET_SECONDS, news):
                    yield None


async def _within(seconds: float, event: asyncio.Event) -> bool:
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False
