"""Background jobs that delete expired revocations, sessions and tokens, and store the lifetime of tokens. Every room
with a feed runs these jobs.

The jobs may delete late, because every query checks the times in the rows. The jobs keep the tables small, and delete
secrets as soon as they are not needed any more.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final, Protocol

from bunbase.pkg.clock import Clock
from bunbase.pkg.jobs import Job
from bunbase.pkg.sessions import SessionSettings

# An expired row is kept this long, so that a late client gets the reason for a refusal.
KEEP: Final = timedelta(days=1)
UPKEEP_SECONDS: Final = 600.0
LIFETIME_SECONDS: Final = 600.0  # `pkg/db/lifetimes.py` relies on this interval.
PAIRS_SECONDS: Final = 5.0  # The sealed pairs are secrets that are not needed after `reuse_grace_seconds`.

Delete = Callable[[datetime], Awaitable[object]]  # The function deletes everything that ended before a time.


class Revocations(Protocol):
    """The part of `pkg.db.feed.Feed` that is used here. This file must not import that module."""

    async def forget(self) -> int: ...


def upkeep_job(room: str, revocations: Revocations, delete_over: Delete, clock: Clock) -> Job:
    """Return the job that deletes expired revocations, and rows that expired more than a day ago."""

    async def work() -> None:
        await revocations.forget()
        await delete_over(clock.now() - KEEP)

    return Job(f"{room}.forget", work, UPKEEP_SECONDS)


def pairs_job(room: str, forget_pairs: Delete, settings: SessionSettings, clock: Clock) -> Job:
    """Return the job that deletes the sealed pairs of used refresh tokens after the grace period for retries."""

    async def work() -> None:
        await forget_pairs(clock.now() - timedelta(seconds=settings.reuse_grace_seconds))

    return Job(f"{room}.forget_pairs", work, PAIRS_SECONDS)


def lifetime_job(room: str, note_lifetime: Callable[[], Awaitable[object]]) -> Job:
    """Return the job that stores the lifetime of the access tokens of this process (`pkg/db/lifetimes.py`)."""
    return Job(f"{room}.note_lifetime", note_lifetime, LIFETIME_SECONDS)
