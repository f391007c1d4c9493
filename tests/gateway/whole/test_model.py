"""A random sequence of requests has the same results in both lanes as on a dict in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bunbase.contracts.bundoc.documents import Precondition
from bunbase.contracts.bundoc.problems import DocumentExists, DocumentNotFound, StaleRevision
from bunbase.gateway.settings import GatewaySettings
from tests.bundoc.whole.test_model import Model, expected, operations, shown
from tests.gateway.lanes import KEY, Connection, Reply, Served, served
from tests.seeds import examples

NUMBERS = count(1)
REFUSED = {problem.code: problem for problem in (DocumentExists, DocumentNotFound, StaleRevision)}
METHODS = {"put": "PUT", "patch": "PATCH", "inc": "PATCH", "delete": "DELETE"}


@pytest.fixture
async def lanes(tmp_path: Path) -> AsyncIterator[list[Served]]:
    async with (
        served(tmp_path / "fast", GatewaySettings(fast_lane=True)) as fast,
        served(tmp_path / "ordinary", GatewaySettings(fast_lane=False)) as ordinary,
    ):
        yield [fast, ordinary]


@settings(
    max_examples=examples(60),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(st.lists(operations.filter(lambda operation: operation[0] != "reopen"), max_size=20))
async def test_random_operations_in_both_lanes_have_the_same_results_as_on_a_dict(
    lanes: list[Served], sequence: list[tuple[Any, ...]]
) -> None:
    things = f"/v1/data/things{next(NUMBERS)}"
    for lane in lanes:
        model: Model = {}
        taken = lane.hot.taken
        async with lane.connected() as connection:
            for operation in sequence:
                assert await done(connection, things, operation) == expected(model, operation)

        assert (lane.hot.taken - taken >= len(sequence)) == (lane.lane is not None or not sequence)


async def done(connection: Connection, things: str, operation: tuple[Any, ...]) -> Any:
    """Send an operation. Return the answer in the form that the model uses."""
    match operation:
        case ("create", id, body):
            return answered(await ask(connection, f"POST {things}", {"_id": id, **body}))
        case ("get", id):
            return answered(await ask(connection, f"GET {things}/{id}"))
        case ("list", limit):
            return await listed(connection, things, limit)
    kind, id, when = operation[0], operation[1], operation[-1]
    body = {"put": operation[2], "patch": operation[2], "inc": {"$inc": {"n": operation[2]}}, "delete": None}[kind]
    return answered(await ask(connection, f"{METHODS[kind]} {things}/{id}", body, *conditions(when)))


def conditions(when: Precondition) -> tuple[str, ...]:
    matching = () if when.rev is None else (f'if-match: "{when.rev}"',)
    return (*matching, "if-none-match: *") if when.absent else matching


async def ask(connection: Connection, line: str, body: Any = None, *headers: str) -> Reply:
    return await connection.ask(line, KEY, *headers, body=b"" if body is None else msgspec.json.encode(body))


async def listed(connection: Connection, things: str, limit: int) -> list[Any]:
    found, cursor = [], ""
    while True:
        reply = await ask(connection, f"GET {things}?limit={limit}{cursor}")
        page = msgspec.json.decode(reply.body)
        found += page["items"]
        if page["next"] is None:
            return [shown(item) for item in found]
        cursor = f"&cursor={quote(page['next'])}"


def answered(reply: Reply) -> Any:
    if reply.status == 204:
        return None
    body = msgspec.json.decode(reply.body)
    if reply.status >= 400:
        return REFUSED[body["code"]], body.get("rev")
    assert reply.header("etag") == f'"{body["_rev"]}"'
    return shown(body)
