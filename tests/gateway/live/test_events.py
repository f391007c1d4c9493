"""Streams of events: the messages that wait for a slow client."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from bunbase.gateway.live.events import PART_BYTES, EventOutlet, event


def outlet() -> EventOutlet:
    made = EventOutlet(lambda _outlet: None)
    made.session = cast(Any, SimpleNamespace(read_slowly=list, read_again=list))
    return made


async def test_a_stream_counts_exactly_what_waits_and_frees_it_as_it_is_read() -> None:
    stream, messages = outlet(), [b'{"t":"now","docs":"%b"}' % (b"x" * 300_000), b'{"t":"at"}', b'{"t":"ping"}']
    first = len(stream.waiting[0])
    for message in messages:
        stream.send([message])
    whole = b"".join([event([message]) for message in messages])
    assert stream.waiting_bytes == first + len(whole)

    parts = []
    while stream.waiting:
        parts.append(await anext(stream))
        assert stream.waiting_bytes == sum(map(len, stream.waiting))

    assert b"".join(parts)[first:] == whole
    assert max(map(len, parts)) <= PART_BYTES
    assert len(parts) == 6, "small events share a part"
    stream.end()
