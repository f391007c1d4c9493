"""Two pools of accounts in one database, with the tables that `pkg/identity` documents."""

from __future__ import annotations

import textwrap
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from types import ModuleType
from typing import Final

import msgspec

from bunbase.pkg import identity
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.db.database import Database
from bunbase.pkg.identity.account_passkeys import AccountPasskeys
from bunbase.pkg.identity.authenticator_apps import AuthenticatorApps
from bunbase.pkg.identity.email_changes import EmailChanges
from bunbase.pkg.identity.factor_checks import FactorChecks
from bunbase.pkg.identity.holders import Vault
from bunbase.pkg.identity.mail_links import MailLinks
from bunbase.pkg.identity.second_step import SecondStep
from bunbase.pkg.identity.sign_in_challenges import SignInChallenges
from bunbase.pkg.identity.store import IdentityStores, mail_tokens
from bunbase.pkg.mail import outbox
from bunbase.pkg.mail.account_letters import AccountLetters
from bunbase.pkg.mail.outbox import MailOutbox
from bunbase.pkg.passkeys import RelyingParty
from tests.fakes import FakeKms
from tests.pkg.db.sample_schema import opened_database

ORIGIN: Final = "https://app.example"
ACCOUNTS: Final = """
CREATE TABLE accounts (
    project text NOT NULL, id text NOT NULL, email text, version int NOT NULL DEFAULT 0,
    verified boolean NOT NULL DEFAULT true, PRIMARY KEY (project, id), UNIQUE (project, email)
);
"""
MANY_LINKS: Final = """
INSERT INTO mail_tokens (project, hash, kind, email, expires_at)
SELECT $1, sha256(n::text::bytea), 'sign_up', n || '@example.com', $2 FROM generate_series(1, 1000) AS n"""


class SampleHolder(msgspec.Struct, frozen=True):
    id: str
    email: str | None
    version: int


class SampleAddress(msgspec.Struct, frozen=True):
    email: str
    verified: bool


class SampleAddresses:
    def __init__(self, db: Database, project: str) -> None:
        self.db = db
        self.project = project

    async def locked(self, id: str) -> SampleAddress | None:
        locked = "SELECT email, verified FROM accounts WHERE project = $1 AND id = $2 FOR UPDATE"
        return await self.db.one(SampleAddress, locked, self.project, id)

    async def set_email(self, id: str, email: str, now: datetime) -> bool:
        changed = """UPDATE accounts SET email = $3 WHERE project = $1 AND id = $2
            AND NOT EXISTS (SELECT FROM accounts WHERE project = $1 AND email = $3)"""
        return bool(await self.db.execute(changed, self.project, id, email))


class SampleHolders:
    def __init__(self, db: Database, project: str) -> None:
        self.db = db
        self.project = project

    async def add(self, id: str, email: str | None) -> None:
        await self.db.execute("INSERT INTO accounts VALUES ($1, $2, $3)", self.project, id, email)

    async def locked(self, id: str) -> SampleHolder | None:
        locked = "SELECT id, email, version FROM accounts WHERE project = $1 AND id = $2 FOR UPDATE"
        return await self.db.one(SampleHolder, locked, self.project, id)

    async def change_version(self, id: str) -> None:
        changed = "UPDATE accounts SET version = version + 1 WHERE project = $1 AND id = $2"
        await self.db.execute(changed, self.project, id)


class Pool:
    """The parts of one pool, connected in the same way as in a room."""

    def __init__(self, db: Database, project: str, kms: FakeKms, clock: ManualClock) -> None:
        self.db = db
        self.stores = IdentityStores(db, MailOutbox(db, clock), project)
        self.holders = SampleHolders(db, project)
        vault = Vault("users:", partial(kms.seal, project), partial(kms.unseal, project))
        party = RelyingParty("app.example", "App", (ORIGIN,))
        self.checks = FactorChecks(self.stores, self.holders, vault, party, AccountLetters("App", project), clock)
        self.links = MailLinks(self.stores, "mt", clock)
        self.email_changes = EmailChanges(
            self.links,
            SampleAddresses(db, project),
            lambda _: self.checks.letters,
            lambda token: f"{ORIGIN}/change?token={token}",
        )
        self.apps = AuthenticatorApps(self.checks, "POST /totp")
        self.passkeys = AccountPasskeys(self.checks, self.any_way_in)
        self.challenges = SignInChallenges(self.stores, "POST /second-factor", clock)
        self.second_step = SecondStep(self.checks)

    async def any_way_in(self, user: str) -> None:
        """Allow every removal of a way to sign in."""


@asynccontextmanager
async def two_pools(url: str, clock: ManualClock) -> AsyncIterator[tuple[Pool, Pool]]:
    """Yield the pools of the projects `a` and `b`."""
    kms = FakeKms()
    async with opened_database(url, ACCOUNTS + statements(identity) + statements(outbox)) as db:
        yield Pool(db, "a", kms, clock), Pool(db, "b", kms, clock)


def statements(module: ModuleType) -> str:
    """Return the indented SQL in the docstring of a module, from its first table on."""
    text = module.__doc__ or ""
    lines = text[text.index("    CREATE TABLE") :].splitlines()
    return textwrap.dedent("\n".join(line for line in lines if line.startswith("    "))) + "\n"


async def assert_finds_links_by_index(db: Database, project: str) -> None:
    """Check that each statement for the links of one address reads no links of other addresses."""
    async with db.transaction():
        await db.execute(MANY_LINKS, project, datetime(2030, 1, 1, tzinfo=UTC))
        await db.execute("ANALYZE mail_tokens")
        for statement in (mail_tokens.LOCK_OF_ADDRESS, mail_tokens.FORGET_OF_ADDRESS):
            plan = str(await db.value(f"EXPLAIN (FORMAT JSON) {statement}", project, "7@example.com", "sign_up"))
            assert "mail_tokens_email" in plan, plan
