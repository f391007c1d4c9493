"""All SQL of BunAuth. Secrets are stored only as hashes. Private keys are stored only sealed."""

from __future__ import annotations

from datetime import datetime

from bunbase.bunauth.store.accounts import AccountStore
from bunbase.bunauth.store.activity import ActivityStore
from bunbase.bunauth.store.administration import AdministrationStore
from bunbase.bunauth.store.device_logins import DeviceLoginStore
from bunbase.bunauth.store.holders import AccountHolders
from bunbase.bunauth.store.invites import InviteStore
from bunbase.bunauth.store.known_devices import KnownDeviceStore
from bunbase.bunauth.store.oauth_clients import OAuthClientStore
from bunbase.bunauth.store.oauth_requests import OAuthCodeStore, OAuthRequestStore
from bunbase.bunauth.store.oauth_sessions import OAuthSessionStore
from bunbase.bunauth.store.page_passes import PagePassStore
from bunbase.bunauth.store.personal_tokens import PersonalTokenStore
from bunbase.bunauth.store.sessions import SessionStore
from bunbase.bunauth.store.signing_keys import SigningKeyStore
from bunbase.contracts.revocations import Revocation
from bunbase.pkg.clock import Clock
from bunbase.pkg.db.database import Database
from bunbase.pkg.db.feed import Feed
from bunbase.pkg.db.lifetimes import Lifetimes
from bunbase.pkg.identity.store import INSTALLATION, IdentityStores, delete_expired
from bunbase.pkg.mail.outbox import MailOutbox


class Stores:
    def __init__(self, db: Database, clock: Clock, access_ttl_seconds: int, mails: MailOutbox) -> None:
        self.db = db
        self.clock = clock
        self.mails = mails
        self.feed = Feed(db, Revocation, clock)
        self.lifetimes = Lifetimes(db, clock, access_ttl_seconds)
        self.accounts = AccountStore(db)
        self.activity = ActivityStore(db)
        self.known_devices = KnownDeviceStore(db)
        self.sessions = SessionStore(db, self.feed)
        self.personal_tokens = PersonalTokenStore(db, self.feed)
        self.device_logins = DeviceLoginStore(db)
        self.invites = InviteStore(db)
        self.page_passes = PagePassStore(db)
        self.pool = IdentityStores(db, mails, INSTALLATION)
        self.factors = self.pool.factors
        self.mail_tokens = self.pool.mail_tokens
        self.email_changes = self.pool.email_changes
        self.identities = self.pool.identities
        self.holders = AccountHolders(db)
        self.oauth_clients = OAuthClientStore(db, self.feed)
        self.oauth_requests = OAuthRequestStore(db)
        self.oauth_codes = OAuthCodeStore(db)
        self.oauth_sessions = OAuthSessionStore(db, self.feed)
        self.signing_keys = SigningKeyStore(db, self.feed)
        self.administration = AdministrationStore(db, self.feed)

    async def delete_over(self, before: datetime) -> None:
        """Delete the sessions, tokens and invitations that ended or expired before a time."""
        await self.sessions.delete_over(before)
        for expiring in (
            self.personal_tokens,
            self.invites,
            self.device_logins,
            self.page_passes,
            self.oauth_codes,
        ):
            await expiring.delete_expired(before)
        await delete_expired(self.db, before, self.clock.now())
        # Attackers can cause these rows, so they are deleted as soon as they expire.
        await self.oauth_requests.delete_expired(self.clock.now())
