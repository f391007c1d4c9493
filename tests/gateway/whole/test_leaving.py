"""When a client disconnects, its query ends, in both lanes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bunbase.gateway.settings import GatewaySettings
from tests.bundoc.endless import made_endless
from tests.gateway.lanes import KEY, request, served
from tests.gateway.others import BAKERY
from tests.pkg.waiting import eventually

SOON = 5.0  # without a stop the query would run for a minute


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
            await eventually(lambda: door.service.documents.engine.waiters.count == 1)

        await eventually(lambda: door.service.documents.engine.waiters.count == 0, SOON)
