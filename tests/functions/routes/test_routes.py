from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import msgspec
import pytest
import pytest_asyncio

from bunbase.contracts.functions.service import Functions
from bunbase.functions.service import FunctionsService
from tests.functions.calls import MEMBER, SERVER, deploy, said, until
from tests.functions.web import served
from tests.pkg.waiting import until_true

CONTROL = "/api/projects/prj_one"
ECHO = "async (req) => ({ method: req.method, url: req.url, body: await req.text(), names: [...req.headers.keys()] })"
MAP = b'{"version": 3, "sources": [], "mappings": ""}'
CODE = b"module.exports.default = () => new Response('deployed')"


@pytest.fixture
def functions(shared_functions: FunctionsService) -> FunctionsService:
    return shared_functions


@pytest_asyncio.fixture
async def web(functions: FunctionsService) -> AsyncIterator[httpx.AsyncClient]:
    async with served(functions, MEMBER, SERVER) as client:
        yield client


async def test_a_function_is_deployed_called_rolled_back_and_deleted_over_http(web: httpx.AsyncClient) -> None:
    path = f"{CONTROL}/functions/hello"
    form: dict[str, Any] = {
        "bundle": ("hello.js", CODE),
        "source_map": ("hello.js.map", b'{"version":3,"sources":[],"mappings":""}'),
    }

    deployed = await web.put(path, files=form, data={"config": '{"access": "public", "timeout_ms": 1000}'})
    assert (deployed.status_code, deployed.json()["version"]) == (201, 1)
    assert set(deployed.json()) >= {"name", "version", "sha256", "size", "config", "active", "created_at"}
    assert deployed.json()["config"]["timeout_ms"] == 1000
    assert (await web.put(path, files={"bundle": ("x", CODE)})).json()["version"] == 2

    answer = await web.get("/v1/functions/hello")
    assert (answer.status_code, answer.text) == (200, "deployed")
    assert answer.headers["x-bunbase-function-version"] == "2"
    assert answer.headers["x-bunbase-invocation"].startswith("inv_")
    assert "function;dur=" in answer.headers["server-timing"]

    assert (await web.get(path)).json()["version"] == 2
    assert [one["version"] for one in (await web.get(f"{path}/versions")).json()["items"]] == [2, 1]
    assert (await web.post(f"{path}/rollback")).json()["version"] == 1
    assert (await web.post(f"{path}/rollback", json={"version": 2})).json()["version"] == 2
    assert [one["name"] for one in (await web.get(f"{CONTROL}/functions")).json()["items"]] == ["hello"]
    assert (await web.delete(path)).status_code == 204
    assert (await web.get(path)).json()["code"] == "function_not_found"
    assert (await web.get("/v1/functions/hello")).json()["code"] == "function_not_found"


@pytest.mark.parametrize(
    ("files", "data", "code"),
    [
        ({}, {"config": "{}"}, "invalid_input"),
        ({"bundle": ("x", CODE)}, {"config": '{"memory": 1}'}, "invalid_input"),
        ({"bundle": ("x", CODE)}, {"config": '{"timeout_ms": 1}'}, "invalid_input"),
        ({"bundle": ("x", CODE)}, {"config": "not json"}, "invalid_input"),
        ({"bundle": ("x", CODE)}, {"confg": "{}"}, "invalid_input"),
        ({"bundle": ("x", b"((")}, {}, "invalid_bundle"),
        ({"bundle": ("x", b" " * (32 << 20))}, {}, "payload_too_large"),
    ],
)
async def test_an_invalid_deployment_is_refused_with_its_reason(
    web: httpx.AsyncClient, files: dict[str, Any], data: dict[str, str], code: str
) -> None:
    refused = await web.put(f"{CONTROL}/functions/hello", files=files or {"other": b""}, data=data)

    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["code"] == code


