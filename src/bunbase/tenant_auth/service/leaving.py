"""Delete the signed-in user."""

from __future__ import annotations

from bunbase.contracts.caller import Caller
from bunbase.tenant_auth.journal import the_user
from bunbase.tenant_auth.people import account_deleted
from bunbase.tenant_auth.places import Places
from bunbase.tenant_auth.service.callers import keyed_project
from bunbase.tenant_auth.service.cascade import Cascade
from bunbase.tenant_auth.service.proofs import Proofs


class Leaving:
    def __init__(self, proofs: Proofs, places: Places, cascade: Cascade) -> None:
        self.proofs = proofs
        self.pools = proofs.pools
        self.places = places
        self.cascade = cascade

    async def delete(self, caller: Caller) -> None:
        """Delete the signed-in user and end all sessions within a second.

        The settings decide about the data (`cascade.py`).

        For an anonymous user, the token is enough, because an anonymous user has no way to prove anything.
        Raises: ReauthenticationRequired, Unauthenticated.
        """
        project = keyed_project(caller)
        user = caller.end_user() if caller.end_user().anonymous else await self.proofs.need_fresh(caller)
        until = await self.pools.revoked_until()
        if not await self.cascade.delete_user(project, user.uid, until, the_user(caller)):
            raise account_deleted()  # Another request has deleted the user at the same moment.
        self.places.count_again(project)
