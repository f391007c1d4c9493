"""The cases of the Autobahn test suite for servers of text messages, as data.

Each case is named by its number there.
"""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bunbase.pkg.websocket import connection
from bunbase.pkg.websocket.frames import text_frame
from tests.pkg.websocket.wires import BINARY, CLOSE, CONT, PING, PONG, TEXT, Echo, SlowWire, Wire, closing, frame

KAPPA = "Hello-µ@ßöäüàá-UTF-8!!".encode()
BROKEN = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited"  # The text has a surrogate, as in case 6.3.
STAR = b"*"

# By name, each case has the bytes that the client sends, the messages that arrive, and the close code of the server or
# None.
CASES: dict[str, tuple[bytes, list[bytes], int | None]] = {
    "1.1.1 empty text": (frame(TEXT), [b""], None),
    "1.1.2 length 125": (frame(TEXT, STAR * 125), [STAR * 125], None),
    "1.1.3 length 126": (frame(TEXT, STAR * 126), [STAR * 126], None),
    "1.1.6 length 65535": (frame(TEXT, STAR * 65535), [STAR * 65535], None),
    "1.1.7 length 65536": (frame(TEXT, STAR * 65536), [STAR * 65536], None),
    "too large by one": (frame(TEXT, STAR * 65537), [], 1009),
    "too large in fragments": (frame(TEXT, STAR * 40000, fin=False) + frame(CONT, STAR * 40000), [], 1009),
    "1.2 binary": (frame(BINARY, b"\x00"), [], 1008),
    "2.1 ping": (frame(PING), [], None),
    "2.3 ping with binary data": (frame(PING, b"\x00\xff\xfe\xfd"), [], None),
    "2.5 ping of 126 bytes": (frame(PING, STAR * 126), [], 1002),
    "2.7 unsolicited pong": (frame(PONG, b"unsolicited"), [], None),
    "3.1 reserved bits": (frame(TEXT, b"x", reserved=1), [], 1002),
    "3.2 reserved bits after a message": (frame(TEXT, b"a") + frame(TEXT, b"x", reserved=2), [b"a"], 1002),
    "3.5 reserved bits of a binary frame": (frame(BINARY, b"x", reserved=5), [], 1002),
    "3.6 reserved bits of a ping": (frame(PING, b"x", reserved=6), [], 1002),
    "4.1.1 opcode 3": (frame(3), [], 1002),
    "4.1.4 opcode 6 after a message": (frame(TEXT, b"a") + frame(6, b"x"), [b"a"], 1002),
    "4.2.1 opcode 11": (frame(11), [], 1002),
    "5.1 fragmented ping": (frame(PING, b"a", fin=False) + frame(CONT, b"b"), [], 1002),
    "5.3 fragments": (frame(TEXT, b"a", fin=False) + frame(CONT, b"b"), [b"ab"], None),
    "5.6 ping between fragments": (frame(TEXT, b"a", fin=False) + frame(PING, b"p") + frame(CONT, b"b"), [b"ab"], None),
    "5.9 continuation without a beginning": (frame(CONT, b"b"), [], 1002),
    "5.15 text within fragments": (frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"), [], 1002),
    "6.1.1 empty fragments": (frame(TEXT, fin=False) + frame(CONT, fin=False) + frame(CONT), [b""], None),
    "6.2.1 UTF-8": (frame(TEXT, KAPPA), [KAPPA], None),
    "6.2.3 a character in two fragments": (
        b"".join(frame(TEXT if not at else CONT, KAPPA[at : at + 1], fin=False) for at in range(len(KAPPA)))
        + frame(CONT),
        [KAPPA],
        None,
    ),
    "6.3.1 invalid UTF-8": (frame(TEXT, BROKEN), [], 1007),
    "6.3.2 invalid UTF-8 in fragments": (frame(TEXT, BROKEN[:12], fin=False) + frame(CONT, BROKEN[12:]), [], 1007),
    "6.6 a cut character": (frame(TEXT, b"\xce\xba\xe1"), [], 1007),
    "7.1.3 two close frames": (closing(1000) * 2, [], 1000),
    "7.1.5 close within fragments": (frame(TEXT, b"a", fin=False) + closing(1000) + frame(CONT), [], 1000),
    "7.1.6 text after close": (closing(1000) + frame(TEXT, b"late"), [], 1000),
    "7.3.1 close without a code": (frame(CLOSE), [], 1005),
    "7.3.2 close with one byte": (frame(CLOSE, b"\x03"), [], 1002),
    "7.3.5 close with the longest reason": (closing(1000, STAR * 123), [], 1000),
    "7.3.6 close with a longer reason": (closing(1000, STAR * 124), [], 1002),
    "7.5.1 close with invalid UTF-8": (closing(1000, BROKEN), [], 1007),
    **{f"7.7 close {code}": (closing(code), [], code) for code in (1000, 1001, 1011, 3000, 3999, 4000, 4999)},
    **{f"7.9 close {code}": (closing(code), [], 1002) for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000)},
    "without a mask": (frame(TEXT, b"x", masked=False), [], 1002),
}


@pytest.mark.parametrize("pieces", [1, 7])
@pytest.mark.parametrize("name", CASES)
async def test_a_case_of_the_autobahn_suite(name: str, pieces: int) -> None:
    sent, messages, code = CASES[name]
    wire = Wire()

    await wire.feed(sent, pieces)

    assert (wire.texts, wire.close_code) == (messages, code)


