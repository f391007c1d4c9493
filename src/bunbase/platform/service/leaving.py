"""Deletes accounts: first their memberships in Platform, then the account in BunAuth.

Projects and organisations must never lose their last owner. An account is therefore refused while it is the only owner
of a project, or of an organisation with other members. Organisations without other members and without projects are
deleted.

While an account is being deleted, it cannot join anything (`store/departures.py`). If the process is killed after it
has removed the memberships, the account still exists. The person can send the request again, or join projects again
after JOINS_NOTHING.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from bunbase.contracts.bunauth.problems import LastAdministrator, ReauthenticationRequired
from bunbase.contracts.bunauth.service import BunAuth
from bunbase.contracts.caller import Act, Caller
from bunbase.contracts.platform import AccountOwnsProjects, LastOwner
from bunbase.pkg.clock import Clock
from bunbase.platform.service.rules import forget_at
from bunbase.platform.store import Stores

MOST_NAMED: Final = 20  # the error names at most this number of projects
JOINS_NOTHING: Final = timedelta(minutes=5)  # every request that began before the deletion ends within this time
REFUSALS: Final = (AccountOwnsProjects, LastOwner, LastAdministrator, ReauthenticationRequired)


class Leaving:
    def __init__(self, stores: Stores, bunauth: BunAuth, clock: Clock) -> None:
        self.stores = stores
        self.bunauth = bunauth
        self.clock = clock

    async def delete_account(self, caller: Caller) -> None:
        caller.check(Act.ACCOUNT_DELETE)
        await self.bunauth.check_account_deletion(caller)  # check before the memberships are removed
        developer, departures = caller.signed_in().id, self.stores.departures
        await departures.begin(developer, self.clock.now() + JOINS_NOTHING)
        try:
            async with self.stores.db.transaction():
                await self._leave(developer)
            await self.bunauth.delete_account(caller)
        except REFUSALS:
            await departures.cancel(developer)
            raise

    async def _leave(self, developer: str) -> None:
        """Remove all memberships of a developer. Raises: AccountOwnsProjects, LastOwner."""
        alone = await self.stores.departures.owned_alone(developer)
        projects = await self.stores.departures.slugs_of([org.id for org in alone], MOST_NAMED)
        if projects:
            raise AccountOwnsProjects(
                "Transfer these projects to an organisation with another owner, or delete them with "
                '"now": true. Projects that can still be restored count too.',
                projects=projects,
            )
        if shared := [org.slug for org in alone if org.others]:
            raise LastOwner("Make another member of these organisations an owner first.", organisations=shared)
        for org in alone:
            await self.stores.orgs.delete(org.id, self.clock.now())
        await self.stores.departures.remove(developer, forget_at(self.clock))
