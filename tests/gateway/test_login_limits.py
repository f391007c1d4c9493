from __future__ import annotations

import asyncio

import pytest

from bunbase.contracts.platform import InvalidKey
from bunbase.gateway.login_limits import LoginLimits, Place
from bunbase.gateway.settings import GatewaySettings
from bunbase.gateway.sign_in_queue import SignInQueue
from bunbase.pkg.errors import RateLimited
from tests.pkg.waiting import eventually

ADA, BOB = "ada@example.com", "bob@example.com"
TURN_SECONDS = 0.01


def limits_of(address: int = 100, pair: int = 100, account: int = 100) -> LoginLimits:
    settings = GatewaySettings(
        failed_logins_per_minute=address,
        failed_logins_per_account_per_minute=pair,
        failed_logins_per_account_per_hour=account,
    )
    return LoginLimits(settings, SignInQueue(TURN_SECONDS))


async def known() -> bool:
    return True


async def fail(limits: LoginLimits, ip: str = "1.1.1.1", email: str = ADA, pool: str = "developers") -> bool:
    """Make an attempt with a wrong password. Return True if the limits admitted it."""
    try:
        async with limits.attempt(Place(pool, ip, email)) as attempt:
            attempt.failed = True
            return True
    except RateLimited:
        return False


async def succeed(limits: LoginLimits, ip: str = "1.1.1.1", email: str = ADA) -> None:
    async with limits.attempt(Place("developers", ip, email)):
        pass


async def test_failures_from_one_address_have_a_limit() -> None:
    limits = limits_of(3)

    let_in = [await fail(limits, email=f"{number}@example.com") for number in range(5)]

    assert let_in == [True, True, True, False, False]
    assert await fail(limits, ip="2.2.2.2")


async def test_failures_for_one_account_from_one_address_have_a_limit() -> None:
    limits = limits_of(pair=3)

    let_in = [await fail(limits, email=email) for email in (ADA, " ADA@example.com", ADA, ADA)]

    assert let_in == [True, True, True, False]
    assert await fail(limits, email=BOB)
    assert await fail(limits, ip="2.2.2.2")


async def test_two_unicode_forms_of_one_email_are_one_account() -> None:
    limits = limits_of(pair=2)
    composed, apart = "\u00e9ve@example.com", "e\u0301ve@example.com"

    let_in = [await fail(limits, email=email) for email in (composed, apart, apart)]

    assert let_in == [True, True, False]


@pytest.mark.parametrize(
    ("addresses", "counted_together"),
    [
        ([f"2001:db8:1:1::{number:x}" for number in range(1, 31)], True),
        ([f"2001:db8:1:{number:x}::1" for number in range(30)], False),
        ([f"198.51.100.{number}" for number in range(30)], False),
    ],
)
async def test_ipv6_addresses_are_counted_by_their_64_bit_network(addresses: list[str], counted_together: bool) -> None:
    limits = limits_of(20)

    let_in = [await fail(limits, ip, f"{number}@example.com") for number, ip in enumerate(addresses)]

    assert let_in == ([True] * 20 + [False] * 10 if counted_together else [True] * 30)


async def test_guesses_of_strangers_never_lock_the_owner_out() -> None:
    """The test sends many wrong passwords from many addresses, and then the right password from a new address."""
    limits = limits_of(account=20)

    let_in = [await fail(limits, f"10.{number}.0.1") for number in range(40)]
    async with limits.attempt(Place("developers", "203.0.113.7", ADA)) as owner:
        pass

    assert let_in == [True] * 40
    assert not owner.failed
    assert limits.accounts.count(("account", "developers", ADA)) == 20  # The count stops at the limit.


class ByHand(SignInQueue):
    """A queue in which the test hands out the turns."""

    def __init__(self) -> None:
        super().__init__()
        self.paused: list[tuple[str, ...]] = []

    def _pause(self, account: tuple[str, ...]) -> None:
        self.paused.append(account)

    def give_turn(self) -> None:
        self._next(self.paused.pop())


async def test_guesses_above_the_limit_of_an_account_run_one_at_a_time() -> None:
    """The queue sets the pace of guesses from many addresses."""
    turns = ByHand()
    limits = LoginLimits(GatewaySettings(failed_logins_per_account_per_hour=5), turns)
    guesses = 0

    async def guess(ip: str) -> None:
        nonlocal guesses
        async with limits.attempt(Place("developers", ip, ADA)) as attempt:
            guesses += 1
            attempt.failed = True

    for number in range(5):
        await fail(limits, f"10.0.{number}.1")
    await guess("10.1.0.1")
    waiting = [asyncio.ensure_future(guess(f"10.2.{number}.1")) for number in range(10)]
    await eventually(lambda: turns.waiting == 10)

    for given in range(10):
        assert guesses == 1 + given
        turns.give_turn()
        await eventually(lambda: sum(one.done() for one in waiting) == given + 1)  # noqa: B023  asked at once

    assert guesses == 11
    assert turns.waiting == 0
    turns.give_turn()
    assert not turns.accounts
    assert not limits.under_way


