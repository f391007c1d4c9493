"""The batches that wait for a hub are bounded, and metrics count them."""

from __future__ import annotations

import pytest

from bunbase.bundoc.changes import CommittedBatch, DocumentChange
from bunbase.bundoc.documents import StoredDocument
from bunbase.bundoc.live import tail
from bunbase.bundoc.live.tail import Tail
from bunbase.bundoc.service import BundocService
from bunbase.contracts.bundoc.live import LiveQuery
from bunbase.pkg import metrics
from tests.bundoc.live.following import SERVER, Following, ids, put


def batch(seq: int, epoch: str = "e") -> CommittedBatch:
    stored = StoredDocument("a", 1, "", "", b"x" * 100)
    return CommittedBatch(epoch, seq - 1, seq, (DocumentChange(seq, "posts", None, stored),))


def waiting() -> float:
    return float(metrics.bundoc_live_waiting._value.get())


def gaps(where: str) -> float:
    return float(metrics.bundoc_live_gaps.labels(where)._value.get())


def test_changes_that_wait_are_counted_until_they_are_taken_or_forgotten() -> None:
    before, waits = waiting(), Tail()
    for seq in (1, 2, 3):
        waits.take(batch(seq))
    assert (waiting() - before, waits.bytes) == (3, 300)

    assert waits.next(1) == batch(1)
    assert waits.next(1) is None
    assert waiting() - before == 2

    waits.forget()
    assert (waiting() - before, waits.bytes, waits.unknown) == (0, 0, True)


def test_batches_of_another_history_are_dropped() -> None:
    before, waits = waiting(), Tail()
    for one in (batch(5), batch(3, "f"), batch(4, "f"), batch(6, "f")):
        waits.take(one)

    waits.begin("f", 4)

    assert [one.batch.seq for one in waits.waiting] == [4, 6]
    assert (waiting() - before, waits.bytes) == (2, 200)


async def test_results_stay_right_when_changes_do_not_fit_and_the_gap_is_counted(
    service: BundocService, following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = await following.watch(SERVER, 1, LiveQuery("posts"))
    before, missed = gaps("tail"), gaps("arrival")
    monkeypatch.setattr(tail, "MAX_BYTES", 10)

    await following.reached(await put(service, "a", text="longer than ten bytes"))

    assert (ids(held), gaps("tail")) == (["a"], before + 1)
    assert gaps("arrival") == missed, "the hub has waited for changes that were dropped"
