from __future__ import annotations

import pytest

from bunbase.buncast.buckets import Bucket
from bunbase.buncast.edge import EdgeStream
from bunbase.buncast.sent_keys import KEPT_SECONDS, SentKeys
from bunbase.contracts.buncast import Message, Published, PublishLimited
from bunbase.pkg.idempotency import Attempt

RESULT = (Published("a", "e", 1),)


def test_a_bucket_allows_its_rate_and_a_burst_of_one_second() -> None:
    bucket = Bucket(10, 0.0)
    assert bucket.has(10, 0.0)
    bucket.take(10)
    assert not bucket.has(1, 0.05)
    assert bucket.has(1, 0.11)
    assert not bucket.full(0.5)
    assert bucket.full(1.1)
    assert bucket.has(50, 2.0)  # more than the burst is allowed when the bucket is full
    bucket.take(50)
    assert not bucket.has(1, 5.9)


def test_keys_are_kept_for_two_minutes_and_are_bounded() -> None:
    keys = SentKeys(most=2)
    keys.keep(Attempt(b"1", b"r"), RESULT, 0.0)
    keys.keep(Attempt(b"2", b"r"), RESULT, 1.0)
    assert keys.find(Attempt(b"1", b"r"), 100.0) == RESULT
    with pytest.raises(PublishLimited):
        keys.check_room(1, 100.0)
    keys.check_room(0, 100.0)
    keys.check_room(1, KEPT_SECONDS)
    assert keys.find(Attempt(b"1", b"r"), KEPT_SECONDS) is None
    assert len(keys) == 1


async def test_an_edge_that_reads_too_slowly_loses_its_stream() -> None:
    stream = EdgeStream("edge", 0.0, max_bytes=1000)
    for offset in range(3):
        stream.put(Message("c", offset, b"x" * 100))
    assert await stream.next(1) == tuple([Message("c", offset, b"x" * 100) for offset in range(3)])
    assert await stream.next(0.001) == ()

    for offset in range(4):
        stream.put(Message("c", offset, b"x" * 100))

    assert await stream.next(1) is None
    assert stream.behind
