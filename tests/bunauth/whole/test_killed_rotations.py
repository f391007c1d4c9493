"""Kill a process with SIGKILL between every two steps of a change of the signing keys, and start another one.

After each kill, the public keys are those that are stored, one key signs in every process, a token that was signed
before is valid unless its key was replaced, and the change is done as a whole or not at all.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count
from typing import Final, NamedTuple

import pytest

from bunbase.bunauth.access_tokens import AccessTokens
from bunbase.bunauth.signing_keys import CONTEXT, SigningKeys
from bunbase.bunauth.store import Stores
from bunbase.bunauth.store.signing_keys import SealedKey
from bunbase.contracts.bunauth.accounts import Account
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.db.database import open_database
from bunbase.pkg.jwt import BadToken, SigningKey, new_private_key
from bunbase.pkg.mail.outbox import MailOutbox
from bunbase.pkg.mail.settings import MailSettings
from tests.fakes import FakeKms
from tests.killing_itself import Fuse, killed_before

KEY_DAYS: Final = timedelta(days=90)
ACCESS_SECONDS: Final = 900
ADA: Final = Account("usr_ada", "ada@example.com", "Ada", "admin", datetime(2026, 1, 1, tzinfo=UTC))
SECRET: Final = b"of all processes of this installation"

imported: Final = cache(SigningKey)  # OpenSSL checks a private key for 50 ms when it is imported


class Change(NamedTuple):
    """A change of the keys.

    `act`: the method that makes the change. `before`: the stored keys, and how long each has signed.

    `after`: the keys after the change. `least`: the minimum number of steps.
    """

    act: str
    before: dict[str, timedelta]
    after: set[str]
    least: int


CHANGES: Final = {
    "the first key": Change("open", {}, {"new"}, 5),
    "a rotation": Change(
        "keep", {"old": timedelta(days=180), "current": KEY_DAYS - timedelta(days=1)}, {"current", "new"}, 9
    ),
    "an emergency": Change(
        "replace_all", {"current": KEY_DAYS - timedelta(hours=12), "next": timedelta(hours=-12)}, {"new"}, 11
    ),
}


class CountedKms(FakeKms):
    def __init__(self, fuse: Fuse) -> None:
        super().__init__(secret=SECRET)
        self.fuse = fuse

    async def seal(self, owner: str, context: str, plaintext: bytes) -> str:
        self.fuse.step()
        return await super().seal(owner, context, plaintext)


class Process:
    """The signing keys and access tokens of one process."""

    def __init__(self, stores: Stores, clock: ManualClock, kms: FakeKms | None = None) -> None:
        self.stores = stores
        self.clock = clock
        self.kms = kms or FakeKms(secret=SECRET)
        self.keys = SigningKeys(stores, self.kms, KEY_DAYS, clock)
        self.access = AccessTokens(self.keys, "https://api.example.com", ACCESS_SECONDS)

    async def change(self, act: str) -> None:
        await getattr(self.keys, act)()

    def token(self) -> str:
        now = self.clock.now()
        return self.access.sign(ADA, "ses_1", 0, now, now + timedelta(days=1))[0]

    def accepts(self, token: str) -> bool:
        try:
            return bool(self.access.claims(token))
        except BadToken:
            return False

    def published(self) -> set[str]:
        return {key["kid"] for key in self.keys.jwks.keys}

    async def stored(self) -> set[str]:
        return {row.kid for row in await self.stores.signing_keys.newest_first()}

    async def revoked(self) -> set[str]:
        found = await self.stores.db.value("SELECT array_agg(id) FROM revocations WHERE kind = 'signing_key'")
        return set(found or ())

    async def store_only(self, material: dict[str, bytes], ages: dict[str, timedelta]) -> None:
        """Store only these keys, and load them."""
        for table in ("signing_keys", "revocations"):
            await self.stores.db.execute(f"DELETE FROM {table}")
        for name, age in ages.items():
            sealed, start = await self.kms.seal("instance", CONTEXT, material[name]), self.clock.now() - age
            await self.stores.signing_keys.add(SealedKey(imported(material[name]).kid, sealed, start, start))
        await self.keys.load()


@pytest.fixture(scope="module")
def material() -> dict[str, bytes]:
    return {name: new_private_key() for name in ("old", "current", "next", "new")}


@asynccontextmanager
async def process(url: str, clock: ManualClock, kms: FakeKms | None = None) -> AsyncIterator[Process]:
    async with open_database(url, "bunauth", "bunbase.bunauth.migrations") as db:
        stores = Stores(db, clock, ACCESS_SECONDS, MailOutbox(db, clock, MailSettings(), True))
        await stores.lifetimes.note()
        yield Process(stores, clock, kms)


@pytest.mark.parametrize("name", CHANGES)
async def test_a_process_killed_before_any_step_changes_all_signing_keys_or_none(
    name: str, database_url: str, clock: ManualClock, material: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    change, kids = CHANGES[name], {key: imported(private).kid for key, private in material.items()}
    before, after = ({kids[key] for key in keys} for keys in (change.before, change.after))
    emergency = change.act == "replace_all"
    monkeypatch.setattr("bunbase.bunauth.signing_keys.new_private_key", lambda: material["new"])
    monkeypatch.setattr("bunbase.bunauth.signing_keys.SigningKey", imported)

    async def act(fuse: Fuse) -> None:
        async with process(database_url, clock, CountedKms(fuse)) as dying:
            fuse.light()
            await dying.change(change.act)

    async with process(database_url, clock) as running:
        changed = []
        for step in count(1):
            await running.store_only(material, change.before)
            token = running.token() if before else ""

            killed = await killed_before(step, act)

            stored = await running.stored()
            changed.append(stored == after)
            assert stored in (before, after)
            assert await running.revoked() == (before if emergency and stored == after else set())
            restarted = Process(running.stores, clock)
            await restarted.keys.open()
            await running.keys.load()
            for one in (running, restarted):
                assert one.published() == await one.stored()
                assert one.accepts(token) == (bool(token) and not (emergency and stored == after))
                assert one.accepts(restarted.token())
            assert running.keys.current().kid == restarted.keys.current().kid
            await restarted.change(change.act)
            assert await restarted.stored() == after, "the next attempt ends what the killed one has begun"
            if not killed:
                break

    assert changed[-1]
    assert changed == sorted(changed), "the change is done at one step"
    assert len(changed) > change.least