async def test_pings_are_answered_with_their_data() -> None:
    wire = Wire()

    await wire.feed(b"".join(frame(PING, b"%d" % number) for number in range(10)))

    assert wire.sent == [(PONG, b"%d" % number) for number in range(10)]
    assert wire.frames == 10


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from((TEXT, PING, PONG)), max_size=12), st.data())
def test_answers_have_the_order_of_the_frames(opcodes: list[int], data: st.DataObject) -> None:
    """Autobahn's cases 5.6 to 5.8, 5.19 and 5.20 require that a ping amid a message is answered before the message."""
    sent, answers = b"", []
    for number, opcode in enumerate(opcodes):
        body = b"%d" % number
        if opcode == TEXT:
            amid = data.draw(st.sampled_from((b"", frame(PING, b"amid"))))
            sent += frame(TEXT, body, fin=False) + amid + frame(CONT)
            answers += [(PONG, b"amid")] * bool(amid) + [(TEXT, body)]
        else:
            sent += frame(opcode, body)
            answers += [(PONG, body)] * (opcode == PING)
    pieces = data.draw(st.integers(1, 5))

    async def run() -> Wire:
        wire = Echo()
        await wire.feed(sent + closing(1000), pieces)
        return wire

    assert asyncio.run(run()).sent == [*answers, (CLOSE, b"\x03\xe8")]


async def test_a_thousand_tiny_frames_are_parsed_in_slices() -> None:
    wire = Wire()

    wire.socket.data_received(frame(TEXT, b"x") * 5000)

    assert 0 < len(wire.texts) < 1000, "one turn of the loop has parsed everything"
    assert not wire.reading
    while wire.socket.next_slice is not None:
        await asyncio.sleep(0)
    assert len(wire.texts) == 5000
    assert wire.reading


async def test_a_client_that_does_not_answer_a_close_frame_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "CLOSE_SECONDS", 0.01)
    wire = Wire()

    wire.socket.close(4401, "auth")
    wire.socket.close(1000)
    wire.socket.send_text(b"late")

    assert [opcode for opcode, _ in wire.sent] == [CLOSE]
    while not wire.aborted:
        await asyncio.sleep(0.001)


async def test_a_client_that_answers_a_close_frame_ends_the_connection() -> None:
    wire = Wire()
    wire.socket.close(4401, "auth")

    await wire.feed(closing(4401))
    wire.socket.connection_lost(None)

    assert wire.closing
    assert not wire.aborted
    assert wire.lost
    assert wire.told == ["left"]


async def test_nothing_is_read_from_a_client_that_does_not_read() -> None:
    wire = Wire()

    wire.socket.pause_writing()
    assert not wire.reading
    wire.socket.resume_writing()

    assert wire.reading
    assert wire.told == ["pause", "resume"]


async def test_the_memory_of_a_client_that_reads_slowly_is_what_is_counted() -> None:
    wire, large = SlowWire(), STAR * (4 << 20)

    wire.socket.send_text(large)
    everything = wire.socket.waiting_bytes
    wire.read(3 << 16)
    while sum(wire.held) > 1000 and wire.unsent > 1000:
        assert abs(wire.socket.waiting_bytes - wire.socket.backlog_bytes - sum(wire.held)) <= 64 << 10
        wire.read(50_000)

    assert everything > len(large)
    assert wire.told == ["pause", "resume"]
    assert wire.sent == [(TEXT, large)]


async def test_a_client_that_leaves_the_end_of_a_large_message_unread_holds_little() -> None:
    wire = SlowWire()
    wire.socket.send_text(STAR * (4 << 20))

    while wire.socket.waiting_bytes > 1024:
        wire.read(min(64 << 10, wire.socket.waiting_bytes - 1024))

    assert sum(wire.held) <= 2 * (64 << 10)


async def test_everything_after_a_large_message_stays_behind_it() -> None:
    wire = SlowWire()
    wire.socket.send_text(STAR * 300_000)
    wire.socket.send_text(b"small")
    await wire.feed(frame(PING, b"p"))
    wire.socket.close(4401, "auth")
    await wire.feed(closing(4401))
    assert not wire.closing

    while wire.unsent:
        wire.read(50_000)

    assert [(opcode, len(data)) for opcode, data in wire.sent] == [(TEXT, 300_000), (TEXT, 5), (PONG, 1), (CLOSE, 6)]
    assert wire.closing
    assert wire.socket.waiting_bytes == 0


async def test_the_end_of_a_connection_frees_what_waits() -> None:
    wire = SlowWire()
    wire.socket.send_text(STAR * 300_000)

    wire.socket.abort()

    assert wire.socket.waiting_bytes == wire.unsent <= 2 * (64 << 10)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 70000])
def test_a_frame_of_any_size_has_the_right_header(size: int) -> None:
    wire = Wire.__new__(Wire)
    wire.written = text_frame(STAR * size)

    assert wire.sent == [(TEXT, STAR * size)]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=200), max_size=8), st.data())
def test_messages_arrive_whole_however_they_are_cut(messages: list[str], data: st.DataObject) -> None:
    sent = b""
    for message in messages:
        raw = message.encode()
        cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=3)))
        parts = [raw[start:end] for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
        for number, part in enumerate(parts):
            sent += frame(CONT if number else TEXT, part, fin=number == len(parts) - 1)
    pieces = data.draw(st.integers(1, 20))

    async def run() -> Wire:
        wire = Wire()
        await wire.feed(sent, pieces)
        return wire

    wire = asyncio.run(run())
    assert wire.texts == [message.encode() for message in messages]
    assert wire.close_code is None


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300), st.integers(1, 5))
def test_any_bytes_end_in_messages_or_in_a_close_frame(sent: bytes, pieces: int) -> None:
    async def run() -> Wire:
        wire = Wire()
        await wire.feed(sent, pieces)
        return wire

    wire = asyncio.run(run())
    assert wire.close_code in (None, 1000, 1002, 1005, 1007, 1008, 1009) or 1000 <= (wire.close_code or 0) < 5000
