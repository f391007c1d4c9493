"""Remembers the lifetimes of access tokens that may still be valid, even if the process restarts with another setting.

Concern: a revocation is kept until every access token that it ends has expired. If the operator lowers
`access_ttl_seconds`, tokens of the longer lifetime are still valid. A revocation that is kept only for the new lifetime
would be forgotten before these tokens expire, and a revoked token would be accepted again. The same happens while two
processes of a room run with different settings.

Decision: each process of a room stores its lifetime in the room's database, before it signs a token and every ten
minutes (`pkg/upkeep.py`). A revocation is kept for the longest lifetime that is stored. Rejected: keeping every
revocation for the longest lifetime that the setting allows, a day. By default, the lists in all gateways would be 96
times as long.

A room that signs access tokens has this table:

    CREATE TABLE access_lifetimes (
        seconds int PRIMARY KEY,
        until double precision NOT NULL  -- Unix seconds; every token of this lifetime has expired then
    )
"""

from __future__ import annotations

from typing import Final

from bunbase.pkg.clock import Clock
from bunbase.pkg.db.database import Database

SLACK_SECONDS: Final = 1200.0  # a process signs until its next note, ten minutes later, and the note may be late

NOTE: Final = """
INSERT INTO access_lifetimes (seconds, until) VALUES ($1, $2)
ON CONFLICT (seconds) DO UPDATE SET until = greatest(access_lifetimes.until, excluded.until)"""
LONGEST: Final = "SELECT max(seconds) FROM access_lifetimes WHERE until > $1"
FORGET: Final = "DELETE FROM access_lifetimes WHERE until <= $1"


class Lifetimes:
    """`own_seconds`: the lifetime of the access tokens that this process signs."""

    def __init__(self, db: Database, clock: Clock, own_seconds: int) -> None:
        self.db = db
        self.clock = clock
        self.own_seconds = own_seconds

    async def note(self, seconds: int | None = None) -> None:
        """Store this process's lifetime, and delete lifetimes that no valid token can have. Idempotent.

        `seconds`: another lifetime with which this process signs some of its tokens.
        """
        now, seconds = self.clock.now().timestamp(), seconds or self.own_seconds
        await self.db.execute(NOTE, seconds, now + seconds + SLACK_SECONDS)
        await self.db.execute(FORGET, now)

    async def longest_seconds(self) -> int:
        """Return the longest lifetime of an access token that may be valid now."""
        stored: int | None = await self.db.value(LONGEST, self.clock.now().timestamp())
        return max(stored or 0, self.own_seconds)