async def test_a_body_that_is_no_multipart_form_is_refused(web: httpx.AsyncClient) -> None:
    refused = await web.put(f"{CONTROL}/functions/hello", json={"bundle": "x"})

    assert refused.status_code in (400, 415, 422)
    assert refused.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_any_method_reaches_the_function_with_the_rest_of_the_path(
    functions: FunctionsService, web: httpx.AsyncClient, method: str
) -> None:
    await deploy(functions, "echo", ECHO)
    body = b"" if method in ("GET", "OPTIONS") else b"hello"

    answer = await web.request(
        method, "/v1/functions/echo/a%20b//c/?x=%2F&x=2", content=body, headers={"x-bunbase-key": "sk_1", "host": "h"}
    )

    seen = answer.json()
    assert (seen["method"], seen["url"], seen["body"]) == (method, "http://h/a%20b//c/?x=%2F&x=2", body.decode())
    assert "x-bunbase-key" not in seen["names"]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/functions/a%00b",
        "/v1/functions/%F0%9F%92%A5",
        f"{CONTROL}/functions/a%00b",
        f"{CONTROL}/functions/a%00b/versions",
        f"{CONTROL}/functions/a%00b/logs",
    ],
)
async def test_an_invalid_name_of_a_function_is_not_found(web: httpx.AsyncClient, path: str) -> None:
    assert (await web.get(path)).json()["code"] == "function_not_found"


async def test_a_null_byte_in_a_request_matches_nothing_and_trace_is_refused(
    functions: FunctionsService, web: httpx.AsyncClient
) -> None:
    await deploy(functions, "echo", ECHO)

    assert (await web.get(f"{CONTROL}/functions/echo/logs?invocation=%00")).json()["items"] == []
    assert (await web.delete(f"{CONTROL}/env/A%00")).json()["code"] == "variable_not_found"
    assert (await web.request("TRACE", "/v1/functions/echo")).json()["code"] == "method_not_allowed"


async def test_a_call_without_a_path_reaches_the_function_at_the_root_path(
    functions: FunctionsService, web: httpx.AsyncClient
) -> None:
    await deploy(functions, "echo", ECHO)

    assert (await web.get("/v1/functions/echo", headers={"host": "h"})).json()["url"] == "http://h/"
    assert (await web.get("/v1/functions/echo/?a=1", headers={"host": "h"})).json()["url"] == "http://h/?a=1"


async def test_a_head_request_is_answered_without_a_body(functions: FunctionsService, web: httpx.AsyncClient) -> None:
    await deploy(functions, "f", "(req) => new Response('body', { headers: { 'x-method': req.method } })")

    answer = await web.head("/v1/functions/f")

    assert (answer.status_code, answer.content, answer.headers["x-method"]) == (200, b"", "HEAD")


async def test_head_of_a_stream_ends_the_stream_and_the_next_request_is_answered(
    functions: FunctionsService, web: httpx.AsyncClient
) -> None:
    """Before, the worker was busy until `timeout_ms`, and the connection was blocked."""
    code = """(req) => {
        if (req.method === "GET") return Response.json(globalThis.cancelled ?? false);
        const stop = () => { globalThis.cancelled = true };
        const start = (to) => { to.enqueue(new TextEncoder().encode("data: 1")) };
        return new Response(new ReadableStream({ start, cancel: stop }), { headers: { "content-type": TYPE } });
    }"""
    for name, kind in (("events", "text/event-stream"), ("bytes", "text/plain")):
        await deploy(functions, name, code.replace("TYPE", f'"{kind}"'))

        answer = await web.head(f"/v1/functions/{name}")

        assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, b"", kind)

        async def has_stopped(name: str = name) -> Any:
            return (await web.get(f"/v1/functions/{name}")).json()

        await until_true(has_stopped)


async def test_the_timings_of_a_function_are_sent_with_those_of_bunbase(
    functions: FunctionsService, web: httpx.AsyncClient
) -> None:
    await deploy(functions, "f", "() => new Response('x', { headers: { 'server-timing': 'db;dur=5' } })")

    timings = (await web.get("/v1/functions/f")).headers.get_list("server-timing")

    assert timings[0] == "db;dur=5"
    assert "function;dur=" in timings[1]


