"""The internal port speaks JSON-RPC 2.0 (https://www.jsonrpc.org/specification) with a few extensions."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any, Protocol

import httpx
import msgspec
import pytest

from bunbase.pkg.http1.limits import Limits
from bunbase.pkg.rpc import wire
from tests.pkg.rpc.library_contract import READER, TOKENS, Shelves, serving_library

LEND = {"jsonrpc": "2.0", "method": "library.lend", "params": {"title": "Emma", "days": 3}}
LENT = "Emma for 3 days"


class Wire:
    """A client that posts bytes to an internal port."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def post(self, body: bytes, content_type: str = wire.JSON, **headers: str) -> httpx.Response:
        known = {"content-type": content_type, "authorization": f"Bearer {TOKENS.current(READER, 'library')}"}
        return await self.client.post("/rpc", content=body, headers=known | headers)

    async def ask(self, request: Any) -> Any:
        reply = await self.post(msgspec.json.encode(request))
        assert reply.status_code == 200
        assert reply.headers["content-type"] == wire.JSON
        return reply.json()

    async def error(self, request: Any) -> tuple[int, Any]:
        answer = await self.ask(request)
        return answer["error"]["code"], answer["id"]


@pytest.fixture
async def over() -> AsyncIterator[Wire]:
    async with (
        serving_library(Shelves()) as address,
        httpx.AsyncClient(base_url=address, trust_env=False) as client,
    ):
        yield Wire(client)


@pytest.mark.parametrize("id", [1, "one", 1.5, None])
async def test_an_answer_has_the_id_of_its_call(over: Wire, id: Any) -> None:
    assert await over.ask({**LEND, "id": id}) == {"jsonrpc": "2.0", "id": id, "result": LENT}


@pytest.mark.parametrize("params", [{"title": "Emma", "days": 3}, ["Emma", 3]])
async def test_params_are_passed_by_name_or_by_position(over: Wire, params: Any) -> None:
    assert (await over.ask({**LEND, "id": 1, "params": params}))["result"] == LENT


async def test_a_call_in_messagepack_is_answered_in_messagepack(over: Wire) -> None:
    reply = await over.post(msgspec.msgpack.encode({**LEND, "id": 1}), wire.MSGPACK)

    assert reply.headers["content-type"] == wire.MSGPACK
    assert msgspec.msgpack.decode(reply.content) == {"jsonrpc": "2.0", "id": 1, "result": LENT}


async def test_a_notification_is_not_answered(over: Wire) -> None:
    done, failed = await over.post(msgspec.json.encode(LEND)), await over.post(b'{"jsonrpc":"2.0","method":"no.such"}')

    assert [(reply.status_code, reply.content) for reply in (done, failed)] == [(204, b""), (204, b"")]


async def test_a_batch_answers_every_call_but_no_notification(over: Wire) -> None:
    answers = await over.ask([{**LEND, "id": 1}, LEND, {"jsonrpc": "2.0", "id": 2, "method": "no.such"}, 7])

    assert answers == [
        {"jsonrpc": "2.0", "id": 1, "result": LENT},
        {"jsonrpc": "2.0", "id": 2, "error": {"code": -32601, "message": "There is no method no.such"}},
        {
            "jsonrpc": "2.0",
            "id": None,
            "error": {"code": -32600, "message": 'A call is an object with "jsonrpc": "2.0"'},
        },
    ]


async def test_a_batch_of_notifications_only_is_not_answered(over: Wire) -> None:
    assert (await over.post(msgspec.json.encode([LEND, LEND]))).status_code == 204


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"jsonrpc": "2.0", "method"', b"\xff", b'"\xff"', b"[" * 100_000], ids=repr
)
async def test_a_body_that_is_no_json_is_a_parse_error(over: Wire, body: bytes) -> None:
    answer = (await over.post(body)).json()

    assert (answer["error"]["code"], answer["id"]) == (-32700, None)


@pytest.mark.parametrize(
    ("request_", "id"),
    [
        ([], None),
        ([LEND] * 101, None),
        (1, None),
        ("text", None),
        (None, None),
        ({}, None),
        ({"jsonrpc": "2.0", "method": 1, "id": 5}, 5),
        ({"jsonrpc": "1.0", "method": "library.lend", "id": 5}, 5),
        ({**LEND, "id": True}, None),
        ({**LEND, "id": {}}, None),
        ({**LEND, "id": [1]}, None),
        ({"jsonrpc": "2.0", "method": 1, "params": "bar"}, None),
    ],
)
async def test_a_document_that_is_no_call_is_an_invalid_request(over: Wire, request_: Any, id: Any) -> None:
    assert await over.error(request_) == (-32600, id)


async def test_a_stream_in_a_batch_is_an_invalid_request(over: Wire) -> None:
    answers = await over.ask([{"jsonrpc": "2.0", "id": 1, "method": "library.ring"}])

    assert (answers[0]["error"]["code"], answers[0]["id"]) == (-32600, 1)


