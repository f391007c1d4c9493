"""The fast lane streams answers of functions part by part."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from bunbase.contracts.caller import Caller
from bunbase.contracts.functions.invocations import Chunk, Head, Invocation
from bunbase.contracts.functions.problems import FunctionCrashed
from bunbase.gateway.settings import GatewaySettings
from tests.functions.calls import until
from tests.gateway.lanes import KEY, Connection, request, served

LARGE = b"x" * (64 << 10)


class Streaming:
    """A function that streams the parts that a test puts into `parts`.

    `begun` and `ended` are the states of the call; `sent` counts the bytes that the lane took.
    """

    def __init__(self) -> None:
        self.parts: asyncio.Queue[bytes | Exception | None] = asyncio.Queue()
        self.begun = self.ended = False
        self.sent = 0

    async def invoke(self, _caller: Caller, name: str, _invocation: Invocation) -> AsyncIterator[Head | Chunk]:
        self.begun = True
        try:
            if name == "silent":
                await asyncio.Event().wait()
            yield Head(200, (("content-type", "text/event-stream"),), 1, "inv_1", 0.0, False)
            while name == "endless":
                yield Chunk(LARGE)
                self.sent += len(LARGE)
            while (part := await self.parts.get()) is not None:
                if isinstance(part, Exception):
                    raise part
                yield Chunk(part)
        finally:
            self.ended = True


Scenario = Callable[[Connection, Streaming], Awaitable[None]]


async def play(directory: Path, scenario: Scenario) -> Streaming:
    functions = Streaming()
    async with (
        served(directory, GatewaySettings(), functions=functions) as lane,
        lane.connected() as connection,
    ):
        await connection.ask("GET /v1/data/posts/none", KEY)  # After this request, the gateway caches the key.
        taken = lane.hot.taken
        async with asyncio.timeout(15):
            await scenario(connection, functions)
        assert lane.hot.taken > taken
    return functions


async def test_each_part_of_a_stream_is_sent_at_once(tmp_path: Path) -> None:
    async def scenario(connection: Connection, functions: Streaming) -> None:
        connection.send(request("GET /v1/functions/f", KEY))
        head = await connection.reader.readuntil(b"\r\n\r\n")
        assert b"transfer-encoding: chunked" in head
        for part in (b"data: 1\n\n", b"data: 2\n\n"):
            functions.parts.put_nowait(part)
            assert await connection.reader.readuntil(part + b"\r\n") == b"9\r\n" + part + b"\r\n"
        functions.parts.put_nowait(None)
        assert await connection.reader.readuntil(b"\r\n\r\n") == b"0\r\n\r\n"

    assert (await play(tmp_path, scenario)).ended


async def test_a_connection_can_be_reused_after_a_stream(tmp_path: Path) -> None:
    async def scenario(connection: Connection, functions: Streaming) -> None:
        for _ in range(2):
            connection.send(request("POST /v1/functions/f", KEY, body=b"x"))
            functions.parts.put_nowait(None)
            assert (await connection.reader.readuntil(b"\r\n0\r\n\r\n")).startswith(b"HTTP/1.1 200 OK")

    await play(tmp_path, scenario)


@pytest.mark.parametrize("line", ["GET /v1/functions/f", "POST /v1/functions/f", "DELETE /v1/functions/silent"])
async def test_a_client_that_disconnects_ends_the_call_of_the_function(tmp_path: Path, line: str) -> None:
    async def scenario(connection: Connection, functions: Streaming) -> None:
        connection.send(request(line, KEY, body=b"x" if line.startswith("POST") else b""))
        await until(lambda: functions.begun)
        assert not functions.ended

        connection.close()

        await until(lambda: functions.ended)

    await play(tmp_path, scenario)


async def test_a_stream_that_fails_ends_without_its_last_chunk(tmp_path: Path) -> None:
    async def scenario(connection: Connection, functions: Streaming) -> None:
        connection.send(request("GET /v1/functions/f", KEY))
        functions.parts.put_nowait(b"half")
        functions.parts.put_nowait(FunctionCrashed("Its worker died."))

        said = await connection.ended()

        assert said.endswith(b"4\r\nhalf\r\n")

    await play(tmp_path, scenario)


async def test_a_client_that_does_not_read_pauses_the_function(tmp_path: Path) -> None:
    async def scenario(connection: Connection, functions: Streaming) -> None:
        connection.send(request("GET /v1/functions/endless", KEY))
        looks = [-1]

        def stands_still() -> bool:
            looks.append(functions.sent)
            return looks[-1] == looks[-2] > 0

        await until(stands_still)
        stalled = functions.sent

        await connection.reader.readexactly(stalled + 4 * len(LARGE))

        assert functions.sent > stalled
        connection.close()
        await until(lambda: functions.ended)

    await play(tmp_path, scenario)
