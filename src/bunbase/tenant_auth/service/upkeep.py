"""What other rooms ask of the pools of users, and what is forgotten in the background."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Final

from bunbase.contracts.bunauth import Jwks
from bunbase.contracts.revocations import Revocation, RevokedKind
from bunbase.pkg.addresses import email_or_none
from bunbase.pkg.sessions import LATEST_SESSIONS, is_neighbour
from bunbase.tenant_auth.service.parts import Parts

KEEP: Final = timedelta(days=1)  # what is over stays a day, so that a late client hears why it was refused


class Upkeep(Parts):
    async def jwks(self, project: str) -> Jwks:
        return await self.access.jwks(project)

    async def session_alive(self, project: str, session: str, version: int) -> bool:
        return await self.stores.sessions.alive(project, session, version, self.clock.now())

    async def knows_address(self, project: str, email: str, ip: str) -> bool:
        normal = email_or_none(email)
        if normal is None:
            return False
        return is_neighbour(ip, await self.stores.sessions.addresses(project, normal, LATEST_SESSIONS))

    async def drop_project(self, project: str) -> None:
        self.access.forget(project)
        self.places.forget(project)
        await self.stores.users.drop_project(project)

    async def revocations(self) -> AsyncIterator[Revocation]:
        async for told in self.stores.feed.follow(Revocation(RevokedKind.READY), Revocation(RevokedKind.ALIVE)):
            yield told

    async def forget_pairs(self) -> None:
        """Delete what used refresh tokens were traded for, once no retry may ask for it."""
        await self.stores.sessions.forget_pairs(self.clock.now() - timedelta(seconds=self.settings.reuse_grace_seconds))

    async def forget(self) -> None:
        """Delete what nobody needs any more: old revocations, sessions and tokens that were over a day ago."""
        await self.stores.feed.forget()
        await self.stores.sessions.delete_over(self.clock.now() - KEEP)
