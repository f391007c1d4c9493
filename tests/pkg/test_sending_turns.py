from __future__ import annotations

from datetime import timedelta

from bunbase.pkg.clock import ManualClock
from bunbase.pkg.sending_turns import SLOW_FOR, SendingTurns

PLACES, TOGETHER = 16, 2
SLOW = [f"slow{number}" for number in range(40)]


def sending(turns: SendingTurns, asking: list[str], clock: ManualClock) -> list[str]:
    """Return the projects that may send at this moment, when each project has many messages."""
    places: list[str] = []
    while len(places) < PLACES:
        waiting = turns.waiting(places, clock.now())
        found = next((project for project in asking if project not in waiting), None)
        if found is None:
            break
        places.append(found)
    return places


def test_eight_projects_whose_hooks_hang_leave_places_for_others() -> None:
    assert "bakery" in sending(SendingTurns(PLACES, TOGETHER), [*SLOW[:8], "bakery"], ManualClock())


def test_however_many_projects_are_slow_they_have_half_of_the_places() -> None:
    turns, clock = SendingTurns(PLACES, TOGETHER), ManualClock()
    for project in SLOW:
        turns.note(project, clock.now() - timedelta(seconds=10), clock.now())

    places = sending(turns, [*SLOW, "bakery"], clock)

    assert (len([one for one in places if one in SLOW]), places.count("bakery")) == (PLACES // 2, 1)


def test_a_project_is_slow_until_its_hook_is_fast_again_or_for_a_while() -> None:
    turns, clock = SendingTurns(PLACES, TOGETHER), ManualClock()
    for project in ("again", "later"):
        turns.note(project, clock.now() - timedelta(seconds=10), clock.now())

    turns.note("again", clock.now(), clock.now())
    assert set(turns.slow) == {"later"}
    clock.advance(SLOW_FOR.total_seconds())
    turns.waiting([], clock.now())

    assert turns.slow == {}