async def test_the_owner_at_a_new_address_overtakes_waiting_guesses() -> None:
    """The queue serves the address with the fewest failures first."""
    limits, order = limits_of(account=20), []

    async def guess(ip: str, name: str, fails: bool) -> None:
        async with limits.attempt(Place("developers", ip, ADA)) as attempt:
            order.append(name)
            attempt.failed = fails

    for number in range(21):
        await fail(limits, f"10.0.{number}.1")
    storm = [asyncio.ensure_future(guess(f"10.0.{number}.1", "guess", fails=True)) for number in range(20)]
    for _ in range(5):
        await asyncio.sleep(0)
    await guess("203.0.113.7", "owner", fails=False)
    await asyncio.gather(*storm)

    assert order.index("owner") <= 1


async def test_failures_of_others_do_not_slow_an_account_at_a_known_address() -> None:
    """This is true for failures at other addresses, and for failures of other people at the same address."""
    limits = limits_of(address=3, pair=2, account=3)
    for number in range(3):
        await fail(limits, email=f"{number}@example.com")
        await fail(limits, f"10.0.{number}.1")

    for _ in range(3):
        async with limits.attempt(Place("developers", "1.1.1.1", ADA), known):
            pass

    assert not limits.queue.accounts
    assert not await fail(limits, email=BOB)
    for _ in range(2):
        async with limits.attempt(Place("developers", "1.1.1.1", ADA), known) as attempt:
            attempt.failed = True
    with pytest.raises(RateLimited):
        async with limits.attempt(Place("developers", "1.1.1.1", ADA), known):
            pass


async def test_logins_without_an_address_are_not_limited_by_address() -> None:
    limits = limits_of(address=2, pair=2, account=3)

    let_in = [await fail(limits, ip="", email=f"{number % 4}@example.com") for number in range(12)]

    assert let_in == [True] * 12
    assert not limits.queue.accounts


async def test_sign_ups_and_token_requests_are_counted_by_pool_and_network() -> None:
    """Sign-ups and token requests have separate limits."""
    limits = LoginLimits(GatewaySettings(signups_per_hour=2, token_requests_per_minute=3))

    for count, most in ((limits.sign_up, 2), (limits.trade, 3)):
        for _ in range(most):
            count("prj_a", "2001:db8::1")
        with pytest.raises(RateLimited) as refused:
            count("prj_a", "2001:db8::2")
        count("prj_b", "2001:db8::1")
        count("prj_a", "2001:db8:0:1::1")
        assert refused.value.extra["retry_after_seconds"] >= 1


async def test_right_passwords_do_not_use_up_the_limit() -> None:
    limits = limits_of(2)

    for _ in range(10):
        await succeed(limits)

    assert [await fail(limits) for _ in range(3)] == [True, True, False]


async def test_the_refusal_has_the_seconds_until_the_next_attempt() -> None:
    limits = limits_of(1)
    await fail(limits)

    with pytest.raises(RateLimited) as refused:
        await succeed(limits)

    assert 1 <= refused.value.extra["retry_after_seconds"] <= 60
    assert refused.value.headers()["retry-after"] == str(refused.value.extra["retry_after_seconds"])


async def test_each_pool_has_its_own_count() -> None:
    limits = limits_of(1)
    await fail(limits, pool="users:a")

    assert await fail(limits, pool="users:b")
    assert not await fail(limits, pool="users:a")


async def test_a_thousand_simultaneous_guesses_do_not_pass_the_limit() -> None:
    limits = limits_of(5)
    guesses = 0

    async def guess() -> bool:
        nonlocal guesses
        try:
            async with limits.attempt(Place("developers", "1.1.1.1", ADA)) as attempt:
                guesses += 1
                await asyncio.sleep(0)
                attempt.failed = True
                return True
        except RateLimited:
            return False

    let_in = await asyncio.gather(*(guess() for _ in range(1000)))

    assert (guesses, sum(let_in)) == (5, 5)


async def test_a_hundred_simultaneous_right_passwords_all_succeed() -> None:
    limits = limits_of(5)

    await asyncio.gather(*(succeed(limits) for _ in range(100)))

    assert not limits.under_way


async def test_an_attempt_that_raises_an_error_is_not_counted() -> None:
    limits = limits_of(1)

    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            async with limits.attempt(Place("developers", "1.1.1.1", ADA)):
                raise ZeroDivisionError

    assert not limits.under_way
    assert await fail(limits)


async def test_a_key_that_was_valid_before_is_looked_up_despite_invented_keys_of_its_address() -> None:
    """Invented keys must not lock out all clients behind the same proxy."""
    limits = LoginLimits(GatewaySettings(token_requests_per_minute=3))
    valid = {"pk_bakery"}

    async def look_up(key: str) -> str:
        async def asking() -> str:
            if key not in valid:
                raise InvalidKey
            return "bakery"

        return await limits.look_up("1.1.1.1", key, asking)

    await look_up("pk_bakery")
    for number in range(3):
        with pytest.raises(InvalidKey):
            await look_up(f"pk_{number}")

    assert await look_up("pk_bakery") == "bakery"
    with pytest.raises(RateLimited):
        await look_up("pk_another")
    valid.clear()
    with pytest.raises(InvalidKey):
        await look_up("pk_bakery")
    with pytest.raises(RateLimited):
        await look_up("pk_bakery")
