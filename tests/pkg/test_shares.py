"""No user can use all of a shared limit, and waiting users take turns."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunbase.pkg.shares import Shares, Turns


@pytest.mark.parametrize(("users", "most"), [(1, 100), (2, 100), (3, 100), (9, 100), (1, 1), (5, 3)])
def test_each_greedy_user_leaves_a_share_to_one_more(users: int, most: int) -> None:
    shares = Shares(most)
    for _ in range(most):
        for user in range(users):
            if shares.allows(user):
                shares.add(user)

    assert 0 < shares.used <= most
    if most > users:
        assert shares.allows("newcomer")
        assert max(shares.by_user.values()) - min(shares.by_user.values()) <= 1


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 9), st.booleans()), max_size=60))
def test_a_removed_amount_is_free_again(acts: list[tuple[int, int, bool]]) -> None:
    shares, held = Shares(40), []
    for user, amount, adds in acts:
        if adds and shares.allows(user, amount):
            shares.add(user, amount)
            held.append((user, amount))
        elif held:
            shares.remove(*held.pop(0))

        assert shares.used == sum(amount for _, amount in held) <= 40
        assert sum(shares.by_user.values()) == shares.used
    for one in held:
        shares.remove(*one)
    assert (shares.used, dict(shares.by_user)) == (0, {})


async def test_a_user_with_a_thousand_pieces_of_slow_work_leaves_places_to_others() -> None:
    turns, ends, done = Turns(8), asyncio.Event(), list[str]()

    async def work(user: str) -> None:
        async with turns.turn(user):
            if user == "greedy":
                await ends.wait()
            done.append(user)

    tasks = [asyncio.create_task(work("greedy")) for _ in range(1000)]
    await asyncio.sleep(0)
    await asyncio.wait_for(asyncio.gather(*[work(f"u{number}") for number in range(50)]), 5)
    assert len(done) == 50

    ends.set()
    await asyncio.gather(*tasks)
    assert turns.idle


async def test_those_who_wait_take_turns_and_who_gives_up_leaves_its_place() -> None:
    turns, began = Turns(2), list[str]()

    async def work(user: str) -> None:
        async with turns.turn(user):
            began.append(user)
            await asyncio.sleep(0)

    tasks = [asyncio.create_task(work(user)) for user in ["a"] * 10 + ["b"] * 2]
    await asyncio.sleep(0)
    tasks[5].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

    assert turns.idle
    assert (began.count("a"), began.count("b")) == (9, 2)
    assert "b" in began[:3]
    assert "b" in began[3:6]


async def test_one_who_gives_up_in_the_moment_of_its_turn_keeps_no_place() -> None:
    turns = Turns(1)

    async def work() -> None:
        async with turns.turn("a"):
            await asyncio.sleep(0)

    for waits in range(6):
        tasks = [asyncio.create_task(work()) for _ in range(3)]
        for _ in range(waits):
            await asyncio.sleep(0)
        tasks[1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert turns.idle