async def test_an_answer_that_was_already_used_causes_a_complete_500_answer(
    functions: FunctionsService, web: httpx.AsyncClient
) -> None:
    """A head that was sent over HTTP cannot be changed to a 500."""
    await deploy(functions, "f", "(globalThis.kept = new Response('x'), () => globalThis.kept)")
    assert (await web.get("/v1/functions/f")).text == "x"

    refused = await web.get("/v1/functions/f")

    assert (refused.status_code, refused.json()["code"]) == (500, "function_error")


async def test_cookies_repeated_headers_and_encodings_reach_the_client(
    functions: FunctionsService, web: httpx.AsyncClient
) -> None:
    await deploy(
        functions,
        "f",
        """() => new Response(Bun.gzipSync("hello"), { headers: [
            ["set-cookie", "a=1"], ["set-cookie", "b=2"], ["content-encoding", "gzip"], ["connection", "upgrade"],
        ] })""",
    )

    async with web.stream("GET", "/v1/functions/f") as answer:
        raw = b"".join([part async for part in answer.aiter_raw()])

    cookies = [f"prj_one.{one}; Path=/v1/functions/f" for one in ("a=1", "b=2")]
    assert answer.headers.get_list("set-cookie") == cookies
    assert gzip.decompress(raw) == b"hello"
    assert answer.headers.get("connection", "") != "upgrade"


@pytest.mark.parametrize(
    ("handler", "status", "code"),
    [
        ("() => { throw new Error('secret') }", 500, "function_error"),
        ("() => new Promise(() => {})", 504, "function_timeout"),
        ("() => { for (;;); }", 504, "function_cpu_exceeded"),
        ("() => process.exit(1)", 502, "function_crashed"),
    ],
)
async def test_a_failure_before_the_answer_is_answered_with_a_problem_that_leads_to_its_log(
    functions: FunctionsService, web: httpx.AsyncClient, handler: str, status: int, code: str
) -> None:
    limits = {"cpu_ms": 100} if code == "function_cpu_exceeded" else {"timeout_ms": 200}
    await deploy(functions, "f", handler, **limits)

    answer = await web.get("/v1/functions/f")

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert "secret" not in answer.text
    assert answer.headers["x-bunbase-invocation"] == answer.json()["invocation"]
    assert answer.json()["version"] == 1
    assert "x-bunbase-function-version" not in answer.headers  # Only answers of the function itself have this header.
    log = f"{CONTROL}/functions/f/logs?invocation={answer.json()['invocation']}"
    assert (await web.get(log)).json()["items"] != []


async def test_a_call_that_used_up_its_processor_time_gets_its_own_error_code(
    functions: FunctionsService, web: httpx.AsyncClient
) -> None:
    await deploy(functions, "f", "() => { for (;;); }", cpu_ms=100)

    answer = await web.get("/v1/functions/f")

    assert (answer.status_code, answer.json()["code"]) == (504, "function_cpu_exceeded")
    assert "cpu_ms" in answer.json()["detail"]


async def test_a_failure_during_the_answer_breaks_the_connection(
    functions: FunctionsService, web: httpx.AsyncClient
) -> None:
    await deploy(
        functions, "f", "() => new Response(new ReadableStream({ start(c) { c.enqueue('x') } }))", timeout_ms=300
    )

    with pytest.raises(httpx.RemoteProtocolError):
        await web.get("/v1/functions/f")


async def test_a_client_that_hangs_up_ends_the_call(functions: FunctionsService, web: httpx.AsyncClient) -> None:
    await deploy(functions, "f", "(req, ctx) => new Promise((_, no) => ctx.signal.addEventListener('abort', no))")
    waiting = asyncio.create_task(web.get("/v1/functions/f"))
    await until(lambda: any(worker.calls for worker in functions.starter.alive))

    waiting.cancel()

    await until(lambda: all(worker.idle for worker in functions.starter.alive))
    await asyncio.gather(waiting, return_exceptions=True)


