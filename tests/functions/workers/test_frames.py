from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunbase.functions.workers.answer_head import AnswerHead, read_head, without_hop_by_hop
from bunbase.functions.workers.frames import BadFrame, Frame, FrameReader, encode_frame
from bunbase.functions.workers.limits import MAX_HEADERS

FRAMES = st.lists(st.tuples(st.sampled_from(Frame), st.integers(0, 2**32 - 1), st.binary(max_size=200)))


@given(FRAMES, st.lists(st.integers(1, 50), min_size=1))
def test_frames_are_read_from_pieces_of_any_size(frames: list[tuple[Frame, int, bytes]], sizes: list[int]) -> None:
    reader = FrameReader(1024)
    stream = b"".join(encode_frame(*frame) for frame in frames)

    read, at, turn = [], 0, 0
    while at < len(stream):
        size = sizes[turn % len(sizes)]
        read += list(reader.push(stream[at : at + size]))
        at, turn = at + size, turn + 1

    assert read == frames
    assert not reader.buffer


@given(st.binary(max_size=500))
def test_arbitrary_bytes_are_read_as_frames_buffered_or_refused(garbage: bytes) -> None:
    reader = FrameReader(1024)

    try:
        frames = list(reader.push(garbage))
    except BadFrame:
        return

    assert sum(len(payload) + 9 for _, _, payload in frames) + len(reader.buffer) == len(garbage)


def test_a_frame_over_the_limit_is_refused_as_soon_as_its_header_arrives() -> None:
    reader = FrameReader(100)

    with pytest.raises(BadFrame):
        list(reader.push(encode_frame(Frame.CHUNK, 1, b"x" * 100)[:9]))


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_a_valid_answer_head_or_refused(payload: bytes) -> None:
    try:
        head = read_head(payload)
    except BadFrame:
        return
    assert 200 <= head.status <= 599


@pytest.mark.parametrize(
    "payload",
    [
        b'{"status": 101, "headers": []}',
        b'{"status": 600, "headers": []}',
        b'{"status": 200, "headers": [["x", "a\\r\\nset-cookie: b"]]}',
        b'{"status": 200, "headers": [["x y", "a"]]}',
        b'{"status": 200, "headers": [["", "a"]]}',
        b'{"status": 200, "headers": [["X", "a"]]}',
        '{"status": 200, "headers": [["x", "☃"]]}'.encode(),
        b'{"status": 200, "headers": [["x", "' + b"a" * 40_000 + b'"]]}',
        b'{"status": 200, "headers": [' + b",".join([b'["x","y"]'] * (MAX_HEADERS + 1)) + b"]}",
        b"\xff",
        b"[" * 100_000,
    ],
)
def test_an_answer_head_that_http_does_not_allow_is_refused(payload: bytes) -> None:
    with pytest.raises(BadFrame):
        read_head(payload)


def test_hop_by_hop_headers_are_dropped() -> None:
    head = read_head(b'{"status": 200, "headers": [["connection", "X-Own, close"], ["x-own", "1"], ["a", "\xc3\xa9"]]}')

    assert head == AnswerHead(200, (("a", "é"),))
    assert without_hop_by_hop((("te", "x"), ("b", "1"), ("c", "2")), also=frozenset({"c"})) == (("b", "1"),)
