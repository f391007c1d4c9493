from __future__ import annotations

from bunbase.pkg.context import deadline_in, seconds_left


def test_an_inner_deadline_never_outlives_the_outer() -> None:
    with deadline_in(5):
        with deadline_in(500):
            assert 0 < seconds_left(1000) <= 5
        with deadline_in(0):
            assert seconds_left(1000) == 0
        assert seconds_left(2) == 2
    assert seconds_left(1000) == 1000
