"""All SQL of Platform: one store for each kind of row."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from bunbase.contracts.revocations import Revocation
from bunbase.pkg.clock import Clock
from bunbase.pkg.db.database import Database
from bunbase.pkg.db.feed import Feed
from bunbase.pkg.db.outbox import Outbox
from bunbase.pkg.mail.outbox import MailOutbox
from bunbase.platform.store.departures import DepartureStore
from bunbase.platform.store.groups import Group, group_name, lock_group, lock_transfer
from bunbase.platform.store.invites import InviteStore
from bunbase.platform.store.keys import KeyStore
from bunbase.platform.store.members import MemberStore
from bunbase.platform.store.orgs import OrgStore
from bunbase.platform.store.projects import ProjectStore


class Stores:
    def __init__(self, db: Database, clock: Clock, max_keys_per_project: int, mails: MailOutbox) -> None:
        self.db = db
        self.mails = mails
        self.outbox = Outbox(db)
        self.feed = Feed(db, Revocation, clock)
        self.projects = ProjectStore(db, self.feed, self.outbox)
        self.keys = KeyStore(db, self.feed, clock, max_keys_per_project)
        self.orgs = OrgStore(db)
        self.members = MemberStore(db, self.feed)
        self.invites = InviteStore(db)
        self.departures = DepartureStore(db, self.feed)

    @asynccontextmanager
    async def changing(self, group: Group) -> AsyncIterator[None]:
        """Run the block in a transaction, while nobody else changes the members of the group or deletes it.

        Raises: ProjectNotFound, OrganisationNotFound.
        """
        async with self.db.transaction():
            await lock_group(self.db, group)
            yield

    @asynccontextmanager
    async def transferring(self, project: str, org: str) -> AsyncIterator[None]:
        """Run the block in a transaction, in which the project may move to another organisation.

        Raises: ProjectNotFound, OrganisationNotFound.
        """
        async with self.db.transaction():
            await lock_transfer(self.db, project, org)
            yield

    async def name_of(self, group: Group) -> str:
        return await group_name(self.db, group)

    async def delete_expired(self, before: datetime) -> None:
        """Delete keys, invitations and marks of departures that expired before a time."""
        await self.keys.delete_expired(before)
        await self.invites.delete_expired(before)
        await self.departures.delete_expired(before)
