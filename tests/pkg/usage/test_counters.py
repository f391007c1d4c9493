from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bunbase.pkg import metrics
from bunbase.pkg.usage import counters
from bunbase.pkg.usage.batches import Amount
from bunbase.pkg.usage.counters import Usage
from bunbase.pkg.usage.dimensions import Dimension

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
READS, WRITES = Dimension.DOC_READS, Dimension.DOC_WRITES


def dropped(dimension: Dimension) -> float:
    return float(metrics.usage_dropped.labels(dimension.name.lower())._value.get())


def test_take_returns_each_sum_once_and_in_order() -> None:
    usage = Usage(NOON + timedelta(minutes=3))
    for project, dimension, amount in (("b", READS, 1), ("a", WRITES, 2), ("b", READS, 3), ("a", READS, 0)):
        usage.add(project, dimension, amount)

    assert usage.take() == (Amount("a", WRITES, NOON, 2), Amount("b", READS, NOON, 4))
    assert usage.take() == ()


def test_an_amount_counts_in_its_hour_and_a_clock_set_back_changes_no_hour() -> None:
    usage = Usage(NOON)
    for minutes, amount in ((0, 1), (59, 2), (60, 4), (59, 8), (125, 16)):
        usage.turn_to(NOON + timedelta(minutes=minutes))
        usage.add("p", READS, amount)

    assert {one.hour.hour: one.amount for one in usage.take()} == {12: 11, 13: 4, 14: 16}


def test_with_too_many_counters_new_ones_are_dropped_and_known_ones_continue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counters, "MAX_COUNTERS", 2)
    usage, before = Usage(NOON), dropped(READS)

    for project in ("a", "b", "c", "a", "c"):
        usage.add(project, READS, 10)

    assert {one.project: one.amount for one in usage.take()} == {"a": 20, "b": 10}
    assert dropped(READS) == before + 20
    usage.add("c", READS)
    assert [one.project for one in usage.take()] == ["c"]


@pytest.mark.parametrize("wrong", [-5, 1 << 62, 0.5])
def test_an_invalid_amount_is_dropped_without_the_rest_of_the_batch(wrong: int) -> None:
    usage, before = Usage(NOON), dropped(WRITES)

    usage.add("a", WRITES, wrong)
    usage.add("b", WRITES, 7)

    assert [(one.project, one.amount) for one in usage.take()] == [("b", 7)]
    assert dropped(WRITES) == before + 1


def test_the_numbers_of_dimensions_never_change() -> None:
    assert [(one.name, one.value) for one in Dimension] == [
        ("DOC_READS", 1),
        ("DOC_WRITES", 2),
        ("DOC_BYTE_HOURS", 3),
        ("FN_CALLS", 4),
        ("FN_MB_MS", 5),
        ("FN_CPU_US", 6),
        ("EGRESS_BYTES", 7),
        ("RT_MESSAGES", 8),
        ("RT_CONNECTION_SECONDS", 9),
        ("MAU", 10),
        ("FILE_BYTE_HOURS", 11),
        ("KMS_OPS", 12),
        ("KV_OPS", 13),
        ("RT_PUBLISHED", 14),
    ]
