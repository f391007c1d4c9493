"""All SQL of BunAuth. Secrets are stored only as hashes. Private keys are stored only sealed."""

from __future__ import annotations

from datetime import datetime

from bunbase.bunauth.store.accounts import AccountStore
from bunbase.bunauth.store.administration import AdministrationStore
from bunbase.bunauth.store.device_logins import DeviceLoginStore
from bunbase.bunauth.store.email_changes import EmailChangeStore
from bunbase.bunauth.store.external_logins import ExternalLoginStore
from bunbase.bunauth.store.factors import FactorStore
from bunbase.bunauth.store.identities import IdentityStore
from bunbase.bunauth.store.invites import InviteStore
from bunbase.bunauth.store.mail_tokens import MailTokenStore
from bunbase.bunauth.store.oauth_clients import OAuthClientStore
from bunbase.bunauth.store.oauth_requests import OAuthCodeStore, OAuthRequestStore
from bunbase.bunauth.store.oauth_sessions import OAuthSessionStore
from bunbase.bunauth.store.passkeys import PasskeyStore
from bunbase.bunauth.store.personal_tokens import PersonalTokenStore
from bunbase.bunauth.store.sessions import SessionStore
from bunbase.bunauth.store.sign_in_challenges import SignInChallengeStore
from bunbase.bunauth.store.signing_keys import SigningKeyStore
from bunbase.contracts.revocations import Revocation
from bunbase.pkg.clock import Clock
from bunbase.pkg.db.database import Database
from bunbase.pkg.db.feed import Feed
from bunbase.pkg.db.lifetimes import Lifetimes
from bunbase.pkg.mail.outbox import MailOutbox


class Stores:
    def __init__(self, db: Database, clock: Clock, access_ttl_seconds: int, mails: MailOutbox) -> None:
        self.db = db
        self.clock = clock
        self.mails = mails
        self.feed = Feed(db, Revocation, clock)
        self.lifetimes = Lifetimes(db, clock, access_ttl_seconds)
        self.accounts = AccountStore(db)
        self.sessions = SessionStore(db, self.feed)
        self.personal_tokens = PersonalTokenStore(db, self.feed)
        self.mail_tokens = MailTokenStore(db)
        self.device_logins = DeviceLoginStore(db)
        self.email_changes = EmailChangeStore(db)
        self.external_logins = ExternalLoginStore(db)
        self.identities = IdentityStore(db)
        self.invites = InviteStore(db)
        self.factors = FactorStore(db)
        self.oauth_clients = OAuthClientStore(db, self.feed)
        self.oauth_requests = OAuthRequestStore(db)
        self.oauth_codes = OAuthCodeStore(db)
        self.oauth_sessions = OAuthSessionStore(db, self.feed)
        self.passkeys = PasskeyStore(db)
        self.sign_in_challenges = SignInChallengeStore(db)
        self.signing_keys = SigningKeyStore(db, self.feed)
        self.administration = AdministrationStore(db, self.feed)

    async def delete_over(self, before: datetime) -> None:
        """Delete the sessions, tokens and invitations that ended or expired before a time."""
        await self.sessions.delete_over(before)
        for expiring in (
            self.personal_tokens,
            self.mail_tokens,
            self.email_changes,
            self.invites,
            self.device_logins,
            self.external_logins,
            self.factors,
            self.oauth_codes,
        ):
            await expiring.delete_expired(before)
        for challenges in (
            self.passkeys,
            self.sign_in_challenges,
            self.oauth_requests,
        ):  # strangers make them, so they are not kept
            await challenges.delete_expired(self.clock.now())
