"""The limits of one upload, tested without a worker."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from bunbase.functions.workers.frames import LENGTH, BadFrame, Frame
from bunbase.functions.workers.limits import WINDOW_BYTES
from bunbase.functions.workers.upload import Upload
from bunbase.pkg.errors import InvalidInput, Problem, RequestStalled, TooLarge
from tests.functions.calls import until

LONG = 60.0


class Ends:
    """Both ends of an upload. `sent` holds frames to the worker, `refused` holds problems for the caller."""

    def __init__(self, begun: int = 0, max_bytes: int = 1 << 20, silence_seconds: float = LONG) -> None:
        self.sent: list[tuple[Frame, bytes]] = []
        self.refused: list[Problem] = []
        self.upload = Upload(begun, lambda type, payload: self.sent.append((type, payload)), self.refused.append)
        self.room = self.upload.begin(max_bytes, silence_seconds)

    def codes(self) -> list[str]:
        return [msgspec.json.decode(payload)["code"] for type, payload in self.sent if type is Frame.BODY_FAIL]


async def test_a_sender_that_filled_the_window_waits_until_the_function_reads() -> None:
    ends = Ends(begun=100)
    feeding = asyncio.create_task(ends.upload.feed(bytes(ends.room), False))
    await until(lambda: bool(ends.sent))
    assert not feeding.done()

    ends.upload.hear(Frame.BODY_CREDIT, LENGTH.pack(WINDOW_BYTES))

    assert await feeding == WINDOW_BYTES
    ends.upload.close()


async def test_a_sender_cannot_send_more_than_the_window_allows() -> None:
    ends = Ends()

    with pytest.raises(InvalidInput):
        await ends.upload.feed(bytes(WINDOW_BYTES + 1), False)

    assert ends.sent == []


@pytest.mark.parametrize("payload", [LENGTH.pack(11), LENGTH.pack(2**32 - 1), LENGTH.pack(0), b"", b"12345"])
async def test_credit_for_bytes_that_were_never_sent_breaks_the_protocol(payload: bytes) -> None:
    ends = Ends(begun=4)
    await ends.upload.feed(b"123456", False)

    with pytest.raises(BadFrame):
        ends.upload.hear(Frame.BODY_CREDIT, payload)

    assert ends.upload.window.left == WINDOW_BYTES - 10
    ends.upload.close()


async def test_a_body_over_the_limit_fails_for_the_caller_and_for_the_function() -> None:
    ends = Ends(begun=6, max_bytes=10)

    assert await ends.upload.feed(b"1234", False) == WINDOW_BYTES - 10
    assert await ends.upload.feed(b"5", False) is None

    assert [type(problem) for problem in ends.refused] == [TooLarge]
    assert ends.codes() == [TooLarge.code]
    assert ends.upload.total_bytes == 11
    assert await ends.upload.feed(b"6", True) is None


async def test_a_silent_sender_ends_the_upload_only_if_the_window_has_room() -> None:
    ends = Ends(silence_seconds=0.05)
    feeding = asyncio.create_task(ends.upload.feed(bytes(WINDOW_BYTES), False))
    await asyncio.sleep(0.2)  # This is longer than the allowed silence, but the function does not read.
    assert ends.refused == []

    ends.upload.hear(Frame.BODY_CREDIT, LENGTH.pack(1))
    assert await feeding == 1
    await until(lambda: bool(ends.refused))

    assert [type(problem) for problem in ends.refused] == [RequestStalled]
    assert ends.codes() == [RequestStalled.code]


async def test_the_end_of_the_call_releases_a_sender_that_waits_for_room() -> None:
    ends = Ends()
    feeding = asyncio.create_task(ends.upload.feed(bytes(WINDOW_BYTES), False))
    await until(lambda: bool(ends.sent))

    ends.upload.close()
    ends.upload.close()

    assert await feeding is None
    assert ends.codes() == ["call_over"]
    assert ends.refused == []


async def test_credit_after_a_complete_body_is_accepted() -> None:
    ends = Ends()

    assert await ends.upload.feed(b"all", True) is None
    ends.upload.hear(Frame.BODY_CREDIT, LENGTH.pack(3))
    ends.upload.close()

    assert ends.sent == [(Frame.BODY, b"all"), (Frame.BODY_END, b"")]


async def test_a_function_that_cancels_its_body_receives_nothing_more() -> None:
    ends = Ends()
    ends.upload.hear(Frame.BODY_CANCEL, b"")

    assert await ends.upload.feed(b"more", False) is None

    assert ends.sent == []
