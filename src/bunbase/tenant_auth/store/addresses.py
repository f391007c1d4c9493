"""The addresses of one project's users in PostgreSQL, for a change of an address (`pkg/identity/email_changes.py`)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial

import msgspec

from bunbase.contracts.bunauth.problems import EmailTaken
from bunbase.contracts.tenant_auth.problems import SignUpFirst
from bunbase.tenant_auth.people import with_new_email
from bunbase.tenant_auth.store.holders import Until
from bunbase.tenant_auth.store.users import UserStore


class PoolAddress(msgspec.Struct, frozen=True):
    """A user's address. `email`: empty for a user without an address. `language`: the user's language, or empty."""

    email: str
    verified: bool
    language: str


class PoolAddresses:
    """The addresses of one project's users. `allows` returns whether the project's settings allow an address."""

    def __init__(self, users: UserStore, project: str, until: Until, allows: Callable[[str], bool]) -> None:
        self.users = users
        self.project = project
        self.until = until
        self.allows = allows

    async def locked(self, id: str) -> PoolAddress | None:
        """Return the address of a user; it cannot change until the transaction ends."""
        person = await self.users.locked(self.project, id)
        if person is None:
            return None
        return PoolAddress(person.email or "", person.user.email_verified, person.user.language)

    async def set_email(self, id: str, email: str, now: datetime) -> bool:
        """Change the address. The new address is verified.

        Return False if another user has the address, if the project no longer allows it, or if the user is anonymous.
        In this case, undo the transaction.
        """
        if not self.allows(email):
            return False
        alter = partial(with_new_email, email=email)
        try:
            return await self.users.change(self.project, id, alter, now, await self.until()) is not None
        except (EmailTaken, SignUpFirst):
            return False
