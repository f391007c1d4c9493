"""All SQL of tenant-auth.

The first condition of every statement is the project. Only statements that delete old rows act on all projects.
"""

from __future__ import annotations

from bunbase.contracts.revocations import Revocation
from bunbase.pkg.clock import Clock
from bunbase.pkg.db.database import Database
from bunbase.pkg.db.feed import Feed
from bunbase.pkg.db.lifetimes import Lifetimes
from bunbase.tenant_auth.store.sessions import SessionStore
from bunbase.tenant_auth.store.users import UserStore


class Stores:
    def __init__(self, db: Database, clock: Clock, access_ttl_seconds: int) -> None:
        self.db = db
        self.feed = Feed(db, Revocation, clock)
        self.lifetimes = Lifetimes(db, clock, access_ttl_seconds)
        self.sessions = SessionStore(db, self.feed)
        self.users = UserStore(db, self.feed, self.sessions)