@pytest.mark.parametrize(
    "method", ["library.nothing", "lend", "", "library.books", "library._call", "library.__init__"]
)
async def test_a_method_outside_the_contract_is_not_found(over: Wire, method: str) -> None:
    assert await over.error({"jsonrpc": "2.0", "id": 1, "method": method}) == (-32601, 1)


@pytest.mark.parametrize(
    "params",
    [
        {},
        [],
        {"title": 1},
        {"title": "Emma", "days": "3"},
        {"title": "Emma", "colour": 1},
        ["Emma", 3, 4],
        "Emma",
        None,
        7,
    ],
)
async def test_params_of_the_wrong_shape_are_invalid(over: Wire, params: Any) -> None:
    assert await over.error({"jsonrpc": "2.0", "id": 1, "method": "library.lend", "params": params}) == (-32602, 1)


async def test_params_of_a_stream_of_the_wrong_shape_are_invalid(over: Wire) -> None:
    assert await over.error({"jsonrpc": "2.0", "id": 1, "method": "library.read", "params": {}}) == (-32602, 1)


async def test_a_bug_is_an_internal_error_that_names_only_the_request(over: Wire) -> None:
    reply = await over.post(b'{"jsonrpc":"2.0","id":1,"method":"library.stumble"}', **{"x-request-id": "req_9"})

    error = reply.json()["error"]
    assert (error["code"], error["data"]["code"], error["data"]["request_id"]) == (-32603, "internal", "req_9")
    assert "KeyError" not in reply.text
    assert "nobody outside" not in reply.text


async def test_an_error_contains_the_document_of_its_problem(over: Wire) -> None:
    answer = await over.ask({"jsonrpc": "2.0", "id": 1, "method": "library.book", "params": ["missing"]})

    assert answer["error"]["code"] == -32000
    assert answer["error"]["data"]["code"] == "invalid_cursor"
    assert answer["error"]["data"]["book"] == "missing"


async def test_a_stream_in_json_has_one_envelope_per_line(over: Wire) -> None:
    reply = await over.post(b'{"jsonrpc":"2.0","id":1,"method":"library.read","params":["Emma",2]}')

    assert reply.headers["content-type"] == wire.STREAM_JSON
    assert [msgspec.json.decode(line) for line in reply.content.splitlines()] == [
        {"id": 1, "item": "Emma 0"},
        {"id": 1, "item": "Emma 1"},
        {"id": 1, "end": True},
    ]


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer nonsense", "Basic dGVzdHM6dGVzdHM="])
async def test_a_call_without_a_valid_service_token_gets_401(over: Wire, authorization: str) -> None:
    reply = await over.post(msgspec.json.encode({**LEND, "id": 1}), authorization=authorization)

    assert (reply.status_code, reply.json()["code"]) == (401, "unauthenticated")
    assert reply.headers["content-type"] == "application/problem+json"


async def test_a_body_too_large_is_refused(over: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MAX_BODY_BYTES", 1000)

    just_fits = await over.post(msgspec.json.encode({**LEND, "id": 1}).rjust(1000))
    reply = await over.post(msgspec.json.encode({**LEND, "id": 1}).rjust(1001))

    assert (just_fits.status_code, just_fits.json()["result"]) == (200, LENT)
    assert (reply.status_code, reply.json()["code"]) == (413, "payload_too_large")


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/rpc", 405), ("POST", "/", 404), ("GET", "/docs", 404)]
)
async def test_the_app_serves_only_post_rpc(over: Wire, method: str, path: str, status: int) -> None:
    assert (await over.client.request(method, path)).status_code == status


async def test_a_deadline_that_is_no_number_gets_400(over: Wire) -> None:
    reply = await over.post(msgspec.json.encode({**LEND, "id": 1}), **{wire.DEADLINE_HEADER: "soon"})

    assert (reply.status_code, reply.json()["code"]) == (400, "malformed_request")


async def test_a_call_that_exceeds_its_deadline_gets_504(over: Wire) -> None:
    reply = await over.post(b'{"jsonrpc":"2.0","id":1,"method":"library.wait_forever"}', **{wire.DEADLINE_HEADER: "20"})

    assert (reply.status_code, reply.json()["code"]) == (504, "deadline_exceeded")


def test_a_contract_with_a_blocking_method_is_refused() -> None:
    class Blocking(Protocol):
        def answer(self) -> int: ...

    with pytest.raises(TypeError, match="must be async or return an AsyncIterator"):
        wire.calls_of(Blocking)


@pytest.mark.parametrize("leaves", [True, False])
async def test_a_call_whose_body_stalls_logs_no_error(leaves: bool, caplog: pytest.LogCaptureFixture) -> None:
    """This is the test for the internal port."""
    async with serving_library(Shelves(), limits=Limits(read_seconds=0.1)) as address:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(address.rpartition(":")[2]))
        token = TOKENS.current(READER, "library")
        writer.write(f"POST /rpc HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\n".encode())
        writer.write(b"content-length: 50\r\n\r\n{")
        await writer.drain()
        if not leaves:
            answer = await reader.read()
            assert answer.startswith(b"HTTP/1.1 408 ")
            assert b"request_stalled" in answer
        writer.close()

    assert [line for line in caplog.records if line.levelno >= logging.ERROR] == []
