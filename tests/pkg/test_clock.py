from __future__ import annotations

from datetime import UTC, datetime

from bunbase.pkg.clock import ManualClock, SystemClock, rfc3339


def test_times_are_written_with_milliseconds() -> None:
    assert rfc3339(datetime(2026, 1, 2, 3, 4, 5, 6789, UTC)) == "2026-01-02T03:04:05.006Z"
    assert rfc3339(ManualClock().now()) == "2026-01-01T00:00:00.000Z"
    assert SystemClock().now().microsecond % 1000 == 0


def test_the_manual_clock_moves_only_by_advance() -> None:
    clock = ManualClock()
    start = clock.now()

    clock.advance(1.5)

    assert (clock.now() - start).total_seconds() == 1.5
