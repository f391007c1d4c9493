"""Users of one project in PostgreSQL, as the holders of credentials (`pkg/identity`)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from bunbase.pkg.clock import Clock
from bunbase.tenant_auth.people import Person, next_version
from bunbase.tenant_auth.store.users import UserStore

# The function returns the Unix time at which all access tokens that are valid now have expired.
Until = Callable[[], Awaitable[float]]


class PersonHolders:
    """The users of one project, as a store that `pkg/identity` can use."""

    def __init__(self, users: UserStore, project: str, clock: Clock, until: Until) -> None:
        self.users = users
        self.project = project
        self.clock = clock
        self.until = until

    async def locked(self, id: str) -> Person | None:
        """Return the user. The user's credentials cannot change until the transaction ends."""
        return await self.users.locked(self.project, id)

    async def change_version(self, id: str) -> None:
        """Record a change of the credentials. Access tokens and concurrent sign-ins end; sessions stay."""
        await self.users.change(self.project, id, next_version, self.clock.now(), await self.until())
