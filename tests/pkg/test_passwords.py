from __future__ import annotations

import asyncio
import os
import random
import sys
import threading
from collections.abc import AsyncIterator

import pytest
from argon2 import PasswordHasher
from hypothesis import given, settings
from hypothesis import strategies as st

from bunbase.pkg import passwords as passwords_module
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.hash_turns import HashTurns, NoRoom, Purpose, TurnQueue
from bunbase.pkg.passwords import MAX_LENGTH, MAX_NICENESS, NICENESS, Passwords, SignInBusy, may_be_slow, open_passwords
from tests.seeds import examples

POOL, OTHER = "prj_bakery", "prj_library"
BUSY = ("busy", "busier")


@pytest.fixture
async def passwords() -> AsyncIterator[Passwords]:
    async with open_passwords() as opened:
        yield opened


@pytest.mark.usefixtures("true_hasher")
async def test_only_the_right_password_matches_the_hash(passwords: Passwords) -> None:
    hash = await passwords.hash(POOL, "correct horse")

    assert hash.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert await passwords.matches(POOL, "correct horse", hash)
    assert not await passwords.matches(POOL, "incorrect horse", hash)


async def test_an_old_hash_is_upgraded_only_while_the_password_is_acceptable(passwords: Passwords) -> None:
    weaker = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1)

    upgraded = await passwords.upgraded(POOL, "correct horse", weaker.hash("correct horse"))

    assert upgraded is not None
    assert await passwords.upgraded(POOL, "correct horse", upgraded) is None
    assert await passwords.upgraded(POOL, "short", weaker.hash("short")) is None


FOREIGN = "$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i"


async def test_a_foreign_hash_is_replaced_even_if_its_password_is_shorter_than_new_ones_may_be(
    passwords: Passwords,
) -> None:
    assert await passwords.matches(POOL, "abc", FOREIGN)
    assert not await passwords.matches(POOL, "abd", FOREIGN)

    upgraded = await passwords.upgraded(POOL, "abc", FOREIGN)

    assert upgraded is not None
    assert upgraded.startswith("$argon2id$")
    assert await passwords.matches(POOL, "abc", upgraded)


