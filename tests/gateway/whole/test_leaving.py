"""When a client disconnects, its query ends, in both lanes. When the server stops, calls that wait for news end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bunbase.gateway.settings import GatewaySettings
from tests.bundoc.endless import made_endless
from tests.gateway.door import FakeFunctions
from tests.gateway.lanes import KEY, request, served
from tests.gateway.others import BAKERY, FakeBunAuth
from tests.pkg.waiting import eventually

SOON = 5.0  # Without a stop, the query would run for a minute.


@pytest.mark.parametrize("fast_lane", [True, False])
@pytest.mark.parametrize(
    ("line", "body"),
    [
        ("GET /v1/data/posts?limit=500", b""),
        ('GET /v1/data/posts?where={"a":1}', b""),
        ("POST /v1/data/posts/query", b'{"where":{"a":1}}'),
        ("POST /v1/data/posts/aggregate", b'{"values":{"n":{"$count":true}}}'),
    ],
)
async def test_a_client_that_disconnects_ends_its_query(
    tmp_path: Path, fast_lane: bool, line: str, body: bytes
) -> None:
    async with served(tmp_path, GatewaySettings(fast_lane=fast_lane)) as door:
        await door.warm()
        file = await made_endless(door.service.documents.engine, BAKERY, "posts")
        async with door.connected() as connection:
            connection.send(request(line, KEY, "content-type: application/json", body=body))
            await eventually(lambda: file.users == 1)
            await asyncio.sleep(0)

        await eventually(lambda: file.users == 0, SOON)
        async with door.connected() as connection:
            assert (await connection.ask("GET /v1/data/posts/d1", KEY)).status == 200


async def test_a_client_that_disconnects_stops_waiting_for_changes(tmp_path: Path) -> None:
    async with served(tmp_path) as door:
        await door.warm()
        async with door.connected() as connection:
            connection.send(request("GET /v1/changes?since=1&wait_seconds=30", KEY))
            await eventually(lambda: door.service.documents.engine.news.count == 1)

        await eventually(lambda: door.service.documents.engine.news.count == 0, SOON)


async def test_a_stopping_server_answers_a_client_that_waits_for_changes_with_an_empty_page(tmp_path: Path) -> None:
    async with served(tmp_path) as door:
        await door.warm()
        reader, writer = await asyncio.open_connection(*door.address)
        writer.write(request("GET /v1/changes?since=1&wait_seconds=30", KEY))
        await eventually(lambda: door.service.documents.engine.news.count == 1)

    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert answer.endswith(b'{"items":[],"next":1}')


class QuietFunctions(FakeFunctions):
    """A fake of the room Functions, whose log never gets a line. `waiting`: true while a client follows the log."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting = asyncio.Event()

    async def follow_logs(self, *_: Any) -> AsyncIterator[None]:
        yield None
        self.waiting.set()
        await asyncio.Event().wait()


async def test_a_stopping_server_ends_the_stream_of_a_client_that_follows_a_log(tmp_path: Path) -> None:
    functions = QuietFunctions()
    async with served(tmp_path, functions=functions) as door:
        reader, writer = await asyncio.open_connection(*door.address)
        writer.write(
            request(f"GET /api/projects/{BAKERY}/logs?follow=true", f"authorization: Bearer {FakeBunAuth().token()}")
        )
        await asyncio.wait_for(functions.waiting.wait(), SOON)

    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert answer.endswith(b"\r\n0\r\n\r\n")  # This is the end of the body in chunks.
