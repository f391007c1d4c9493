from __future__ import annotations

import asyncio

import pytest

from bunbase.gateway.login_limits import LoginLimits
from bunbase.pkg.errors import RateLimited

ADA, BOB = "ada@example.com", "bob@example.com"


async def fail(limits: LoginLimits, ip: str = "1.1.1.1", email: str = ADA, pool: str = "developers") -> bool:
    """Give whether the attempt was let in."""
    try:
        async with limits.attempt(pool, ip, email) as attempt:
            attempt.failed = True
            return True
    except RateLimited:
        return False


async def succeed(limits: LoginLimits, ip: str = "1.1.1.1", email: str = ADA) -> None:
    async with limits.attempt("developers", ip, email):
        pass


async def test_so_many_wrong_passwords_and_no_more_from_one_address() -> None:
    limits = LoginLimits(3)

    let_in = [await fail(limits, email=f"{number}@example.com") for number in range(5)]

    assert let_in == [True, True, True, False, False]
    assert await fail(limits, ip="2.2.2.2")


async def test_so_many_wrong_passwords_and_no_more_for_one_account() -> None:
    limits = LoginLimits(3)

    let_in = [
        await fail(limits, ip=f"1.1.1.{number}", email=email)
        for number, email in enumerate((ADA, " ADA@example.com", ADA, ADA))
    ]

    assert let_in == [True, True, True, False]
    assert await fail(limits, ip="1.1.1.9", email=BOB)


async def test_one_account_is_counted_once_however_its_address_is_typed() -> None:
    limits = LoginLimits(2)
    composed, apart = "\u00e9ve@example.com", "e\u0301ve@example.com"

    let_in = [
        await fail(limits, ip=f"1.1.1.{number}", email=email) for number, email in enumerate((composed, apart, apart))
    ]

    assert let_in == [True, True, False]


async def test_right_passwords_do_not_count() -> None:
    limits = LoginLimits(2)

    for _ in range(10):
        await succeed(limits)

    assert [await fail(limits) for _ in range(3)] == [True, True, False]


async def test_the_refusal_says_when_to_come_back() -> None:
    limits = LoginLimits(1)
    await fail(limits)

    with pytest.raises(RateLimited) as refused:
        await succeed(limits)

    assert 1 <= refused.value.extra["retry_after_seconds"] <= 60
    assert refused.value.headers()["retry-after"] == str(refused.value.extra["retry_after_seconds"])


async def test_pools_are_counted_apart() -> None:
    limits = LoginLimits(1)
    await fail(limits, pool="users:a")

    assert await fail(limits, pool="users:b")
    assert not await fail(limits, pool="users:a")


async def test_a_thousand_guesses_at_once_get_no_further_than_one_after_the_other() -> None:
    limits = LoginLimits(5)
    guesses = 0

    async def guess() -> bool:
        nonlocal guesses
        try:
            async with limits.attempt("developers", "1.1.1.1", ADA) as attempt:
                guesses += 1
                await asyncio.sleep(0)
                attempt.failed = True
                return True
        except RateLimited:
            return False

    let_in = await asyncio.gather(*(guess() for _ in range(1000)))

    assert (guesses, sum(let_in)) == (5, 5)


async def test_a_crowd_with_the_right_password_gets_in_in_turn() -> None:
    limits = LoginLimits(5)

    await asyncio.gather(*(succeed(limits) for _ in range(100)))

    assert not limits.under_way


async def test_an_attempt_that_breaks_off_makes_room_again() -> None:
    limits = LoginLimits(1)

    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            async with limits.attempt("developers", "1.1.1.1", ADA):
                raise ZeroDivisionError

    assert not limits.under_way
    assert await fail(limits)
