"""Reports the first use of access tokens. After this report, the refresh token that led to the access token is spent.

A request must neither wait for this report nor fail because of it. Therefore uses are collected and sent a few times a
second. If this process is killed in between, the report is lost, and a spent refresh token returns its pair once more.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from bunbase.contracts.bunauth.tokens import FirstUse
from bunbase.pkg.errors import Problem
from bunbase.pkg.jobs import Job, running
from bunbase.pkg.logger import logger

log = logger("gateway")

REPORT_SECONDS: Final = 0.25
DEADLINE_SECONDS: Final = 5.0
MOST: Final = 10_000  # At most this many reports wait. Beyond this limit, the oldest reports are dropped.
BATCH: Final = 500
GENERATION: Final = "gen"  # This claim counts refreshes: it is 0 after a sign-in. Tokens of older releases lack it.

Report = Callable[[tuple[FirstUse, ...]], Awaitable[None]]


class FirstUses:
    def __init__(self, report: Report) -> None:
        self.report = report
        # The key is the project and the session. The value is the newest generation, which includes the older ones.
        self.waiting: dict[tuple[str, str], int] = {}

    def note(self, claims: dict[str, Any], project: str = "") -> None:
        """Collect the use of an access token. Call this if the token was not seen before.

        `project`: the project of the end user whose token it is; empty for a developer's token.
        """
        session, generation = claims.get("sid"), claims.get(GENERATION, 0)
        if not session or not generation:
            return
        self.waiting[project, session] = max(generation, self.waiting.pop((project, session), 0))
        if len(self.waiting) > MOST:
            del self.waiting[next(iter(self.waiting))]

    @asynccontextmanager
    async def reporting(self) -> AsyncIterator[None]:
        """Report uses during the block, and once more at its end."""
        async with running(Job("gateway.report_first_uses", self.flush, REPORT_SECONDS)):
            yield
        await self.flush()

    async def flush(self) -> None:
        """Report all collected uses. A report that fails is logged and dropped."""
        while self.waiting:
            uses = tuple(
                FirstUse(session, self.waiting.pop((project, session)), project)
                for project, session in list(self.waiting)[:BATCH]
            )
            try:
                async with asyncio.timeout(DEADLINE_SECONDS):
                    await self.report(uses)
            except (Problem, TimeoutError) as error:
                log.info("first uses of tokens could not be reported", count=len(uses), error=repr(error))
                return
