from __future__ import annotations

import asyncio

import pytest

from bunbase.contracts.caller import CallerKind
from bunbase.contracts.keys import KeyChanges, KeyLimits, UsedKey
from bunbase.contracts.platform import InvalidKey, NewProject, ProjectKeyNotFound
from bunbase.contracts.revocations import RevokedKind
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.modules import Site
from bunbase.pkg.upkeep import upkeep_job
from bunbase.platform.module import MODULE
from bunbase.platform.service import PlatformService
from bunbase.platform.settings import PlatformSettings
from tests.bunauth.feeds import feed_of
from tests.platform.fake_rooms import FakeRooms
from tests.platform.people import ADA, BOB, at, value_of
from tests.rooms import opened
from tests.tables import everything_in


async def bakery(platform: PlatformService) -> NewProject:
    return await platform.create_project(ADA, "Bakery")


async def works(platform: PlatformService, key: str) -> bool:
    try:
        await platform.key_holder(key)
    except InvalidKey:
        return False
    return True


async def test_the_value_of_a_key_is_shown_only_at_its_creation(platform: PlatformService) -> None:
    made = await bakery(platform)

    new = await platform.create_key(at(made), CallerKind.SECRET, " ci ", None)

    listed = (await platform.keys(at(made))).items
    assert [key.id for key in listed] == [new.id, made.keys[1].id, made.keys[0].id]
    assert [key.key for key in listed] == [None, None, None]
    assert (new.name, new.hint) == ("ci", f"{value_of(new)[:7]}…")


async def test_the_tables_contain_no_key_in_plaintext(platform: PlatformService, here: Site) -> None:
    made = await bakery(platform)
    new = await platform.rotate_key(at(made), made.keys[1].id, 60)

    stored = await everything_in(here.database_url, "platform")

    for key in (*made.keys, new):
        assert value_of(key).encode() not in stored
        assert value_of(key)[len("sk_") :].encode() not in stored
        assert key.id.encode() in stored  # This line proves that the search finds stored values.


async def test_a_key_keeps_its_limits_when_it_is_listed_used_and_rotated(platform: PlatformService) -> None:
    made = await bakery(platform)
    secret = KeyLimits(scopes=("data:read", "users:read"), allow_browser=True)
    public = KeyLimits(origins=("https://*.example.com", "https://bakery.example"))

    one = await platform.create_key(at(made), CallerKind.SECRET, "reports", None, secret)
    two = await platform.create_key(at(made), CallerKind.PUBLISHABLE, "web", None, public)
    rotated = await platform.rotate_key(at(made), one.id, 0)

    assert (one.limits, two.limits, rotated.limits) == (secret, public, secret)
    assert (await platform.key_holder(value_of(rotated))).limits == secret
    assert [key.limits for key in (await platform.keys(at(made))).items][:2] == [secret, public]
    assert (await platform.key_holder(value_of(made.keys[1]))).limits == KeyLimits()


@pytest.mark.parametrize(
    ("kind", "limits"),
    [
        (CallerKind.SECRET, KeyLimits(scopes=())),
        (CallerKind.SECRET, KeyLimits(scopes=("everything",))),
        (CallerKind.SECRET, KeyLimits(scopes=("read@prj_bakery",))),
        (CallerKind.SECRET, KeyLimits(origins=("https://example.com",))),
        (CallerKind.PUBLISHABLE, KeyLimits(scopes=("read",))),
        (CallerKind.PUBLISHABLE, KeyLimits(allow_browser=True)),
        *(
            (CallerKind.PUBLISHABLE, KeyLimits(origins=(origin,)))
            for origin in (
                "example.com",
                "https://example.com/path",
                "https://*.com",
                "https://*",
                "*",
                "null",
                "https://a.*.example.com",
                "https://user@example.com",
                "ftp://example.com",
            )
        ),
        (CallerKind.PUBLISHABLE, KeyLimits(origins=tuple(f"https://{number}.example.com" for number in range(51)))),
    ],
)
async def test_limits_that_do_not_fit_the_key_are_refused(
    platform: PlatformService, kind: CallerKind, limits: KeyLimits
) -> None:
    made = await bakery(platform)

    with pytest.raises(InvalidInput):
        await platform.create_key(at(made), kind, "x", None, limits)


async def test_a_change_of_a_key_narrows_its_scopes_and_tells_the_caches(platform: PlatformService) -> None:
    made = await bakery(platform)
    key = await platform.create_key(at(made), CallerKind.SECRET, "ci", None, KeyLimits(scopes=("read",)))

    changed = await platform.update_key(at(made), key.id, KeyChanges(name="reports", scopes=("data:posts:read",)))

    assert (changed.name, changed.scopes, changed.key) == ("reports", ("data:posts:read",), None)
    assert (await platform.key_holder(value_of(key))).limits.scopes == ("data:posts:read",)
    for wider in (("read",), ("data:read",), ("data:posts:write",)):
        with pytest.raises(InvalidInput):
            await platform.update_key(at(made), key.id, KeyChanges(scopes=wider))
    async with feed_of(platform) as feed:
        told = await feed.next()
    assert (told.kind, told.id) == (RevokedKind.KEY, key.id)
    other = await platform.create_project(ADA, "Library")
    with pytest.raises(ProjectKeyNotFound):
        await platform.update_key(at(other), key.id, KeyChanges(name="stolen"))


async def test_the_last_use_of_a_key_is_stored_and_never_goes_back(
    platform: PlatformService, clock: ManualClock
) -> None:
    made = await bakery(platform)
    used, now = made.keys[1], clock.now()

    await platform.keys_used((UsedKey(used.id, now.timestamp()), UsedKey("key_unknown", now.timestamp())))
    await platform.keys_used((UsedKey(used.id, now.timestamp() - 60),))

    last_uses = {key.id: key.last_used_at for key in (await platform.keys(at(made))).items}
    assert last_uses == {used.id: now, made.keys[0].id: None}


