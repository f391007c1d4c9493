"""Refused attempts wait in memory until a job stores them."""

from __future__ import annotations

import pytest

from bunbase.pkg.clock import ManualClock
from bunbase.pkg.identity.refused_attempts import FACTOR, MAX_OF_GROUP, MAX_WAITING, CountedAttempts, RefusedAttempts

Attempt = tuple[str, str, str]  # The project, the user and the address.


@pytest.fixture
def stored() -> dict[Attempt, int]:
    return {}


@pytest.fixture
def attempts(stored: dict[Attempt, int]) -> RefusedAttempts[Attempt]:
    async def store(attempt: Attempt, counted: CountedAttempts) -> None:
        stored[attempt] = stored.get(attempt, 0) + counted.count

    return RefusedAttempts(store, lambda one: (one[0], one[1], ""), lambda one: one[0], ManualClock())


async def test_a_flood_in_one_project_neither_fills_the_memory_nor_hides_addresses_in_another(
    attempts: RefusedAttempts[Attempt], stored: dict[Attempt, int]
) -> None:
    for number in range(5 * MAX_OF_GROUP):
        attempts.note(("bakery", f"usr_{number}", "198.51.100.1"))
    attempts.note(("library", "usr_eve", "203.0.113.7"))

    assert len(attempts.waiting) == FACTOR * MAX_OF_GROUP + 1
    await attempts.store_all()
    assert stored["library", "usr_eve", "203.0.113.7"] == 1
    assert len(stored) == FACTOR * MAX_OF_GROUP + 1
    attempts.note(("bakery", "usr_0", "198.51.100.2"))  # There is space again.
    assert list(attempts.waiting) == [("bakery", "usr_0", "198.51.100.2")]


def test_a_flood_in_many_projects_fills_a_part_of_the_memory(attempts: RefusedAttempts[Attempt]) -> None:
    for number in range(3 * MAX_WAITING):
        attempts.note((f"prj_{number // 100}", f"usr_{number}", "198.51.100.1"))

    assert len(attempts.waiting) == FACTOR * MAX_WAITING


async def test_attempts_of_one_user_are_stored_alone_and_those_that_fail_wait(
    attempts: RefusedAttempts[Attempt], stored: dict[Attempt, int]
) -> None:
    eve, bob = ("bakery", "usr_eve", "203.0.113.7"), ("bakery", "usr_bob", "203.0.113.7")
    for attempt in (eve, eve, bob):
        attempts.note(attempt)
    await attempts.store_all(lambda one: one[1] == "usr_eve")
    assert (stored, list(attempts.waiting)) == ({eve: 2}, [bob])

    async def broken(_attempt: Attempt, _counted: CountedAttempts) -> None:
        raise ConnectionError

    works, attempts.store = attempts.store, broken
    with pytest.raises(ConnectionError):
        await attempts.store_all()
    attempts.store = works
    attempts.note(bob)
    await attempts.store_all()
    assert (stored[bob], dict(attempts.of_group)) == (2, {})
