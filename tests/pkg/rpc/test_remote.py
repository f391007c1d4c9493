"""A room behaves in the same way over HTTP as in this process; a failed connection raises Unreachable."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import httpx
import msgspec
import pytest

from bunbase.pkg import context
from bunbase.pkg.cursors import InvalidCursor
from bunbase.pkg.errors import CODES, DeadlineExceeded, Forbidden, Internal, Problem, Unreachable
from bunbase.pkg.passwords import SignInBusy
from bunbase.pkg.rpc import wire
from bunbase.pkg.rpc.client import CALL_SECONDS
from bunbase.pkg.rpc.tokens import LIFETIME_SECONDS
from bunbase.pkg.serve import listen
from tests.pkg.rpc.library_contract import (
    BORROWER,
    READER,
    SECRET,
    TOKENS,
    VISITOR,
    Book,
    Library,
    Shelves,
    calling,
    serving_library,
    tokens_of,
)
from tests.pkg.streams import hang_up
from tests.pkg.waiting import eventually


@pytest.fixture
def shelves() -> Shelves:
    return Shelves()


@pytest.fixture(params=["local", "remote"])
async def library(request: pytest.FixtureRequest, shelves: Shelves) -> AsyncIterator[Library]:
    if request.param == "local":
        yield shelves
        return
    async with serving_library(shelves) as address, calling(address) as stand_in:
        yield stand_in


@pytest.fixture
async def afar(shelves: Shelves) -> AsyncIterator[Library]:
    async with serving_library(shelves) as address, calling(address) as stand_in:
        yield stand_in


async def test_arguments_and_results_arrive_unchanged(library: Library) -> None:
    book = Book("Émile", 500, b"\x00\xff", datetime(1762, 5, 1, 12, 0, 0, 1000, UTC))

    await library.shelve(book)

    assert await library.book("Émile") == book


async def test_arguments_are_passed_by_position_by_name_and_by_default(library: Library) -> None:
    assert await library.lend("Emma") == "Emma for 14 days"
    assert await library.lend("Emma", 3) == "Emma for 3 days"
    assert await library.lend(days=3, title="Emma") == "Emma for 3 days"


async def test_a_problem_arrives_with_its_detail_and_extra_members(library: Library) -> None:
    with pytest.raises(InvalidCursor) as raised:
        await library.book("missing")

    assert raised.value.detail == "There is no such book."
    assert raised.value.extra == {"book": "missing", "tried": [1, {"deep": None}]}


async def test_a_stream_yields_its_items_in_order(library: Library) -> None:
    assert [line async for line in library.read("Emma", 3)] == ["Emma 0", "Emma 1", "Emma 2"]
    assert [line async for line in library.read("Emma", 0)] == []


async def test_a_stream_that_fails_before_its_first_item_raises_the_problem(library: Library) -> None:
    with pytest.raises(SignInBusy) as raised:
        [line async for line in library.read("", 3)]

    assert raised.value.headers() == {"retry-after": "3"}


async def test_a_stream_that_fails_midway_yields_its_earlier_items(library: Library) -> None:
    reading = library.read("Emma", 10)

    assert [await anext(reading) for _ in range(3)] == ["Emma 0", "Emma 1", "Emma 2"]
    with pytest.raises(InvalidCursor) as raised:
        await anext(reading)
    assert raised.value.extra == {"page": 4}


async def test_an_endless_stream_ends_when_the_caller_closes_it(library: Library, shelves: Shelves) -> None:
    ringing = library.ring()
    assert [await anext(ringing) for _ in range(3)] == [0, 1, 2]
    assert shelves.listeners == 1

    await hang_up(ringing)

    await eventually(lambda: shelves.listeners == 0)


async def test_a_cancelled_reader_ends_an_endless_stream(library: Library, shelves: Shelves) -> None:
    async def read() -> None:
        async for _ in library.ring():
            pass

    reading = asyncio.create_task(read())
    await eventually(lambda: shelves.listeners == 1)

    reading.cancel()

    await asyncio.gather(reading, return_exceptions=True)
    await eventually(lambda: shelves.listeners == 0)


async def test_a_call_carries_the_request_id(library: Library) -> None:
    token = context.request_id.set("req_7")
    try:
        assert await library.request_id() == "req_7"
    finally:
        context.request_id.reset(token)


async def test_cancelling_a_call_cancels_it_in_the_called_room(library: Library, shelves: Shelves) -> None:
    calling = asyncio.create_task(library.wait_forever())
    await eventually(shelves.waiting.is_set)

    calling.cancel()

    await eventually(shelves.left.is_set)
    with pytest.raises(asyncio.CancelledError):
        await calling


async def test_a_call_carries_its_deadline(library: Library) -> None:
    with context.deadline_in(5):
        assert 0 < await library.seconds_left() <= 5


async def test_a_remote_call_without_a_deadline_gets_the_default_one(afar: Library) -> None:
    assert 32 < await afar.seconds_left() <= CALL_SECONDS  # This is 30 s of waiting for changes, and time to answer.


async def test_a_call_ends_at_its_deadline(afar: Library, shelves: Shelves) -> None:
    with context.deadline_in(0.1), pytest.raises(DeadlineExceeded):
        await afar.wait_forever()

    assert shelves.waiting.is_set()


async def test_a_call_after_its_deadline_is_not_sent(afar: Library, shelves: Shelves) -> None:
    with context.deadline_in(0), pytest.raises(DeadlineExceeded, match="No time was left"):
        await afar.wait_forever()

    assert not shelves.waiting.is_set()


async def test_a_bug_arrives_as_internal_without_its_details(afar: Library) -> None:
    with pytest.raises(Internal) as raised:
        await afar.stumble()

    assert "nobody outside" not in str(raised.value.body())


async def test_a_call_to_a_closed_port_raises_unreachable() -> None:
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
    async with calling(f"http://127.0.0.1:{port}") as library:
        with pytest.raises(Unreachable, match=r"library\.lend"):
            await library.lend("Emma")
        with pytest.raises(Unreachable, match=r"library\.ring"):
            await anext(library.ring())


async def test_a_call_to_another_server_than_ours_raises_unreachable() -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"lend")
        writer.write(b"HTTP/1.1 500 Oops\r\ncontent-length: 4\r\n\r\noops")
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with calling(f"http://127.0.0.1:{port}") as library:
            with pytest.raises(Unreachable, match="500"):
                await library.lend("Emma")


@pytest.mark.parametrize("last", [b"", b"0\r\n\r\n"], ids=["broken connection", "answer without an end"])
async def test_a_stream_that_is_cut_off_raises_unreachable(last: bytes) -> None:
    body = msgspec.msgpack.encode({"id": 1, "item": "one"})
    frame = len(body).to_bytes(4, "big") + body

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 200 OK\r\ncontent-type: {wire.STREAM_MSGPACK}\r\n".encode())
        writer.write(b"transfer-encoding: chunked\r\n\r\n" + f"{len(frame):x}\r\n".encode() + frame + b"\r\n" + last)
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with calling(f"http://127.0.0.1:{port}") as library:
            reading = library.read("Emma", 3)

            assert await anext(reading) == "one"
            with pytest.raises(Unreachable, match="broke off"):
                await anext(reading)


async def test_a_call_whose_connection_breaks_raises_unreachable() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with calling(f"http://127.0.0.1:{port}") as library:
            with pytest.raises(Unreachable):
                await library.lend("Emma")


async def test_two_hundred_simultaneous_calls_get_their_own_answers(afar: Library) -> None:
    answers = await asyncio.gather(*(afar.lend(f"book {number}", number) for number in range(200)))

    assert answers == [f"book {number} for {number} days" for number in range(200)]


async def test_a_refused_service_token_raises_unreachable(shelves: Shelves) -> None:
    """The installation is misconfigured. With a 401 the user would sign in again in vain."""
    foreign = tokens_of("the secret of another installation, not ours")

    async with serving_library(shelves) as address, calling(address, foreign) as library:
        with pytest.raises(Unreachable, match="refuses this one's service token"):
            await library.lend("Emma")
        with pytest.raises(Unreachable, match="refuses this one's service token"):
            await anext(library.ring())


async def test_a_room_that_the_table_does_not_name_may_call_nothing(shelves: Shelves) -> None:
    """This holds for unary calls and for streams."""
    async with serving_library(shelves) as address, calling(address, caller=VISITOR) as library:
        with pytest.raises(Forbidden, match=r"visitor may not call library\.lend"):
            await library.lend("Emma")
        with pytest.raises(Forbidden, match=r"visitor may not call library\.ring"):
            await anext(library.ring())

    assert shelves.listeners == 0


async def test_every_call_of_a_batch_is_authorised_separately(shelves: Shelves) -> None:
    batch = [
        {"jsonrpc": "2.0", "id": name, "method": f"library.{name}", "params": {"title": "Emma"}}
        for name in ("lend", "book")
    ]
    headers = {"authorization": f"Bearer {TOKENS.mint(BORROWER, 'library')}"}

    async with serving_library(shelves) as address, httpx.AsyncClient(trust_env=False) as client:
        answers = (await client.post(f"{address}/rpc", json=batch, headers=headers)).json()

    assert answers[0]["result"] == "Emma for 14 days"
    assert answers[1]["error"]["data"]["code"] == "forbidden"


async def test_an_expired_service_token_is_refused_even_if_it_is_cached(shelves: Shelves) -> None:
    now = [1_000_000.0]
    tokens = tokens_of(SECRET, lambda: now[0])
    call = {"jsonrpc": "2.0", "id": 1, "method": "library.lend", "params": ["Emma"]}
    headers = {"authorization": f"Bearer {tokens.mint(READER, 'library')}"}

    async with serving_library(shelves, tokens) as address, httpx.AsyncClient(trust_env=False) as client:
        good = await client.post(f"{address}/rpc", json=call, headers=headers)
        now[0] += LIFETIME_SECONDS
        expired = await client.post(f"{address}/rpc", json=call, headers=headers)
        async with calling(address, tokens) as library:
            renewed = await library.lend("Emma")

    assert (good.status_code, expired.status_code) == (200, 401)
    assert renewed == "Emma for 14 days"


def test_every_registered_problem_is_defined_in_bunbase() -> None:
    assert all(kind.__module__.startswith("bunbase.") for kind in CODES.values())


async def test_a_stopping_process_ends_calls_that_only_wait_for_news(
    shelves: Shelves, caplog: pytest.LogCaptureFixture
) -> None:
    async with AsyncExitStack() as callers:
        async with serving_library(shelves) as address:
            library = await callers.enter_async_context(calling(address))
            ringing = library.ring()
            await anext(ringing)
            waiting = asyncio.create_task(library.wait_forever())
            await shelves.waiting.wait()

        with pytest.raises(Unreachable, match="broke off"):
            async for _ in ringing:
                pass
        with pytest.raises(Problem) as ended:
            await waiting

    assert (ended.value.status, ended.value.code) == (503, "stopping")
    assert (shelves.listeners, shelves.left.is_set()) == (0, True)
    assert "Cancel" not in caplog.text  # uvicorn logs this if it has waited without success.