async def test_a_websocket_is_refused_with_its_own_error_code(
    functions: FunctionsService, web: httpx.AsyncClient
) -> None:
    await deploy(functions, "echo", ECHO)
    asked = {
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "eA==",
    }

    answer = await web.get("/v1/functions/echo", headers=asked)

    assert (answer.status_code, answer.json()["code"]) == (501, "upgrade_not_supported")


async def test_a_connection_closed_during_a_stream_aborts_the_function(
    functions: FunctionsService, web: httpx.AsyncClient
) -> None:
    await deploy(
        functions,
        "f",
        """(req, ctx) => new Response(new ReadableStream({
            start(c) {
                c.enqueue("data: one\\n\\n");
                ctx.signal.addEventListener("abort", () => console.log("aborted"));
            },
        }), { headers: { "content-type": "text/event-stream" } })""",
    )
    reader, writer = await asyncio.open_connection(web.base_url.host, web.base_url.port)
    writer.write(b"GET /v1/functions/f HTTP/1.1\r\nhost: x\r\n\r\n")
    await reader.readuntil(b"data: one")

    writer.transport.abort()

    await said(functions, "f", "aborted")
    await until(lambda: all(worker.idle for worker in functions.starter.alive))


async def test_a_body_that_is_too_large_is_refused(functions: FunctionsService, web: httpx.AsyncClient) -> None:
    await deploy(functions, "size", "async (req) => (await req.bytes()).length")

    assert (await web.post("/v1/functions/size", content=b"x" * (10 << 20))).json() == 10 << 20
    assert (await web.post("/v1/functions/size", content=b"x" * ((10 << 20) + 1))).json()["code"] == "payload_too_large"


async def test_variables_are_set_listed_revealed_and_deleted_over_http(web: httpx.AsyncClient) -> None:
    assert (await web.put(f"{CONTROL}/env/TOKEN", json={"value": "one"})).status_code == 200

    listed = (await web.get(f"{CONTROL}/env")).json()["items"]
    revealed = (await web.get(f"{CONTROL}/env", params={"reveal": "true"})).json()["items"]

    assert [set(one) for one in listed] == [{"name", "updated_at"}]
    assert [one["value"] for one in revealed] == ["one"]
    hidden = await web.put(f"{CONTROL}/env/TOKEN", json={"value": "one", "exposed": False})
    again = await web.put(f"{CONTROL}/env/TOKEN", json={"value": "two"})
    assert (hidden.json()["exposed"], again.json()["exposed"]) == (False, False)
    shown = await web.put(f"{CONTROL}/env/TOKEN", json={"value": "two", "exposed": True})
    assert "exposed" not in shown.json()
    assert (await web.put(f"{CONTROL}/env/token", json={"value": "x"})).json()["code"] == "invalid_input"
    assert (await web.delete(f"{CONTROL}/env/TOKEN")).status_code == 204
    assert (await web.delete(f"{CONTROL}/env/TOKEN")).json()["code"] == "variable_not_found"


async def test_logs_are_read_and_followed_over_http(functions: FunctionsService, web: httpx.AsyncClient) -> None:
    await deploy(functions, "f", "(req) => console.log(new URL(req.url).pathname)")
    await web.get("/v1/functions/f/one")
    path = f"{CONTROL}/functions/f/logs"

    page = (await web.get(path)).json()
    assert [line["text"] for line in page["items"]] == ["/one"]

    async with web.stream("GET", path, params={"follow": "true", "after": "0"}) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        events = events_of(stream)
        first = await anext(events)
        await web.get("/v1/functions/f/two")
        second = await anext(events)
    assert [first["text"], second["text"]] == ["/one", "/two"]

    resume = {"last-event-id": str(first["seq"])}
    async with web.stream("GET", path, params={"follow": "true"}, headers=resume) as stream:
        assert (await anext(events_of(stream)))["seq"] == second["seq"]
    await until(lambda: not functions.followers.waiting)


