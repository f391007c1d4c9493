from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import msgspec
import pytest_asyncio

from bunbase.contracts.bunkms import Kms
from bunbase.contracts.revocations import Revocation, RevokedKind
from bunbase.contracts.tenant_auth.settings import MailAppearance, MailTexts, ProjectAuth, TokenSettings
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.modules import Rooms
from bunbase.tenant_auth.module import MODULE
from bunbase.tenant_auth.pool import APP
from bunbase.tenant_auth.service import TenantAuthService
from bunbase.tenant_auth.settings_cache import STALE_SECONDS, SettingsCache
from bunbase.tenant_auth.store.settings import StoredSettings
from tests.fakes import FakeKms
from tests.pkg.waiting import until_true
from tests.rooms import opened, site
from tests.tenant_auth.people import BAKERY, LIBRARY, signed_up


@pytest_asyncio.fixture
async def twin(
    tmp_path: Path, database_url: str, clock: ManualClock, kms: FakeKms, tenant_auth: TenantAuthService
) -> AsyncIterator[TenantAuthService]:
    """Yield the room in a second process, with the same database."""
    async with opened(MODULE, Rooms({Kms: kms}), site(tmp_path, database_url, clock)) as service:
        yield service


async def change(room: TenantAuthService, project: str, **settings: object) -> bool:
    stored = await room.stores.settings.read(project)
    new = msgspec.structs.replace(stored, settings=msgspec.structs.replace(stored.settings, **settings))
    return await room.stores.settings.replace(project, new, room.stores.clock.now())


async def test_a_change_of_the_settings_reaches_every_process(
    tenant_auth: TenantAuthService, twin: TenantAuthService
) -> None:
    rooms = (tenant_auth, twin)
    for room in rooms:
        await until_true(partial(_is_kept, room))
        assert (await room.pools.of(BAKERY)).app_name == APP

    await change(tenant_auth, BAKERY, app_name="Bakery", tokens=TokenSettings(access_ttl_seconds=120))

    for room in rooms:
        await until_true(partial(_has_name, room, "Bakery"))
        assert (await room.pools.of(BAKERY)).lifetimes.access_ttl_seconds == 120
        assert (await room.pools.of(LIBRARY)).auth == ProjectAuth()
    assert (await signed_up(twin)).expires_in == 120


async def _is_kept(room: TenantAuthService) -> bool:
    return await room.pools.of(BAKERY) is await room.pools.of(BAKERY)


async def _has_name(room: TenantAuthService, name: str) -> bool:
    return (await room.pools.of(BAKERY)).app_name == name


async def test_settings_of_another_version_are_not_replaced(tenant_auth: TenantAuthService, clock: ManualClock) -> None:
    store, now = tenant_auth.stores.settings, clock.now()
    assert await store.replace(BAKERY, StoredSettings(ProjectAuth(app_name="one")), now)

    assert not await store.replace(BAKERY, StoredSettings(ProjectAuth(app_name="two")), now)
    assert await store.replace(BAKERY, StoredSettings(ProjectAuth(app_name="three"), version=1), now)
    assert not await store.replace(BAKERY, StoredSettings(ProjectAuth(app_name="four"), version=1), now)

    assert await store.read(BAKERY) == StoredSettings(ProjectAuth(app_name="three"), version=2)
    assert await store.read(LIBRARY) == StoredSettings()


async def test_revocations_are_kept_for_the_longest_lifetime_that_a_project_has_chosen(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    await change(tenant_auth, BAKERY, tokens=TokenSettings(access_ttl_seconds=7200))
    assert await tenant_auth.pools.revoked_until() == clock.now().timestamp() + 7200 + 60

    await change(tenant_auth, BAKERY, tokens=TokenSettings())

    clock.advance(3600)
    assert await tenant_auth.pools.revoked_until() == clock.now().timestamp() + 7200 + 60


async def test_a_project_replaces_the_texts_of_its_mails_and_cannot_add_markup(tenant_auth: TenantAuthService) -> None:
    texts = {"verify_email": MailTexts(subject="Welcome to $app", body="<b>Hello</b> $email"), "unknown": MailTexts()}
    await change(tenant_auth, BAKERY, app_name="Bakery", mail=MailAppearance(templates=texts))

    letter = (await tenant_auth.pools._read(BAKERY)).letters.verify_email("eve@example.com", "http://127.0.0.1/")

    assert (letter.subject, letter.project) == ("Welcome to Bakery", BAKERY)
    assert "<b>" not in letter.html
    assert "Confirm this address" in letter.text


class Reading:
    def __init__(self) -> None:
        self.reads = 0
        self.seconds = 0.0
        self.cache: SettingsCache[int] = SettingsCache(self.read, lambda: self.seconds)

    async def read(self, project: str) -> int:
        self.reads += 1
        return self.reads

    async def hears(self, *news: Revocation) -> None:
        async def feed() -> AsyncIterator[Revocation]:
            for one in news:
                yield one

        await self.cache.follow(feed())


async def test_settings_are_read_with_each_use_while_the_feed_is_silent() -> None:
    reading = Reading()
    before = [await reading.cache.of(BAKERY) for _ in range(2)]
    await reading.hears(Revocation(RevokedKind.ALIVE))
    live = [await reading.cache.of(BAKERY) for _ in range(2)]
    reading.seconds += STALE_SECONDS
    silent = [await reading.cache.of(BAKERY) for _ in range(2)]

    assert (before, live, silent) == ([1, 2], [3, 3], [4, 5])


async def test_settings_that_change_while_they_are_read_are_read_again() -> None:
    class Overtaken(Reading):
        async def read(self, project: str) -> int:
            value = await super().read(project)
            if value == 1:
                await self.hears(Revocation(RevokedKind.SETTINGS, project))
            return value

    overtaken = Overtaken()
    await overtaken.hears(Revocation(RevokedKind.ALIVE))

    assert [await overtaken.cache.of(BAKERY) for _ in range(3)] == [1, 2, 2]
