"""Delete the signed-in user."""

from __future__ import annotations

from bunbase.contracts.caller import Caller
from bunbase.tenant_auth.people import account_deleted
from bunbase.tenant_auth.places import Places
from bunbase.tenant_auth.service.callers import keyed_project
from bunbase.tenant_auth.service.proofs import Proofs


class Leaving:
    def __init__(self, proofs: Proofs, places: Places) -> None:
        self.proofs = proofs
        self.pools = proofs.pools
        self.places = places

    async def delete(self, caller: Caller) -> None:
        """Delete the user with all sessions, which end within a second. The user's documents stay.

        Raises: ReauthenticationRequired, Unauthenticated.
        """
        project, user = keyed_project(caller), await self.proofs.need_fresh(caller)
        if not await self.pools.stores.users.delete(project, user.uid, await self.pools.revoked_until()):
            raise account_deleted()  # by another request at the same moment
        self.places.count_again(project)
