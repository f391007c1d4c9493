"""Fresh proofs that an end user still owns the account. `pkg/identity/fresh_proofs.py` has the rules."""

from __future__ import annotations

from functools import partial

from bunbase.contracts.caller import Caller, EndUser
from bunbase.pkg.identity.factors import Proof
from bunbase.tenant_auth.pool import Pool, Pools
from bunbase.tenant_auth.service.callers import keyed_project


class Proofs:
    def __init__(self, pools: Pools) -> None:
        self.pools = pools

    async def need_fresh(self, caller: Caller) -> EndUser:
        """Return the signed-in user if a proof is fresh. Raises: ReauthenticationRequired, InvalidToken."""
        pool, user = await self.pools.of(keyed_project(caller)), caller.end_user()
        await pool.proofs.need(user.uid, user.session)
        return user

    async def reauthenticate(self, caller: Caller, proof: Proof) -> None:
        """Check a proof and store its time. Raises: WrongProof, RateLimited."""
        pool, user = await self.pools.of(keyed_project(caller)), caller.end_user()
        await pool.proofs.prove(user.uid, user.session, proof, partial(self._end_session, pool, user.session))

    async def _end_session(self, pool: Pool, session: str) -> None:
        until = await self.pools.revoked_until()
        await self.pools.stores.sessions.end(pool.project, session, pool.clock.now(), until)
