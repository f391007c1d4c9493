from __future__ import annotations

from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from bunbase.gateway.sliding_window import SlidingWindow
from tests.seeds import examples


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@settings(max_examples=examples(100), deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 8)), max_size=60))
def test_the_count_of_a_sliding_window_equals_a_full_list_of_times(happened: list[tuple[str, float]]) -> None:
    clock, times = Clock(), defaultdict(list)
    recent = SlidingWindow(limit=4, seconds=10, clock=clock)

    for name, pause in happened:
        clock.now += pause
        recent.add((name,))
        times[name].append(clock.now)

        lately = [one for one in times[name] if one > clock.now - 10]
        assert recent.count((name,)) == min(4, len(lately))
        assert recent.left((name,)) == 4 - min(4, len(lately))
        if len(lately) >= 4:
            assert 0 <= recent.wait_seconds((name,)) - (lately[-4] + 10 - clock.now) <= 1
    assert recent.size == sum(len(kept) for kept in recent.times.values())


def test_twenty_thousand_invented_names_do_not_fill_the_memory() -> None:
    """The number of names has a bound, and each name takes 16 bytes whatever its length."""
    recent = SlidingWindow(limit=20, seconds=60, names=1000, times=3000)

    for number in range(20_000):
        recent.add(("address", "developers", f"2001:db8:{number:x}::/64" + "x" * 250))
        recent.add(("address", "developers", "one that goes on"))

    assert len(recent.times) == 1000
    assert recent.size <= 3000
    assert {len(key) for key in recent.times} == {16}
    assert recent.left(("address", "developers", "one that goes on")) == 0


def test_the_number_of_kept_times_has_a_bound() -> None:
    recent = SlidingWindow(limit=1000, seconds=60, names=1000, times=3000)

    for number in range(20_000):
        recent.add((str(number % 20),))

    assert recent.size <= 3000


def test_expired_names_are_removed_step_by_step() -> None:
    clock = Clock()
    recent = SlidingWindow(limit=2, seconds=60, clock=clock)
    for number in range(100):
        recent.add((str(number),))

    clock.now += 61
    for _ in range(60):
        recent.add(("another",))

    assert len(recent.times) == 1


def test_names_of_equal_text_but_different_parts_have_separate_counts() -> None:
    recent = SlidingWindow(limit=2, seconds=60)

    recent.add(("a", "b"))

    assert recent.count(("ab",)) == 0
    assert recent.count(("\ud800",)) == 0