async def test_the_slow_hashes_of_one_project_delay_no_sign_in_of_another(
    passwords: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = threading.Event()
    monkeypatch.setattr(passwords_module, "_matches_foreign", lambda *_: slow.wait(10))
    waiting = [asyncio.ensure_future(passwords.matches(POOL, "abc", FOREIGN)) for _ in range(11)]
    await asyncio.sleep(0)

    with pytest.raises(SignInBusy):
        await passwords.matches(POOL, "abc", FOREIGN)
    assert not await passwords.matches(OTHER, "a password", None)
    other = asyncio.ensure_future(passwords.matches(OTHER, "abc", FOREIGN))
    await asyncio.sleep(0)
    # The call of the other project did not wait for the ten others.
    assert dict(passwords.foreign_turns.hashing) == {POOL: 1, OTHER: 1}
    slow.set()
    await asyncio.gather(*waiting, other)


async def test_each_form_of_a_password_takes_a_turn_of_its_own_with_a_foreign_hash(
    passwords: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    def matches(password: str, _hash: str) -> bool:
        tried.append(password)
        return False

    monkeypatch.setattr(passwords_module, "_matches_foreign", matches)

    for password in ("\ufb01sh and chips", "fish and chips"):
        assert not await passwords.matches(POOL, password, FOREIGN)

    assert tried == ["\ufb01sh and chips", "fish and chips", "fish and chips"]
    assert passwords.foreign_turns.free == passwords_module.FOREIGN_THREADS


@pytest.mark.usefixtures("true_hasher")
def test_only_a_hash_without_a_parameter_above_ours_is_checked_in_our_threads() -> None:
    """Each parameter alone can make a check slow: argon2 starts four threads for each lane in each round."""
    some, ours = random.Random(12), (19456, 2, 1)
    for _ in range(300):
        memory, rounds, lanes = some.choice((8, 64, 19456, 19457)), some.choice((1, 2, 3, 608)), some.choice((1, 2, 8))
        text = f"$argon2id$v=19$m={memory},t={rounds},p={lanes}$c29tZXNhbHRz$" + "A" * 43
        assert may_be_slow(text) == any(its > our for its, our in zip((memory, rounds, lanes), ours, strict=True)), text
    unreadable = ("m=0000000019456,t=2,p=1", "m=\u0661,t=2,p=1", "t=2,m=8,p=1", "m=8,t=1,p=1,p=8", "m=8,t=1,p=1")
    for head in unreadable:
        assert may_be_slow(f"$argon2id$v=19${head}"), head


async def test_two_unicode_forms_of_a_letter_are_the_same_password(passwords: Passwords) -> None:
    hash = await passwords.hash(POOL, "cafe\u0301-au-lait")

    assert await passwords.matches(POOL, "caf\u00e9-au-lait", hash)


async def test_without_an_account_a_decoy_hash_is_checked_and_nothing_matches(
    passwords: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str] = []

    def matches(_password: str, hash: str) -> bool:
        checked.append(hash)
        return True

    monkeypatch.setattr(passwords_module, "_matches", matches)

    assert not await passwords.matches(POOL, "nobody has this password", None)

    assert checked == [passwords_module.decoy()]


async def test_the_password_of_the_decoy_hash_does_not_match(passwords: Passwords) -> None:
    assert not await passwords.matches(POOL, "nobody has this password", None)


@pytest.mark.parametrize("password", ["short", "", "x" * (MAX_LENGTH + 1)])
async def test_a_password_too_short_or_too_long_is_refused(passwords: Passwords, password: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        await passwords.hash(POOL, password)

    assert refused.value.extra["errors"][0]["path"] == "/password"


async def test_a_huge_password_is_refused_without_hashing(passwords: Passwords) -> None:
    assert not await passwords.matches(POOL, "x" * 10_000_000, "no hash at all")


async def test_a_broken_hash_matches_nothing(passwords: Passwords) -> None:
    for broken in ("not a hash", "$argon2id$broken", "$2a$15$", ""):
        assert not await passwords.matches(POOL, "correct horse", broken)


async def test_a_full_queue_of_hashes_refuses_calls_until_it_is_shorter(
    passwords: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    passwords.turns = HashTurns(1, TurnQueue(of_pool=2, of_all=5), TurnQueue(1, 1))
    released = threading.Event()
    monkeypatch.setattr(passwords_module, "_matches", lambda *_: released.wait(10))
    waiting = [asyncio.ensure_future(passwords.matches(POOL, "a password", "a hash")) for _ in range(3)]
    await asyncio.sleep(0)

    with pytest.raises(SignInBusy) as refused:
        await passwords.matches(POOL, "a password", "a hash")
    released.set()
    await asyncio.gather(*waiting)

    assert refused.value.headers() == {"retry-after": "3"}
    assert await passwords.matches(POOL, "a password", "a hash")
    assert (passwords.turns.free, passwords.turns.waiting) == (1, 0)


async def test_a_cancelled_call_frees_its_thread_only_after_its_hash_is_done(
    passwords: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    passwords.turns = HashTurns(1, TurnQueue(2, 2), TurnQueue(1, 1))
    released = threading.Event()
    monkeypatch.setattr(passwords_module, "_matches", lambda *_: released.wait(10))
    hashing, waiting = (asyncio.ensure_future(passwords.matches(POOL, "a password", "a hash")) for _ in range(2))
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    for leaving in (hashing, waiting):
        leaving.cancel()
    await asyncio.gather(hashing, waiting, return_exceptions=True)
    busy = passwords.turns.free
    released.set()

    assert (busy, passwords.turns.waiting) == (0, 0)
    assert await passwords.matches(POOL, "a password", "a hash")


async def joined(turns: HashTurns, pool: str, purpose: Purpose, order: list[str], name: str) -> None:
    await turns.take(pool, purpose)
    order.append(name)
    turns.give_back(pool)


async def test_pools_take_turns_so_a_storm_in_one_pool_delays_another_by_one_hash() -> None:
    """Many sign-ups and sign-ins in one project do not block the sign-ins of other projects."""
    turns, order = HashTurns(1, TurnQueue(50, 200), TurnQueue(25, 100)), list[str]()
    await turns.take(POOL, Purpose.SIGN_UP)
    storm = [asyncio.ensure_future(joined(turns, POOL, Purpose.SIGN_IN, order, "storm")) for _ in range(250)]
    storm += [asyncio.ensure_future(joined(turns, POOL, Purpose.SIGN_UP, order, "sign-up")) for _ in range(250)]
    await asyncio.sleep(0)
    others = [asyncio.ensure_future(joined(turns, OTHER, Purpose.SIGN_IN, order, "other")) for _ in range(10)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    turns.give_back(POOL)
    refused = [outcome for outcome in await asyncio.gather(*storm, return_exceptions=True) if outcome is not None]
    await asyncio.gather(*others)

    assert len(refused) == 500 - 50 - 25
    assert all(isinstance(one, NoRoom) for one in refused)
    assert order.index("other") <= 2
    assert [at for at, name in enumerate(order) if name == "other"][-1] < 30
    assert (turns.free, turns.waiting) == (1, 0)


async def test_sign_ins_run_first_and_sign_ups_get_every_fourth_turn() -> None:
    turns, order = HashTurns(1, TurnQueue(50, 200), TurnQueue(25, 100)), list[str]()
    await turns.take(POOL, Purpose.SIGN_IN)
    names = (("up", Purpose.SIGN_UP), ("in", Purpose.SIGN_IN))
    asked = [
        asyncio.ensure_future(joined(turns, POOL, purpose, order, name)) for name, purpose in names for _ in range(8)
    ]
    await asyncio.sleep(0)

    turns.give_back(POOL)
    await asyncio.gather(*asked)

    assert order == ["in", "in", "in", "up", "in", "in", "in", "up", "in", "in"] + ["up"] * 6


async def test_a_pool_with_one_waiting_call_is_admitted_to_a_full_queue() -> None:
    """If a project has many waiting calls, the new project takes the place of one of them."""
    turns, order = HashTurns(1, TurnQueue(3, 6), TurnQueue(1, 1)), list[str]()
    await turns.take("busy", Purpose.SIGN_IN)
    storm = [
        asyncio.ensure_future(joined(turns, pool, Purpose.SIGN_IN, order, pool)) for pool in "ab" for _ in range(3)
    ]
    await asyncio.sleep(0)

    late = asyncio.ensure_future(joined(turns, OTHER, Purpose.SIGN_IN, order, "late"))
    await asyncio.sleep(0)
    turns.give_back("busy")
    outcomes = await asyncio.gather(*storm, return_exceptions=True)
    await late

    assert sum(isinstance(outcome, NoRoom) for outcome in outcomes) == 1
    assert "late" in order[:3]


@settings(max_examples=examples(60), deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(Purpose), st.booleans(), st.booleans()), max_size=40),
    st.sampled_from([1, 2, None]),
)
def test_no_turn_is_lost_when_calls_are_cancelled_or_refused(
    asked: list[tuple[str, Purpose, bool, bool]], of_pool: int | None
) -> None:
    """After random calls and cancellations, all threads are free and no call waits."""
    turns: list[HashTurns] = []

    async def storm() -> None:
        shared = HashTurns(2, TurnQueue(2, 4), TurnQueue(1, 2), of_pool)
        turns.append(shared)
        for busy in BUSY:
            await shared.take(busy, Purpose.SIGN_IN)
        tasks = []
        for pool, purpose, leaves, early in asked:
            task = asyncio.ensure_future(joined(shared, pool, purpose, [], pool))
            tasks.append(task)
            if not early:
                await asyncio.sleep(0)
            if leaves:
                task.cancel()
        for busy in BUSY:
            shared.give_back(busy)
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(storm())

    assert (turns[0].free, turns[0].waiting, dict(turns[0].hashing)) == (2, 0, {})


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a priority for each thread")
async def test_hashing_threads_run_after_the_event_loop() -> None:
    async with open_passwords() as passwords:
        hashing = await asyncio.wrap_future(passwords.threads.submit(os.getpriority, os.PRIO_PROCESS, 0))

    assert hashing == min(os.getpriority(os.PRIO_PROCESS, 0) + NICENESS, MAX_NICENESS)
