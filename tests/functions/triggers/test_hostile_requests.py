"""Requests that only an attacker sends. Each gets a 4xx with a code, and none is logged as an internal error."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest
import pytest_asyncio

from bunbase.bundoc.module import MODULE as BUNDOC
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.bunkms import Kms
from bunbase.functions.service import FunctionsService
from bunbase.pkg.cursors import encode_cursor
from bunbase.pkg.modules import Rooms, Site
from tests.functions.calls import MEMBER, SERVER, deploy
from tests.functions.neighbours import neighbours
from tests.functions.triggers.runs import SAY
from tests.functions.web import served
from tests.rooms import opened

AT = "/api/projects/prj_one"
DEEP = "[" * 100_000
HUGE = 2**70
CONFIGS: list[dict[str, Any]] = [
    {"schedule": "* * * * *\0"},
    {"schedule": {"cron": "* * * * *", "time_zone": "../../../etc/passwd"}},
    {"schedule": {"cron": "* * * * *", "time_zone": "/etc/localtime"}},
    {"schedule": {"cron": "* * * * *", "time_zone": "\0"}},
    {"schedule": {"cron": "* * * * *", "time_zone": "Europe"}},
    {"schedule": "0 0 30 2 *"},
    {"schedule": "9" * 5000 + " * * * *"},
    {"schedule": ",".join(map(str, range(60))) * 1000 + " * * * *"},
    {"on": [{"collection": "a\0"}]},
    {"on": [{"collection": "../x"}]},
    {"on": [{"collection": "posts", "ops": ["create"], "where": {"a\0": 1}}]},
    {"on": [{"collection": "posts", "ops": ["create"], "where": {"a": "\0"}}]},
    {"on": [{"collection": f"c{number}"} for number in range(10_000)]},
    {"allow_net": ["a\0.test"]},
    {"allow_net": ["a.test"] * 10_000},
    {"allow_net": ["user:pw@a.test"]},
    {"allow_net": ["**"]},
    {"allow_net": ["*.test"]},
    {"allow_net": ["https://a.test/path"]},
    {"allow_net": ["[fe80::1%eth0]"]},
    {"allow_net": ["[:::::::]"]},
    {"allow_net": ["a.test."]},
    {"allow_net": ["ä.test"]},
    {"allow_net": [""]},
    {"allow_net": ["a.test:0"]},
    {"allow_net": ["a.test:65536"]},
    {"timeout_ms": HUGE},
    {"memory_mb": -1},
    {"concurrency": 0},
]


@pytest_asyncio.fixture(scope="module")
async def shared_rooms(shared_site: Site) -> AsyncIterator[Rooms]:
    """Yield rooms with a real Bundoc, which checks the conditions of triggers."""
    rooms = neighbours()
    async with opened(BUNDOC, Rooms({Kms: rooms[Kms]}), shared_site) as bundoc:
        rooms.add(Bundoc, bundoc)
        yield rooms


@pytest.fixture
def functions(shared_functions: FunctionsService) -> FunctionsService:
    return shared_functions


@pytest_asyncio.fixture
async def http(functions: FunctionsService) -> AsyncIterator[httpx.AsyncClient]:
    await deploy(functions, "f", SAY)
    async with served(functions, MEMBER, SERVER) as client:
        yield client


def refused(reply: httpx.Response) -> None:
    assert 400 <= reply.status_code < 500, reply.text
    assert reply.json()["code"]


@pytest.mark.parametrize("position", [HUGE, -HUGE])
@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("jobs:prj_one:None:None", "jobs"),
        ("runs:prj_one:f:None:None", "functions/f/runs"),
        ("versions:prj_one:f", "functions/f/versions"),
        ("logs:prj_one:f:", "functions/f/logs"),
    ],
)
async def test_a_forged_cursor_is_refused(http: httpx.AsyncClient, query: str, path: str, position: int) -> None:
    refused(await http.get(f"{AT}/{path}", params={"cursor": encode_cursor(query, position)}))


@pytest.mark.parametrize("version", [-1, -(2**31) - 1, -HUGE, HUGE])
async def test_an_invalid_version_is_not_found(http: httpx.AsyncClient, version: int) -> None:
    assert (await http.get(f"{AT}/functions/f/versions/{version}/bundle")).status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        '{"function": "f", "payload": ' + DEEP,
        '{"function": "f\\u0000"}',
        '{"function": "f", "key": "a\\u0000"}',
        '{"function": "f", "payload": "\\ud800"}',
        '{"function": "f", "delay_seconds": 1e308}',
        '{"function": "f", "run_at": "9999-12-31T23:59:59-14:00"}',
        '{"function": "f", "run_at": "0001-01-01T00:00:00+14:00"}',
    ],
    ids=("deep", "name", "key", "surrogate", "delay", "too late", "too early"),
)
async def test_an_invalid_job_is_refused(http: httpx.AsyncClient, body: str) -> None:
    refused(await http.post("/v1/jobs", content=body, headers={"content-type": "application/json"}))


@pytest.mark.parametrize("payload", ["\0", HUGE, -HUGE, {"\0": "\0"}, 5e-324])
async def test_any_json_can_be_a_payload(http: httpx.AsyncClient, payload: Any) -> None:
    body = {"function": "f", "payload": payload, "run_at": "0001-01-01T00:00:00Z", "delay_seconds": 0}
    made = await http.post("/v1/jobs", json=body)

    assert made.status_code == 201, made.text


async def test_an_invalid_config_is_refused(http: httpx.AsyncClient) -> None:
    for config in CONFIGS:
        files = {"bundle": ("f.js", b"module.exports.default = () => 1"), "config": (None, msgspec.json.encode(config))}
        reply = await http.put(f"{AT}/functions/hostile", files=files)
        assert (400 <= reply.status_code < 500, bool(reply.json()["code"])) == (True, True), (config, reply.text)
