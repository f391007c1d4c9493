"""Store how long access tokens are valid, so that revocations stay long enough even if this setting changes.

Concern: a room keeps a revocation until every access token that it revokes has expired. If the operator lowers
`access_ttl_seconds`, tokens with the longer lifetime are still valid. If the room kept the revocation only for the new
lifetime, it would delete the revocation before these tokens expire, and a revoked token would be accepted again. The
same would happen while two processes of a room run with different settings.

Decision: each process of a room stores its lifetime in the room's database, before it signs a token and every ten
minutes (`pkg/upkeep.py`). The room keeps a revocation for the longest lifetime that is stored. To keep every revocation
for the longest lifetime that the setting allows, a day, was rejected. With the default setting, the lists in all
gateways would then be 96 times longer.

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

SLACK_SECONDS: Final = 1200.0  # A process calls `note` every ten minutes. Twice that time allows for a late call.

NOTE: Final = """
INSERT INTO access_lifetimes (seconds, until) VALUES ($1, $2)
ON CONFLICT (seconds) DO UPDATE SET until = greatest(access_lifetimes.until, excluded.until)"""
LONGEST: Final = "SELECT max(seconds) FROM access_lifetimes WHERE until > $1"
FORGET: Final = "DELETE FROM access_lifetimes WHERE until <= $1"


class Lifetimes:
    """Stores lifetimes. `own_seconds`: the lifetime of the access tokens that this process signs."""

    def __init__(self, db: Database, clock: Clock, own_seconds: int) -> None:
        self.db = db
        self.clock = clock
        self.own_seconds = own_seconds

    async def note(self, seconds: int | None = None) -> None:
        """Store this process's lifetime, and delete the lifetimes whose tokens have all expired. Idempotent.

        `seconds`: a second lifetime, if this process also signs tokens with another lifetime.
        """
        now, seconds = self.clock.now().timestamp(), seconds or self.own_seconds
        await self.db.execute(NOTE, seconds, now + seconds + SLACK_SECONDS)
        await self.db.execute(FORGET, now)

    async def longest_seconds(self) -> int:
        """Return the longest lifetime of all access tokens that may still be valid."""
        stored: int | None = await self.db.value(LONGEST, self.clock.now().timestamp())
        return max(stored or 0, self.own_seconds)
