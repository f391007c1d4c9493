"""Two pools with the same account id: no act in one pool has an effect in the other pool."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pyotp
import pytest
import pytest_asyncio

from bunbase.pkg.clock import ManualClock
from bunbase.pkg.identity.events import CredentialEvent
from bunbase.pkg.identity.factors import SecondFactor
from bunbase.pkg.identity.problems import ChallengeExpired, SecondFactorRequired, WrongCode, WrongPasskey
from bunbase.pkg.identity.store import delete_expired
from bunbase.pkg.passkeys import PasskeyUser
from tests.authenticator import Authenticator
from tests.pkg.identity.pools import ORIGIN, Pool, SampleHolder, two_pools

ADA = "usr_ada"
ADA_AS_USER = PasskeyUser(ADA, "ada@example.com", "Ada")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest_asyncio.fixture
async def pools(database_url: str, clock: ManualClock) -> AsyncIterator[tuple[Pool, Pool]]:
    async with two_pools(database_url, clock) as (a, b):
        await a.holders.add(ADA, "ada@example.com")
        await b.holders.add(ADA, None)
        yield a, b


async def opened(holder: SampleHolder) -> str:
    """Open a session with fixed values."""
    return f"{holder.id} at version {holder.version}"


async def challenge_of(pool: Pool) -> str:
    holder = await pool.holders.locked(ADA)
    assert holder is not None
    with pytest.raises(SecondFactorRequired) as asked:
        await pool.challenges.check(holder)
    challenge: str = asked.value.extra["challenge"]
    return challenge


async def with_app(pool: Pool, clock: ManualClock) -> tuple[pyotp.TOTP, str]:
    """Set up an authenticator app. Return the app, and one recovery code."""
    app = pyotp.TOTP((await pool.apps.start(ADA, "ada")).secret)
    codes = await pool.apps.confirm(ADA, app.at(int(clock.now().timestamp())))
    clock.advance(30)
    return app, codes.recovery_codes[0]


async def test_an_authenticator_app_belongs_to_one_pool(pools: tuple[Pool, Pool], clock: ManualClock) -> None:
    a, b = pools
    app, recovery_code = await with_app(a, clock)
    challenge = await challenge_of(a)
    code = SecondFactor(app.at(int(clock.now().timestamp())))

    assert not (await b.apps.state(ADA)).enabled
    with pytest.raises(ChallengeExpired):
        await b.second_step.finish(challenge, code, opened)
    await with_app(b, clock)
    with pytest.raises(WrongCode):
        await b.second_step.finish(await challenge_of(b), SecondFactor(recovery_code), opened)
    await b.apps.remove(ADA)

    now = SecondFactor(app.at(int(clock.now().timestamp())))
    assert await a.second_step.finish(challenge, now, opened) == f"{ADA} at version 1"
    assert (await a.apps.state(ADA)).recovery_codes_left == 10


async def test_a_passkey_signs_in_to_the_pool_that_registered_it(pools: tuple[Pool, Pool]) -> None:
    a, b = pools
    authenticator = Authenticator(ORIGIN)
    options = await a.passkeys.registration_options(ADA_AS_USER)
    made = authenticator.create(options.public_key)

    with pytest.raises(WrongPasskey):
        await b.passkeys.register(ADA, made, "stolen")
    await a.passkeys.register(ADA, made, "laptop")
    at_a = authenticator.get((await a.passkeys.sign_in_options()).public_key)
    at_b = authenticator.get((await b.passkeys.sign_in_options()).public_key)
    for answer in (at_a, at_b):
        with pytest.raises(WrongPasskey):
            await b.passkeys.sign_in(answer, opened)

    assert await a.passkeys.sign_in(at_a, opened) == f"{ADA} at version 0"
    assert (await b.passkeys.list(ADA)).items == ()


async def test_an_account_without_an_address_gets_no_letters(pools: tuple[Pool, Pool], clock: ManualClock) -> None:
    a, b = pools
    for pool in (a, b):
        await with_app(pool, clock)
        assert await pool.apps.remove_all_factors(ADA)

    sent = await a.db.value("SELECT array_agg(project || ' ' || kind ORDER BY id) FROM mails")
    assert sent == ["a factor_added", "a factor_removed"]
    assert not await a.apps.remove_all_factors("usr_nobody")


async def test_a_change_is_noted_in_its_transaction_and_a_refusal_after_it(
    pools: tuple[Pool, Pool], clock: ManualClock
) -> None:
    pool, refused = pools[0], list[str]()
    app, _ = await with_app(pool, clock)

    async def failing(user: str, event: CredentialEvent, target: str) -> None:
        raise ZeroDivisionError(event)

    for change in (pool.apps.new_codes, pool.apps.remove, pool.apps.remove_all_factors):
        with pytest.raises(ZeroDivisionError):
            await change(ADA, failing)
    with pytest.raises(WrongCode):
        await pool.second_step.finish(await challenge_of(pool), SecondFactor("no code"), opened, refused.append)

    assert refused == [ADA]
    code = SecondFactor(app.at(int(clock.now().timestamp())))
    assert await pool.second_step.finish(await challenge_of(pool), code, opened) == f"{ADA} at version 1"


async def test_expired_challenges_of_all_pools_are_deleted_at_once(
    pools: tuple[Pool, Pool], clock: ManualClock
) -> None:
    for pool in pools:
        await pool.passkeys.sign_in_options()
        await with_app(pool, clock)
        await challenge_of(pool)
    clock.advance(301)
    db = pools[0].db

    await delete_expired(db, clock.now(), clock.now())

    left = "SELECT (SELECT count(*) FROM passkey_challenges) + (SELECT count(*) FROM sign_in_challenges)"
    assert await db.value(left) == 0
