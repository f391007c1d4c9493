"""Request bodies stream into functions: over real sockets, through the gateway, into a real Bun."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from prometheus_client import REGISTRY

from bunbase.contracts.functions.invocations import MAX_BEGINNING_BYTES
from bunbase.functions.module import MODULE
from bunbase.functions.service import FunctionsService
from bunbase.functions.settings import FunctionsSettings
from bunbase.functions.workers.limits import WINDOW_BYTES
from bunbase.functions.workers.upload import Upload
from bunbase.pkg.http1.limits import Limits
from tests.conftest import new_database
from tests.functions.calls import bundle, delete_all, until
from tests.functions.neighbours import neighbours
from tests.gateway.lanes import KEY, Connection, Served, request, served
from tests.gateway.others import BAKERY
from tests.rooms import member_caller, opened, site

MEMBER = member_caller(BAKERY)
MIB = 1 << 20
CHUNKED = "transfer-encoding: chunked"

COUNT = """async (req) => {
    let size = 0;
    for await (const part of req.body ?? []) size += part.length;
    return size;
}"""
REPORT = """async (req, ctx) => {
    ctx.signal.addEventListener("abort", () => console.log("aborted"));
    console.log("in");
    try {
        return (await req.text()).length;
    } catch (error) {
        console.log(typeof error.code === "string" ? error.code : error.name);
    }
}"""
STAY = REPORT.replace("error.name);", "error.name);\n        while (!ctx.signal.aborted) await Bun.sleep(1);")


@dataclass
class Place:
    """A served gateway, and the Functions service behind it."""

    door: Served
    functions: FunctionsService

    async def deploy(self, body: str, **config: Any) -> None:
        await self.functions.deploy(MEMBER, "f", bundle(body, **config))

    async def said(self) -> list[str]:
        page = await self.functions.logs(MEMBER, "f", 100, None)
        return [line.text for line in reversed(page.items)]

    async def will_say(self, *texts: str) -> None:
        async with asyncio.timeout(15):
            while not set(texts) <= set(await self.said()):
                await asyncio.sleep(0.02)

    @property
    def upload(self) -> Upload:
        [upload] = self.functions.invocations.uploads.values()
        return upload


@pytest.fixture
def settings() -> FunctionsSettings:
    return FunctionsSettings(max_workers_per_function=1)


@pytest_asyncio.fixture(scope="module")
async def places(
    tmp_path_factory: pytest.TempPathFactory, postgres: str, filled: str
) -> AsyncIterator[Callable[[FunctionsSettings], Awaitable[Place]]]:
    """Yield a function that returns the place with these settings, and opens it at the first call."""
    made: dict[bytes, Place] = {}
    async with AsyncExitStack() as stack:

        async def place_with(settings: FunctionsSettings) -> Place:
            key = msgspec.json.encode(settings)
            if key not in made:
                directory = tmp_path_factory.mktemp("uploads")
                url = await stack.enter_async_context(new_database(postgres, filled))
                opening = opened(MODULE, neighbours(), site(directory, url), settings=settings)
                functions = await stack.enter_async_context(opening)
                door = await stack.enter_async_context(served(directory, functions=functions))
                made[key] = Place(door, functions)
            return made[key]

        yield place_with


@pytest_asyncio.fixture
async def place(
    places: Callable[[FunctionsSettings], Awaitable[Place]], settings: FunctionsSettings
) -> AsyncIterator[Place]:
    place = await places(settings)
    yield place
    await until(lambda: not place.functions.invocations.uploads)
    await delete_all(place.functions, MEMBER)


@pytest_asyncio.fixture
async def connection(place: Place) -> AsyncIterator[Connection]:
    async with place.door.connected() as connection:
        yield connection


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def post(path: str, data: bytes, chunked: bool = False) -> bytes:
    if not chunked:
        return request(f"POST /v1/functions/{path}", KEY, f"content-length: {len(data)}") + data
    return request(f"POST /v1/functions/{path}", KEY, CHUNKED) + (chunk(data) if data else b"") + chunk(b"")


def outcomes(outcome: str) -> float:
    return REGISTRY.get_sample_value("bunbase_fn_invocations_total", {"outcome": outcome}) or 0.0


async def body_of(connection: Connection) -> bytes:
    """Return the body of an answer, chunked or not."""
    async with asyncio.timeout(15):
        reply = await connection.reply()
        assert reply.status == 200, reply
        if reply.header("transfer-encoding") != "chunked":
            return reply.body
        body = b""
        while size := int(await connection.reader.readline(), 16):
            body += (await connection.reader.readexactly(size + 2))[:-2]
        await connection.reader.readexactly(2)
        return body


async def test_a_function_answers_the_first_byte_of_an_upload_before_the_last_is_sent(
    place: Place, connection: Connection
) -> None:
    await place.deploy("""(req) => new Response(new ReadableStream({ async start(c) {
        let size = 0;
        for await (const part of req.body) { if (size === 0) c.enqueue("begun"); size += part.length }
        c.enqueue(String(size)); c.close();
    } }))""")

    connection.send(request("POST /v1/functions/f", KEY, f"content-length: {9 * MIB}") + bytes(MIB))
    await connection.reader.readuntil(b"begun")
    connection.send(bytes(8 * MIB))

    assert (await connection.reader.readuntil(b"\r\n0\r\n\r\n")).endswith(b"9437184\r\n0\r\n\r\n")


async def test_a_function_can_echo_a_body_while_the_client_still_sends_it(place: Place, connection: Connection) -> None:
    await place.deploy("(req) => new Response(req.body)")

    connection.send(request("POST /v1/functions/f", KEY, CHUNKED))
    for part in (b"one", b"two", b"three"):
        connection.send(chunk(part))
        await connection.reader.readuntil(chunk(part))
    connection.send(chunk(b""))

    assert await connection.reader.readexactly(5) == b"0\r\n\r\n"


async def test_an_answer_may_begin_before_the_first_byte_of_the_body(place: Place, connection: Connection) -> None:
    await place.deploy("""(req) => new Response(new ReadableStream({ async start(c) {
        c.enqueue("ready"); c.enqueue(await req.text()); c.close();
    } }))""")

    connection.send(request("POST /v1/functions/f", KEY, CHUNKED))
    await connection.reader.readuntil(b"ready")
    connection.send(chunk(b"steady") + chunk(b""))

    await connection.reader.readuntil(b"6\r\nsteady\r\n0\r\n\r\n")


@pytest.mark.parametrize("chunked", [True, False])
async def test_a_body_of_any_size_arrives_whole(place: Place, connection: Connection, chunked: bool) -> None:
    await place.deploy(COUNT)

    for size in (0, 1, MAX_BEGINNING_BYTES, MAX_BEGINNING_BYTES + 1, WINDOW_BYTES, 9 * MIB):
        connection.send(post("f", bytes(size), chunked))

        assert await body_of(connection) == str(size).encode()


async def test_an_upload_can_be_read_as_json_text_buffer_or_blob(place: Place, connection: Connection) -> None:
    ways = {
        "(await req.json()).length": b"1000000",
        "(await req.text()).length": b"1000002",
        "(await req.arrayBuffer()).byteLength": b"1000002",
        "(await req.blob()).size": b"1000002",
        "(await req.clone().json()).length": b"1000000",
        "[req.bodyUsed, req.body instanceof ReadableStream]": b"[false,true]",
    }
    cases = ", ".join(f"async (req) => ({way})" for way in ways)
    await place.deploy(f"(req) => [{cases}][new URL(req.url).pathname.slice(1)](req)")

    for number, expected in enumerate(ways.values()):
        connection.send(post(f"f/{number}", b'"' + b"x" * 1_000_000 + b'"'))

        assert await body_of(connection) == expected


async def test_a_function_reads_a_multipart_form_with_a_file(place: Place, connection: Connection) -> None:
    await place.deploy("""async (req) => {
        const form = await req.formData();
        return [form.get("title"), form.get("file").name, form.get("file").size];
    }""")
    part = b"--xx\r\ncontent-disposition: form-data; name="
    form = (
        part + b'"title"\r\n\r\nBread\r\n' + part + b'"file"; filename="a.bin"\r\n\r\n' + bytes(MIB) + b"\r\n--xx--\r\n"
    )

    connection.send(request("POST /v1/functions/f", KEY, "content-type: multipart/form-data; boundary=xx", body=form))

    assert await body_of(connection) == b'["Bread","a.bin",1048576]'


async def test_a_function_sees_no_body_of_get_and_head(place: Place, connection: Connection) -> None:
    await place.deploy("(req) => new Response(null, { headers: { 'x-body': String(req.body) } })")
    sendings = {"": b"", CHUNKED: chunk(b"12345") + chunk(b""), "content-length: 100000": bytes(100_000)}

    for framing, data in sendings.items():
        for method in ("GET", "HEAD", "HEAD", "GET"):
            connection.send(request(f"{method} /v1/functions/f", KEY, *filter(None, [framing])) + data)
            head = await connection.reader.readuntil(b"\r\n\r\n")
            assert b"x-body: null" in head
            if b"chunked" in head and method == "GET":
                await connection.reader.readuntil(b"0\r\n\r\n")


@pytest.mark.parametrize("settings", [FunctionsSettings(max_request_body_bytes=64 * MIB)])
async def test_a_function_that_does_not_read_makes_the_client_wait(place: Place, connection: Connection) -> None:
    await place.deploy("""async (req) => {
        if (req.method === "GET") return globalThis.go();
        await new Promise((go) => (globalThis.go = go));
        let size = 0;
        for await (const part of req.body) size += part.length;
        return size;
    }""")

    connection.send(request("POST /v1/functions/f", KEY, body=bytes(48 * MIB)))
    await until(lambda: bool(place.functions.invocations.uploads) and place.upload.window.left == 0)
    assert place.upload.total_bytes == WINDOW_BYTES
    assert connection.writer.transport.get_write_buffer_size() > 24 * MIB  # The buffers of the sockets hold the rest.
    async with place.door.connected() as other:
        assert (await other.ask("GET /v1/functions/f", KEY)).status == 204

    assert await body_of(connection) == str(48 * MIB).encode()


@pytest.mark.parametrize("sent", [100, 100_000, 3 * MIB])
async def test_a_client_that_disconnects_during_its_upload_ends_the_call(place: Place, sent: int) -> None:
    await place.deploy(REPORT)
    cancelled = outcomes("cancelled")

    async with place.door.connected() as connection:
        connection.send(request("POST /v1/functions/f", KEY, f"content-length: {9 * MIB}") + bytes(sent))
        await place.will_say("in")

    await place.will_say("aborted", "AbortError")
    await until(lambda: outcomes("cancelled") == cancelled + 1)
    assert not place.functions.invocations.uploads


@pytest.mark.parametrize("sent", [100_000, WINDOW_BYTES + 100])
async def test_a_client_that_disconnects_is_noticed_even_if_the_function_does_not_read(place: Place, sent: int) -> None:
    await place.deploy("""(req, ctx) => new Promise((done) => {
        console.log("in");
        ctx.signal.addEventListener("abort", () => { console.log("aborted"); done() });
    })""")

    async with place.door.connected() as connection:
        connection.send(request("POST /v1/functions/f", KEY, f"content-length: {9 * MIB}") + bytes(sent))
        await place.will_say("in")

    await place.will_say("aborted")


@pytest.mark.parametrize("settings", [FunctionsSettings(request_silence_seconds=0.2)])
async def test_an_upload_that_stalls_gets_408_and_aborts_the_function(place: Place, connection: Connection) -> None:
    await place.deploy(STAY)

    reply = await connection.ask("POST /v1/functions/f", KEY, "content-length: 100000")

    assert (reply.status, b"request_stalled" in reply.body) == (408, True)
    await place.will_say("request_stalled", "aborted")


@pytest.mark.parametrize("settings", [FunctionsSettings(request_silence_seconds=0.2)])
async def test_an_answer_that_has_begun_continues_after_the_upload_stalls(place: Place, connection: Connection) -> None:
    await place.deploy("""(req) => new Response(new ReadableStream({ async start(c) {
        c.enqueue("begun "); c.enqueue(await req.text().catch((error) => error.code)); c.close();
    } }))""")

    connection.send(request("POST /v1/functions/f", KEY, "content-length: 100000") + b"x")

    assert await body_of(connection) == b"begun request_stalled"


async def test_a_small_body_that_stalls_never_reaches_the_function(place: Place, tmp_path: Path) -> None:
    await place.deploy(REPORT)

    async with (
        served(tmp_path / "hasty", functions=place.functions, read_seconds=0.1) as hasty,
        hasty.connected() as connection,
    ):
        reply = await connection.ask("POST /v1/functions/f", KEY, "expect: 100-continue", "content-length: 10")
        assert reply.status == 100
        reply = await connection.reply()

    assert (reply.status, b"request_stalled" in reply.body) == (408, True)
    assert await place.said() == []


@pytest.mark.parametrize("settings", [FunctionsSettings(max_request_body_bytes=MIB)])
async def test_a_content_length_above_the_limit_is_refused_before_the_body(
    place: Place, connection: Connection
) -> None:
    await place.deploy(REPORT)

    reply = await connection.ask("POST /v1/functions/f", KEY, f"content-length: {MIB + 1}")

    assert (reply.status, b"payload_too_large" in reply.body) == (413, True)
    assert await place.said() == []


@pytest.mark.parametrize("settings", [FunctionsSettings(max_request_body_bytes=MIB)])
async def test_a_chunked_body_that_exceeds_the_limit_is_refused_during_the_upload(
    place: Place, connection: Connection
) -> None:
    await place.deploy(STAY)

    connection.send(request("POST /v1/functions/f", KEY, CHUNKED) + chunk(bytes(MIB // 2)) * 3 + chunk(b""))
    reply = await connection.reply()

    assert (reply.status, b"payload_too_large" in reply.body) == (413, True)
    await place.will_say("payload_too_large", "aborted")
    await place.deploy(COUNT)
    connection.send(request("POST /v1/functions/f", KEY, body=b"next"))
    assert await body_of(connection) == b"4"


@pytest.mark.parametrize("settings", [FunctionsSettings(max_request_body_bytes=MIB)])
async def test_an_answer_that_has_begun_continues_after_the_body_exceeds_the_limit(
    place: Place, connection: Connection
) -> None:
    await place.deploy("""(req) => new Response(new ReadableStream({ async start(c) {
        c.enqueue("begun "); c.enqueue(await req.text().catch((error) => error.code)); c.close();
    } }))""")

    connection.send(request("POST /v1/functions/f", KEY, CHUNKED) + chunk(b"x"))
    await connection.reader.readuntil(b"begun ")
    connection.send(chunk(bytes(MIB)))

    await connection.reader.readuntil(b"payload_too_large\r\n0\r\n\r\n")


@pytest.mark.parametrize("before", ["", "await req.body.cancel();"])
async def test_an_unread_body_is_never_parsed_as_the_next_request(
    place: Place, connection: Connection, before: str
) -> None:
    await place.deploy(f"""async (req) => {{
        if (req.url.endsWith("/text")) return req.text();
        {before}
        return "unread";
    }}""")
    smuggled = request("GET /v1/functions/f/smuggled", KEY)

    for size in (100_000, 9 * MIB):
        for chunked in (True, False):
            connection.send(post("f", smuggled + bytes(size), chunked))
            assert await body_of(connection) == b'"unread"'
            connection.send(post("f/text", b"mine"))
            assert await body_of(connection) == b'"mine"'


async def test_trailers_are_not_added_to_the_headers(place: Place, connection: Connection) -> None:
    await place.deploy("async (req) => (await req.text()) + req.headers.get('x-forwarded-for') + req.headers.has('x')")
    trailers = b"0\r\nx-forwarded-for: 192.0.2.9\r\nx: y\r\n\r\n"

    connection.send(
        request("POST /v1/functions/f", KEY, CHUNKED, "x-forwarded-for: 192.0.2.1") + chunk(b"a") + trailers
    )

    assert await body_of(connection) == b'"a192.0.2.1false"'


@pytest.mark.parametrize(
    ("before", "filler"),
    [(b"0\r\n", b"x: y\r\n"), (b"0\r\nx: ", b"y"), (b"1;x=", b"y"), (b"0", b"0")],
    ids=["trailers", "a trailer", "a chunk's extension", "a chunk's size"],
)
async def test_endless_chunk_framing_closes_the_connection(
    place: Place, connection: Connection, before: bytes, filler: bytes
) -> None:
    await place.deploy(REPORT)

    connection.send(request("POST /v1/functions/f", KEY, CHUNKED) + chunk(b"a"))
    await place.will_say("in")
    connection.send(before + filler * (MIB // len(filler)))

    with suppress(ConnectionResetError):  # The server discards the rest, which the client may see as a reset.
        assert await connection.ended() == b""
    await place.will_say("aborted")


async def test_an_upload_of_many_tiny_chunks_is_accepted(place: Place, connection: Connection) -> None:
    await place.deploy(COUNT)

    connection.send(request("POST /v1/functions/f", KEY, CHUNKED) + chunk(b"a") * 100_000 + chunk(b""))

    assert await body_of(connection) == b"100000"


async def test_bytes_after_a_refused_upgrade_are_never_parsed_as_a_request(
    place: Place, connection: Connection
) -> None:
    await place.deploy("(req) => { console.log(new URL(req.url).pathname); return 1 }")
    upgrade = request("GET /v1/functions/f/first", KEY, "connection: upgrade", "upgrade: h2c")
    smuggled = request("GET /v1/functions/f/smuggled", KEY)

    connection.send(upgrade + request("POST /v1/functions/f/second", KEY, f"content-length: {len(smuggled)}"))
    await place.will_say("/first")
    connection.send(smuggled)

    assert (await connection.ended()).startswith(b"HTTP/1.1 200")
    assert await place.said() == ["/first"]


async def test_a_request_pipelined_after_an_upload_is_answered_after_it(place: Place, connection: Connection) -> None:
    await place.deploy(COUNT)

    upload = request("POST /v1/functions/f", KEY, body=bytes(MIB))
    connection.send(upload + request("POST /v1/functions/f", KEY, body=b"next") + upload)

    assert [await body_of(connection) for _ in range(3)] == [b"1048576", b"4", b"1048576"]


@pytest.mark.parametrize("settings", [FunctionsSettings(max_request_body_bytes=64 * MIB)])
async def test_a_client_that_sends_too_much_unread_data_is_disconnected(place: Place, connection: Connection) -> None:
    await place.deploy("() => 'unread'")

    connection.send(request("POST /v1/functions/f", KEY, f"content-length: {64 * MIB}") + bytes(MIB))
    assert await body_of(connection) == b'"unread"'
    connection.send(bytes(Limits().unread_bytes + MIB))

    with suppress(ConnectionError):
        assert await connection.ended() == b""


@pytest.mark.parametrize("settings", [FunctionsSettings(max_request_body_bytes=64 * MIB)])
@pytest.mark.parametrize(("path", "status"), [("f", 200), ("none", 404)])
async def test_a_request_with_connection_close_and_an_unread_body_is_answered(
    place: Place, path: str, status: int
) -> None:
    await place.deploy("() => 'unread'")
    closing = request(f"POST /v1/functions/{path}", KEY, "connection: close", body=bytes(32 * MIB))

    for sent in (closing, closing.replace(b"HTTP/1.1", b"HTTP/1.0").replace(b"connection: close\r\n", b"")):
        async with place.door.connected() as connection:
            connection.send(sent)
            await connection.writer.drain()
            reply = await connection.reply()

            assert (reply.status, reply.header("connection")) == (status, "close")
            assert await connection.ended() == b""


async def test_a_client_gets_100_continue_only_after_the_function_started(place: Place, connection: Connection) -> None:
    await place.deploy(COUNT)
    expecting = ("expect: 100-continue", f"content-length: {MIB}")

    assert (await connection.ask("POST /v1/functions/none", KEY, *expecting)).status == 404
    async with place.door.connected() as other:
        assert (await other.ask("POST /v1/functions/f", KEY, *expecting)).status == 100
        other.send(bytes(MIB))
        assert await body_of(other) == b"1048576"


@pytest.mark.parametrize("settings", [FunctionsSettings(max_workers_per_function=1)])
async def test_only_the_beginning_of_an_upload_is_kept_while_it_waits_for_a_worker(
    place: Place, connection: Connection
) -> None:
    await place.deploy(
        """async (req) => {
            if (req.url.endsWith("/wait")) await new Promise((go) => setTimeout(go, 500));
            return (await req.arrayBuffer()).byteLength;
        }""",
        concurrency=1,
    )
    async with place.door.connected() as other:
        other.send(request("POST /v1/functions/f/wait", KEY, body=b"x"))
        pool = place.functions.pool
        await until(lambda: any(worker.calls for worker in place.functions.starter.alive))

        connection.send(request("POST /v1/functions/f", KEY, body=bytes(9 * MIB)))
        await until(lambda: pool.waiting.calls == 1)

        assert pool.waiting.bytes <= MAX_BEGINNING_BYTES
        assert not [upload for upload in place.functions.invocations.uploads.values() if upload.total_bytes > 1]
        assert await body_of(other) == b"1"
        assert await body_of(connection) == b"9437184"


async def test_a_worker_that_dies_during_an_upload_fails_only_that_call(place: Place, connection: Connection) -> None:
    await place.deploy(
        "async (req) => { if (req.method === 'GET') return 'well'; for await (const _ of req.body) process.exit(1) }"
    )

    connection.send(request("POST /v1/functions/f", KEY, body=bytes(9 * MIB)))
    reply = await connection.reply()

    assert (reply.status, b"function_crashed" in reply.body) == (502, True)
    assert not place.functions.invocations.uploads
    assert (await connection.ask("GET /v1/functions/f", KEY)).body == b'"well"'


async def test_after_its_answer_a_function_cannot_read_the_rest_of_the_body(
    place: Place, connection: Connection
) -> None:
    await place.deploy("""(req, ctx) => {
        ctx.waitUntil(req.text().catch((error) => console.log(error.code)));
        return new Response(null, { status: 202 });
    }""")

    connection.send(request("POST /v1/functions/f", KEY, f"content-length: {9 * MIB}") + bytes(MIB))

    assert (await connection.reply()).status == 202
    await place.will_say("call_over")


async def test_a_function_that_exceeds_its_time_during_an_upload_gets_504(place: Place, connection: Connection) -> None:
    await place.deploy(REPORT, timeout_ms=200)

    reply = await connection.ask("POST /v1/functions/f", KEY, "content-length: 100000")

    assert (reply.status, b"function_timeout" in reply.body) == (504, True)
    assert not place.functions.invocations.uploads


@pytest.mark.parametrize("credit", ["0, 0, 0, 0", "255, 255, 255, 255", "0, 4, 0, 1"])
async def test_a_worker_that_claims_credit_for_unsent_bytes_is_killed(
    place: Place, connection: Connection, credit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place.functions.starter, "guard", False)
    await place.deploy(f"""async (req) => {{
        require("fs").writeSync(3, new Uint8Array([0, 0, 0, 9, 32, 0, 0, 0, 1, {credit}]));
        await Bun.sleep(1000);
    }}""")

    connection.send(request("POST /v1/functions/f", KEY, f"content-length: {9 * MIB}") + b"x")
    reply = await connection.reply()

    assert (reply.status, b"function_crashed" in reply.body) == (502, True)
    await place.will_say("The worker died: it broke the protocol: credit for bytes that were never sent.")