async def test_following_the_log_of_a_missing_function_is_answered_with_a_problem(web: httpx.AsyncClient) -> None:
    missing = await web.get(f"{CONTROL}/functions/nothing/logs", params={"follow": "true"})
    assert missing.json()["code"] == "function_not_found"


async def events_of(stream: httpx.Response) -> AsyncIterator[Any]:
    """Yield the data of each event. Check that the id of the event is the seq of the line."""
    id = ""
    async for line in stream.aiter_lines():
        name, _, value = line.partition(": ")
        if name == "id":
            id = value
        if name == "data":
            event = msgspec.json.decode(value)
            assert event["seq"] == int(id)
            yield event


def test_the_service_implements_the_contract() -> None:
    contract: type[Functions] = FunctionsService
    assert contract


async def test_logs_are_filtered_over_http(functions: FunctionsService, web: httpx.AsyncClient) -> None:
    await deploy(functions, "f", "() => { console.log('one'); console.warn('50% & more') }")
    await deploy(functions, "g", "() => console.error('three')")
    before = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    await web.get("/v1/functions/f")
    await web.get("/v1/functions/g")

    async def texts(path: str, **params: Any) -> list[str]:
        page = await web.get(f"{CONTROL}{path}", params=params)
        return [line["text"] for line in page.raise_for_status().json()["items"]]

    assert await texts("/logs") == ["three", "50% & more", "one"]
    assert await texts("/logs", level="warn", q="50% & M") == ["50% & more"]
    assert await texts("/logs", since=before, level="error") == ["three"]
    assert await texts("/logs", until=before) == []
    assert await texts("/functions/f/logs", version=1, level="warn") == ["50% & more"]
    assert await texts("/functions/f/logs", version=2) == []


@pytest.mark.parametrize(
    "query",
    [
        "level=loud",
        "since=yesterday",
        "since=2026-01-31T12:00:00",
        "since=2026-01-31T12:00:00%2B0100",
        "until=0001-01-01T00:00:00Z",
        "q=" + "x" * 257,
    ],
)
async def test_an_invalid_log_filter_is_refused_with_a_problem(web: httpx.AsyncClient, query: str) -> None:
    refused = await web.get(f"{CONTROL}/logs?{query}")

    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_input")
    assert refused.headers["content-type"] == "application/problem+json"


async def test_following_the_log_of_all_functions_continues_after_a_given_line(
    functions: FunctionsService, web: httpx.AsyncClient
) -> None:
    await deploy(functions, "f", "() => { for (let i = 0; i < 5; i++) console.warn(i) }")
    await web.get("/v1/functions/f")
    first = (await web.get(f"{CONTROL}/logs", params={"limit": 500})).json()["items"][-1]["seq"]
    headers = {"last-event-id": str(first + 2)}
    params = {"follow": "true", "after": str(first), "level": "warn"}  # An EventSource that reconnects repeats `after`.

    async with web.stream("GET", f"{CONTROL}/logs", params=params, headers=headers) as stream:
        ids = []
        async for line in stream.aiter_lines():
            ids += [int(line.removeprefix("id: "))] if line.startswith("id: ") else []
            if len(ids) == 2:
                break

    assert ids == [first + 3, first + 4]


async def test_the_code_of_a_version_is_returned_as_it_was_deployed(web: httpx.AsyncClient) -> None:
    path = f"{CONTROL}/functions/hello"
    await web.put(path, files={"bundle": ("hello.js", CODE)})

    found = await web.get(f"{path}/versions/1/bundle")
    missing = [await web.get(f"{path}/versions/{number}/bundle") for number in (0, 2, 2**31, 2**70)]

    assert (found.status_code, found.content) == (200, CODE)
    assert found.headers["content-type"].startswith("application/javascript")
    assert found.headers["x-content-type-options"] == "nosniff"
    assert [reply.json()["code"] for reply in missing] == ["version_not_found"] * 4
