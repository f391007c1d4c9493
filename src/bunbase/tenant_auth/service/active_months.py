"""Store and read the active users of each month (`active_users.py` counts them)."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from bunbase.contracts.tenant_auth.active_users import ActiveMonth
from bunbase.pkg.clock import Clock
from bunbase.tenant_auth.active_users import ActiveUsers, month_of
from bunbase.tenant_auth.store import Stores

# This long after the end of a month, all processes have stored the users of that month.
LATE: Final = timedelta(days=2)


class ActiveMonths:
    def __init__(self, stores: Stores, active: ActiveUsers, clock: Clock) -> None:
        self.store = stores.active_users
        self.active = active
        self.clock = clock

    async def of_project(self, project: str) -> tuple[ActiveMonth, ...]:
        """Return this month and the eleven before it."""
        await self.flush()
        now = self.clock.now()
        since = now.replace(year=now.year - 1, day=1) + timedelta(days=31)
        return tuple(await self.store.of_project(project, month_of(since)))

    async def of_all(self) -> int:
        await self.flush()
        return await self.store.of_all(month_of(self.clock.now()))

    async def flush(self) -> None:
        """Store the users who were active since the last call. If this fails, the next call stores them."""
        taken = self.active.take()
        try:
            await self.store.add(taken)
        except BaseException:
            self.active.put_back(taken)
            raise

    async def close_months(self) -> None:
        """Replace the users of past months with numbers."""
        await self.store.close_before(month_of(self.clock.now() - LATE))