@pytest.mark.parametrize("key", ["", "sk_", "sk_unknown", "pk_" + "a" * 43, "é\0", "x" * 8192])
async def test_a_key_that_was_never_issued_is_refused(platform: PlatformService, key: str) -> None:
    await bakery(platform)

    assert not await works(platform, key)


async def test_a_key_is_refused_after_its_expiry(platform: PlatformService, clock: ManualClock) -> None:
    made = await bakery(platform)
    key = await platform.create_key(at(made), CallerKind.PUBLISHABLE, "short", 60)
    holder = await platform.key_holder(value_of(key))
    assert holder.expires_at == clock.now().timestamp() + 60

    clock.advance(59.999)
    assert await works(platform, value_of(key))
    clock.advance(0.001)

    assert not await works(platform, value_of(key))
    assert key.id not in {one.id for one in (await platform.keys(at(made))).items}
    with pytest.raises(ProjectKeyNotFound):
        await platform.rotate_key(at(made), key.id, 0)


async def test_rotation_keeps_the_old_key_valid_for_the_grace_period(
    platform: PlatformService, clock: ManualClock
) -> None:
    made = await bakery(platform)
    old = made.keys[1]

    new = await platform.rotate_key(at(made), old.id, 60)

    assert (new.kind, new.name, new.expires_at) == (old.kind, old.name, None)
    assert new.id != old.id
    assert await works(platform, value_of(new))
    clock.advance(59)
    assert await works(platform, value_of(old))
    clock.advance(1)
    assert not await works(platform, value_of(old))
    assert await works(platform, value_of(new))


async def test_rotation_without_a_grace_period_ends_the_old_key_at_once(platform: PlatformService) -> None:
    made = await bakery(platform)

    new = await platform.rotate_key(at(made), made.keys[1].id, 0)

    assert not await works(platform, value_of(made.keys[1]))
    assert await works(platform, value_of(new))


async def test_rotation_never_extends_the_expiry_of_a_key(platform: PlatformService, clock: ManualClock) -> None:
    made = await bakery(platform)
    old = await platform.create_key(at(made), CallerKind.SECRET, "short", 100)

    new = await platform.rotate_key(at(made), old.id, 86400)
    clock.advance(100)

    assert not await works(platform, value_of(old))
    assert not await works(platform, value_of(new))


async def test_the_feed_of_revocations_contains_rotated_and_revoked_keys(platform: PlatformService) -> None:
    made = await bakery(platform)
    async with feed_of(platform) as feed:
        assert (await feed.next()).kind is RevokedKind.READY

        await platform.rotate_key(at(made), made.keys[0].id, 60)
        rotated = await feed.next()
        await platform.revoke_key(at(made), made.keys[1].id)
        revoked = await feed.next()

    assert (rotated.kind, rotated.id) == (RevokedKind.KEY, made.keys[0].id)
    assert (revoked.kind, revoked.id) == (RevokedKind.KEY, made.keys[1].id)


async def test_a_revoked_key_is_refused_at_once(platform: PlatformService) -> None:
    made = await bakery(platform)

    await platform.revoke_key(at(made), made.keys[1].id)

    assert not await works(platform, value_of(made.keys[1]))
    assert await works(platform, value_of(made.keys[0]))
    with pytest.raises(ProjectKeyNotFound):
        await platform.revoke_key(at(made), made.keys[1].id)


async def test_a_key_of_another_project_cannot_be_revoked_or_rotated(platform: PlatformService) -> None:
    made, bobs = await bakery(platform), await platform.create_project(BOB, "Library")

    for attempt in (
        platform.revoke_key(at(made), bobs.keys[0].id),
        platform.rotate_key(at(made), bobs.keys[0].id, 0),
    ):
        with pytest.raises(ProjectKeyNotFound):
            await attempt

    assert await works(platform, value_of(bobs.keys[0]))
    assert {key.id for key in (await platform.keys(at(made))).items} == {key.id for key in made.keys}


async def test_only_secret_and_publishable_keys_can_be_made(platform: PlatformService) -> None:
    made = await bakery(platform)

    with pytest.raises(InvalidInput):
        await platform.create_key(at(made), CallerKind.DEVELOPER, "x", None)


async def test_simultaneous_requests_cannot_exceed_the_limit_of_keys(
    others: FakeRooms, here: Site, clock: ManualClock
) -> None:
    async with opened(MODULE, others.rooms(), here, settings=PlatformSettings(max_keys_per_project=5)) as platform:
        made = await bakery(platform)
        short = await platform.create_key(at(made), CallerKind.SECRET, "short", 60)

        asked = [platform.create_key(at(made), CallerKind.SECRET, "x", None) for _ in range(6)]
        asked += [platform.rotate_key(at(made), short.id, 60) for _ in range(3)]
        answers = await asyncio.gather(*asked, return_exceptions=True)

        assert sum(isinstance(answer, InvalidInput) for answer in answers) == 7
        assert len((await platform.keys(at(made))).items) == 5
        clock.advance(60)
        assert await platform.create_key(at(made), CallerKind.SECRET, "in its place", None)


async def test_long_expired_keys_are_deleted(platform: PlatformService, clock: ManualClock, here: Site) -> None:
    made = await bakery(platform)
    key = await platform.create_key(at(made), CallerKind.SECRET, "short", 60)

    clock.advance(86400 + 61)
    await upkeep_job("platform", platform.stores.feed, platform.stores.delete_expired, clock).work()

    assert key.id.encode() not in await everything_in(here.database_url, "platform")
    assert await works(platform, value_of(made.keys[0]))
