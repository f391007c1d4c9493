"""All SQL of tenant_auth.

Every statement restricts the project in its first condition. Only statements that delete old rows act on all projects.
The SQL for the tables of credentials is in `pkg/identity/store`; `pool.py` creates those stores for one project.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from bunbase.contracts.revocations import Revocation
from bunbase.pkg.clock import Clock
from bunbase.pkg.db.database import Database
from bunbase.pkg.db.feed import Feed
from bunbase.pkg.db.lifetimes import Lifetimes
from bunbase.pkg.db.outbox import Outbox
from bunbase.pkg.identity.store import delete_expired
from bunbase.pkg.mail.outbox import MailOutbox
from bunbase.tenant_auth.store import anonymous, dropping
from bunbase.tenant_auth.store.active_users import ActiveUserStore
from bunbase.tenant_auth.store.activity import ActivityStore
from bunbase.tenant_auth.store.codes import CodeStore
from bunbase.tenant_auth.store.invites import UserInviteStore
from bunbase.tenant_auth.store.page_codes import PageCodeStore
from bunbase.tenant_auth.store.sessions import SessionStore
from bunbase.tenant_auth.store.settings import SettingsStore
from bunbase.tenant_auth.store.text_messages import TextMessageStore
from bunbase.tenant_auth.store.transfers import TransferStore
from bunbase.tenant_auth.store.users import UserStore

KEEP_CODES = timedelta(hours=1)  # Each code counts towards the limit of an address for an hour.


class Stores:
    def __init__(self, db: Database, clock: Clock, access_ttl_seconds: int, mails: MailOutbox) -> None:
        self.db = db
        self.clock = clock
        self.mails = mails
        self.feed = Feed(db, Revocation, clock)
        self.lifetimes = Lifetimes(db, clock, access_ttl_seconds)
        self.active_users = ActiveUserStore(db)
        self.activity = ActivityStore(db)
        self.codes = CodeStore(db)
        self.invites = UserInviteStore(db)
        self.outbox = Outbox(db)
        self.page_codes = PageCodeStore(db)
        self.sessions = SessionStore(db, self.feed)
        self.settings = SettingsStore(db, self.feed, self.lifetimes)
        self.transfers = TransferStore(db)
        self.text_messages = TextMessageStore(db)
        self.users = UserStore(db, self.feed, self.sessions)

    async def delete_over(self, before: datetime) -> None:
        """Delete the sessions, tokens and links of all projects that ended or expired before a time."""
        await self.sessions.delete_over(before)
        await self.page_codes.end_unused(self.clock.now())
        await self.codes.delete_expired(self.clock.now() - KEEP_CODES)
        await delete_expired(self.db, before, self.clock.now())

    async def delete_idle_anonymous(self) -> None:
        """Delete the anonymous users of all projects who were inactive for longer than their project allows."""
        await anonymous.delete_idle(self.db, self.clock.now())

    async def drop_project(self, project: str) -> None:
        """Delete everything of a project. Idempotent."""
        await dropping.drop_project(self.db, project)
