"""The limits of an ask (a call from a function to the host), tested without a worker."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunbase.contracts.functions.deployments import FunctionConfig
from bunbase.functions.workers.asks import Ask, Asks, Host, Opening, read_opening
from bunbase.functions.workers.deployment import Deployment, Request
from bunbase.functions.workers.frames import LENGTH, BadFrame, Frame, join_payload
from bunbase.functions.workers.limits import WINDOW_BYTES
from bunbase.pkg.errors import TooLarge
from tests.functions.calls import until

DEPLOYMENT = Deployment("prj_one", "f", 1, "", FunctionConfig(), 0)
REQUEST = Request("inv_1", "GET", "/", (), None, b"")


class Collecting:
    """A host that collects the bodies of asks and replies with two windows of data."""

    def __init__(self, max_bytes: int = 1 << 20) -> None:
        self.max_bytes = max_bytes
        self.bodies: list[bytes] = []

    async def answer(self, ask: Ask) -> None:
        self.bodies.append(await ask.body(self.max_bytes))
        await ask.reply(b"x" * (WINDOW_BYTES * 2))


def asks_with(host: Host) -> tuple[Asks, list[tuple[Frame, int, bytes]]]:
    sent: list[tuple[Frame, int, bytes]] = []
    asks = Asks(DEPLOYMENT, lambda type, id, payload: sent.append((type, id, payload)))
    asks.host = host
    return asks, sent


async def test_a_body_that_exceeds_the_window_breaks_the_protocol() -> None:
    asks, _ = asks_with(Collecting())
    asks.begin(1, Opening(1, "put", more=True), b"", REQUEST, 5)
    ask = asks.open[1]
    ask.hear(Frame.ASK_CHUNK, bytes(WINDOW_BYTES))

    with pytest.raises(BadFrame):
        ask.hear(Frame.ASK_CHUNK, b"1")

    asks.close()
    await until(lambda: not asks.tasks)


async def test_frames_after_the_end_of_a_body_break_the_protocol() -> None:
    asks, _ = asks_with(Collecting())
    asks.begin(1, Opening(1, "put", more=True), b"", REQUEST, 5)
    ask = asks.open[1]
    ask.hear(Frame.ASK_END, b"")

    for type in (Frame.ASK_END, Frame.ASK_CHUNK, Frame.REPLY_CREDIT):
        with pytest.raises(BadFrame):
            ask.hear(type, b"")

    asks.close()
    await until(lambda: not asks.tasks)


async def test_credit_for_a_body_is_sent_as_it_is_read_and_the_reply_waits_for_credit() -> None:
    host = Collecting()
    asks, sent = asks_with(host)
    asks.begin(1, Opening(1, "put", more=True), b"", REQUEST, 5)
    ask = asks.open[1]

    ask.hear(Frame.ASK_CHUNK, bytes(WINDOW_BYTES))
    await until(lambda: bool(sent))
    ask.hear(Frame.ASK_CHUNK, bytes(WINDOW_BYTES))
    ask.hear(Frame.ASK_END, b"")
    await until(lambda: sum(len(payload) for type, _, payload in sent if type is Frame.REPLY_CHUNK) == WINDOW_BYTES)
    assert ask.task is not None
    assert not ask.task.done()
    ask.hear(Frame.REPLY_CREDIT, LENGTH.pack(WINDOW_BYTES))
    await until(lambda: not asks.tasks)

    assert host.bodies == [bytes(WINDOW_BYTES * 2)]
    assert sum(len(payload) for type, _, payload in sent if type is Frame.REPLY_CHUNK) == WINDOW_BYTES * 2
    assert sent[-1][0] is Frame.REPLY_END
    assert not asks.open


async def test_a_body_over_the_limit_of_the_host_is_refused() -> None:
    asks, sent = asks_with(Collecting(max_bytes=10))
    asks.begin(1, Opening(1, "put", more=True), b"", REQUEST, 5)

    asks.open[1].hear(Frame.ASK_CHUNK, bytes(11))
    await until(lambda: not asks.tasks)

    assert [(type, msgspec.json.decode(payload)["code"]) for type, _, payload in sent] == [
        (Frame.REFUSED, TooLarge.code)
    ]


async def test_the_end_of_a_call_ends_only_its_own_asks() -> None:
    asks, sent = asks_with(Collecting())
    asks.begin(1, Opening(1, "put", more=True), b"", REQUEST, 5)
    asks.begin(2, Opening(2, "put", more=True), b"", REQUEST, 5)
    await asyncio.sleep(0)

    asks.end_call(1)
    await until(lambda: len(asks.tasks) == 1)

    assert [(type, id, msgspec.json.decode(payload)["code"]) for type, id, payload in sent] == [
        (Frame.REFUSED, 1, "call_over")
    ]
    assert list(asks.open) == [2]
    asks.close()
    await until(lambda: not asks.tasks)


class LettingGo:
    """A host that must clean up when it is cancelled."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.let_go = False

    async def answer(self, ask: Ask) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await self.go_on.wait()
            self.let_go = True


async def test_repeated_cancellations_do_not_interrupt_the_cleanup_of_an_ask() -> None:
    host = LettingGo()
    asks, sent = asks_with(host)
    asks.begin(1, Opening(1, "fetch"), b"", REQUEST, 5)
    await asyncio.sleep(0)

    asks.open[1].hear(Frame.ASK_CANCEL, b"")
    await asyncio.sleep(0)
    for _ in range(10):
        with pytest.raises(BadFrame):
            asks.open[1].hear(Frame.ASK_CANCEL, b"")
        asks.end_call(1)
        asks.close()  # The host closes the asks when it ends the worker for this flood.
        await asyncio.sleep(0)
    host.go_on.set()
    await until(lambda: not asks.tasks)

    assert host.let_go
    assert [type for type, _, _ in sent] == [Frame.REFUSED]


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_a_valid_opening_of_an_ask_or_refused(payload: bytes) -> None:
    try:
        opening, body = read_opening(payload)
    except BadFrame:
        return
    assert isinstance(opening.call, int)
    assert payload.endswith(body)


@given(st.integers(0, 2**32), st.text(max_size=30), st.binary(max_size=50))
def test_an_opening_written_by_the_runtime_is_read_back(call: int, method: str, body: bytes) -> None:
    opening, read = read_opening(join_payload({"call": call, "method": method, "args": {"a": 1}}, body))

    assert (opening.call, opening.method, bytes(opening.args), read) == (call, method, b'{"a":1}', body)
