"""Background jobs that delete what is over: revocations, sessions, tokens. Every room with a feed runs them.

Nothing depends on when they run, because every query looks at the times in the rows. They only keep tables small, and
keep secrets no longer than needed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final, Protocol

from bunbase.pkg.clock import Clock
from bunbase.pkg.jobs import Job
from bunbase.pkg.sessions import SessionSettings

KEEP: Final = timedelta(days=1)  # a row stays a day after its end, so that a late client is told why it is refused
UPKEEP_SECONDS: Final = 600.0
PAIRS_SECONDS: Final = 5.0  # the sealed pairs are secrets, and useless after `reuse_grace_seconds`

Delete = Callable[[datetime], Awaitable[object]]  # deletes everything that ended before a time


class Revocations(Protocol):
    """Part of `pkg.db.feed.Feed`, which this folder must not import."""

    async def forget(self) -> int: ...


def upkeep_job(room: str, revocations: Revocations, delete_over: Delete, clock: Clock) -> Job:
    """Return the job that deletes old revocations, and rows that were over a day ago."""

    async def work() -> None:
        await revocations.forget()
        await delete_over(clock.now() - KEEP)

    return Job(f"{room}.forget", work, UPKEEP_SECONDS)


def pairs_job(room: str, forget_pairs: Delete, settings: SessionSettings, clock: Clock) -> Job:
    """Return the job that deletes the pair a used refresh token was traded for, once no retry may ask for it."""

    async def work() -> None:
        await forget_pairs(clock.now() - timedelta(seconds=settings.reuse_grace_seconds))

    return Job(f"{room}.forget_pairs", work, PAIRS_SECONDS)
