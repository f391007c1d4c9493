"""The users of one project, in the form that `pkg/identity/external_people.py` needs."""

from __future__ import annotations

from bunbase.pkg.identity.external_people import JoinedAccount
from bunbase.tenant_auth.first_proofs import take_over
from bunbase.tenant_auth.people import Person
from bunbase.tenant_auth.pool import Pool
from bunbase.tenant_auth.store import Stores


class PoolPeople:
    """The users of one project. `until`: the Unix time at which all access tokens that are valid now have expired."""

    def __init__(self, pool: Pool, stores: Stores, until: float) -> None:
        self.pool = pool
        self.project = pool.project
        self.users = stores.users
        self.sessions = stores.sessions
        self.until = until

    async def existing(self, id: str) -> Person | None:
        return await self.users.by_id(self.project, id)

    async def with_email(self, email: str) -> JoinedAccount | None:
        known = await self.users.by_email(self.project, email)
        found = None if known is None else await self.locked(known.id)
        if found is None or found.email != email:  # Another request has changed the address meanwhile.
            return None
        return JoinedAccount(found.id, found.user.email_verified)

    async def of_session(self, session: str) -> str | None:
        return await self.sessions.user_of(self.project, session, self.pool.clock.now())

    async def locked(self, id: str) -> Person | None:
        return await self.users.locked(self.project, id)

    async def take_over(self, id: str) -> None:
        person = await self.locked(id)
        if person is not None:
            await take_over(self.pool, person, self.until)
