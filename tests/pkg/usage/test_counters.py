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


def test_what_is_counted_is_given_once_summed_and_in_order() -> None:
    usage = Usage(NOON + timedelta(minutes=3))
    for project, dimension, amount in (("b", READS, 1), ("a", WRITES, 2), ("b", READS, 3), ("a", READS, 0)):
        usage.add(project, dimension, amount)

    assert usage.take() == (Amount("a", WRITES, NOON, 2), Amount("b", READS, NOON, 4))
    assert usage.take() == ()


def test_each_amount_stands_in_the_hour_in_which_it_was_counted_also_when_a_clock_is_set_back() -> None:
    usage = Usage(NOON)
    for minutes, amount in ((0, 1), (59, 2), (60, 4), (59, 8), (125, 16)):
        usage.turn_to(NOON + timedelta(minutes=minutes))
        usage.add("p", READS, amount)

    assert {one.hour.hour: one.amount for one in usage.take()} == {12: 11, 13: 4, 14: 16}


def test_what_has_no_room_is_a_metric_and_what_is_counted_already_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counters, "MAX_COUNTERS", 2)
    usage, before = Usage(NOON), dropped(READS)

    for project in ("a", "b", "c", "a", "c"):
        usage.add(project, READS, 10)

    assert {one.project: one.amount for one in usage.take()} == {"a": 20, "b": 10}
    assert dropped(READS) == before + 20
    usage.add("c", READS)
    assert [one.project for one in usage.take()] == ["c"]


@pytest.mark.parametrize("wrong", [-5, 1 << 62, 0.5])
def test_what_is_no_whole_number_does_not_spoil_the_batch(wrong: int) -> None:
    usage, before = Usage(NOON), dropped(WRITES)

    usage.add("a", WRITES, wrong)
    usage.add("b", WRITES, 7)

    assert [(one.project, one.amount) for one in usage.take()] == [("b", 7)]
    assert dropped(WRITES) == before + 1


def test_a_dimension_keeps_its_number_for_ever() -> None:
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
    ]
