from __future__ import annotations

import asyncio

import pytest

from bunbase.contracts.caller import Caller, CallerKind, EndUser, Role
from bunbase.contracts.functions.invocations import Chunk, Head
from bunbase.contracts.functions.problems import FunctionError, FunctionNotFound
from bunbase.functions.boundary.leaving import CONFINED
from bunbase.functions.service import FunctionsService
from bunbase.functions.workers.limits import WINDOW_BYTES
from bunbase.functions.workers.memory import memory_of
from bunbase.pkg.errors import Forbidden, InvalidInput, TooLarge, Unauthenticated
from tests.functions.calls import (
    MEMBER,
    PROJECT,
    SERVER,
    bundle,
    call,
    deploy,
    invoke,
    log_of,
    request,
    returning,
    until,
)
from tests.rooms import member_caller, publishable_caller, secret_caller

ADA = EndUser("usr_ada", "ada@example.com", "editor", {"team": "one"}, "ses_1", True, "password", aal=2)
NOBODY = Caller(CallerKind.ANONYMOUS, project=PROJECT)

ECHO = """async (req) => ({
    method: req.method, url: req.url, headers: [...req.headers], body: await req.text(),
})"""


@pytest.fixture
def functions(shared_functions: FunctionsService) -> FunctionsService:
    return shared_functions


async def test_a_function_gets_the_request_as_it_was_sent(functions: FunctionsService) -> None:
    await deploy(functions, "echo", ECHO)

    sent = request(
        "/a/b%2F?c=d&c=e", "POST", "grüße".encode(), host="api.example.com", content_type="text/plain", x_a="1"
    )
    answer = (await call(functions, "echo", sent)).json

    assert answer["method"] == "POST"
    assert answer["url"] == "http://api.example.com/a/b%2F?c=d&c=e"
    assert answer["body"] == "grüße"
    assert ["x-a", "1"] in answer["headers"]


async def test_an_invalid_host_header_is_replaced(functions: FunctionsService) -> None:
    await deploy(functions, "echo", ECHO)

    assert (await call(functions, "echo", request("/x", host="a b"))).json["url"] == "http://function/x"


async def test_credentials_and_connection_headers_do_not_reach_the_function(functions: FunctionsService) -> None:
    await deploy(functions, "echo", ECHO)

    sent = request(
        authorization="Bearer t",
        x_bunbase_key="sk_x",
        connection="x-private, close",
        x_private="1",
        te="x",
        cookie="a=b",
    )
    headers = dict((await call(functions, "echo", sent)).json["headers"])

    assert headers == {"cookie": "a=b"}


async def test_a_function_can_read_its_own_name_and_its_caller(functions: FunctionsService) -> None:
    await deploy(functions, "who", "(req, ctx) => ctx")

    signed_in = await call(functions, "who", caller=publishable_caller(PROJECT, ADA))
    without = await call(functions, "who")

    assert signed_in.json["project"] == PROJECT
    assert signed_in.json["function"] == {"name": "who", "version": 1}
    assert signed_in.json["invocation"] == {"id": signed_in.head.invocation}
    assert signed_in.json["caller"] == {
        "uid": "usr_ada", "email": "ada@example.com", "role": "editor", "claims": {"team": "one"},
        "verified": True, "provider": "password", "anonymous": False, "aal": 2, "act": "",
    }  # fmt: skip
    assert without.json["caller"] is None


@pytest.mark.parametrize(
    ("handler", "status", "body"),
    [
        ("() => ({ a: 1 })", 200, b'{"a":1}'),
        ("() => 'text'", 200, b'"text"'),
        ("() => null", 200, b"null"),
        ("() => {}", 204, b""),
        ("() => new Response('no', { status: 418 })", 418, b"no"),
        ("async () => new Response(null, { status: 304 })", 304, b""),
        ("{ fetch(req, ctx) { return new Response(this.text) }, text: 'object' }", 200, b"object"),
        ("() => new Response(new Uint8Array([0, 255, 10]))", 200, b"\x00\xff\n"),
    ],
)
async def test_a_handlers_return_value_becomes_the_answer(
    functions: FunctionsService, handler: str, status: int, body: bytes
) -> None:
    await deploy(functions, "f", handler)

    answer = await call(functions, "f")

    assert (answer.head.status, answer.body) == (status, body)


async def test_repeated_headers_of_an_answer_reach_the_caller(functions: FunctionsService) -> None:
    await deploy(
        functions,
        "f",
        """() => {
            const headers = new Headers({ "content-type": "text/x", "x-one": "1", "connection": "close" });
            headers.append("set-cookie", "a=1"); headers.append("set-cookie", "b=2");
            headers.append("content-length", "999");
            return new Response("x", { headers });
        }""",
    )

    headers = (await call(functions, "f")).head.headers

    assert sorted(headers) == [
        *CONFINED,
        ("content-type", "text/x"),
        ("set-cookie", f"{PROJECT}.a=1; Path=/v1/functions/f"),
        ("set-cookie", f"{PROJECT}.b=2; Path=/v1/functions/f"),
        ("x-one", "1"),
    ]


@pytest.mark.parametrize(
    ("access", "nobody", "key", "user", "secret"),
    [
        ("public", None, None, None, None),
        ("key", Unauthenticated, None, None, None),
        ("user", Unauthenticated, Unauthenticated, None, None),
        ("secret", Unauthenticated, Forbidden, Forbidden, None),
    ],
)
async def test_the_access_setting_decides_which_callers_may_call(
    functions: FunctionsService,
    access: str,
    nobody: type[Exception] | None,
    key: type[Exception] | None,
    user: type[Exception] | None,
    secret: type[Exception] | None,
) -> None:
    await deploy(functions, "f", returning("in"), access=access)
    callers = (
        (NOBODY, nobody),
        (publishable_caller(PROJECT), key),
        (publishable_caller(PROJECT, ADA), user),
        (secret_caller(PROJECT), secret),
        (member_caller(PROJECT, Role.DEVELOPER), None),
        (member_caller(PROJECT, Role.VIEWER), Forbidden),
    )

    for caller, problem in callers:
        if problem is None:
            assert (await call(functions, "f", caller=caller)).body == b"in"
        else:
            with pytest.raises(problem):
                await call(functions, "f", caller=caller)


async def test_an_unknown_function_is_not_found(functions: FunctionsService) -> None:
    with pytest.raises(FunctionNotFound):
        await call(functions, "nothing")


async def test_an_invalid_invocation_is_refused(functions: FunctionsService) -> None:
    await deploy(functions, "f", returning("in"))

    for wrong in (request("no-slash"), request("/a b"), request("/\n"), request(method="TRACE")):
        with pytest.raises(InvalidInput):
            await call(functions, "f", wrong)
    with pytest.raises(TooLarge):
        await call(functions, "f", request("/", "POST", b"x" * ((10 << 20) + 1)))


async def test_a_body_of_ten_megabytes_arrives_whole(functions: FunctionsService) -> None:
    await deploy(functions, "size", "async (req) => (await req.bytes()).reduce((sum, byte) => sum + byte, 0)")

    answer = await call(functions, "size", request("/", "POST", b"\x01" * (10 << 20)))

    assert answer.json == 10 << 20


async def test_an_error_is_written_to_the_log_and_not_shown_to_the_caller(functions: FunctionsService) -> None:
    await deploy(functions, "f", "() => { throw new TypeError('the secret is 42', { cause: new Error('deep down') }) }")

    with pytest.raises(FunctionError) as failed:
        await call(functions, "f")

    assert "42" not in str(failed.value.body())
    [line] = await log_of(functions, "f")
    assert line.level == "error"
    assert line.text.startswith("TypeError: the secret is 42")
    assert "Caused by: Error: deep down" in line.text
    assert "function.js" in line.text


async def test_a_worker_outlives_the_errors_of_its_calls(functions: FunctionsService) -> None:
    await deploy(
        functions, "f", "() => { setTimeout(() => { throw new Error('later') }); Promise.reject('lost'); return 1 }"
    )

    first, second = await call(functions, "f"), await call(functions, "f")

    assert (first.head.cold, second.head.cold) == (True, False)
    texts = " ".join([line.text for line in await log_of(functions, "f")])
    assert "Unhandled rejection: lost" in texts
    await until(lambda: not functions.log_lines.lines)


async def test_chunks_arrive_while_the_function_is_still_running(functions: FunctionsService) -> None:
    await deploy(
        functions,
        "events",
        """(req) => {
            if (req.url.endsWith("/go")) return globalThis.go();
            const more = new Promise(go => globalThis.go = go);
            return new Response(new ReadableStream({
                async start(c) { c.enqueue("data: 1\\n\\n"); await more; c.enqueue("data: 2\\n\\n"); c.close() },
            }));
        }""",
    )
    parts = invoke(functions, "events")

    assert isinstance(await anext(parts), Head)
    assert await anext(parts) == Chunk(b"data: 1\n\n")
    await call(functions, "events", request("/go"))

    assert [part async for part in parts] == [Chunk(b"data: 2\n\n")]


async def test_a_long_answer_is_not_buffered_beyond_the_window_for_a_slow_reader(functions: FunctionsService) -> None:
    await deploy(
        functions,
        "long",
        """() => { let sent = 0; return new Response(new ReadableStream({ pull(c) {
            if (sent >= 20) return c.close(); sent += 1; c.enqueue(new Uint8Array(1 << 20).fill(sent)) } })) }""",
    )
    parts = invoke(functions, "long")
    await anext(parts)
    [worker] = functions.starter.alive
    [running] = worker.calls.values()
    before = memory_of(worker.pid).mb

    await until(lambda: running.waiting_bytes == WINDOW_BYTES)
    grown = memory_of(worker.pid).mb - before

    body = b"".join([part.data async for part in parts if isinstance(part, Chunk)])
    assert body == b"".join(bytes([number]) * (1 << 20) for number in range(1, 21))
    assert grown < 15


async def test_a_client_that_disconnects_aborts_the_function(functions: FunctionsService) -> None:
    await deploy(
        functions,
        "f",
        """(req, ctx) => new Response(new ReadableStream({
            start(c) {
                c.enqueue("x");
                req.signal.addEventListener("abort", () => console.log("aborted: " + ctx.signal.reason.message));
            },
        }))""",
    )
    parts = invoke(functions, "f")
    await anext(parts)
    await anext(parts)

    await parts.aclose()

    [worker] = functions.starter.alive
    await until(lambda: worker.idle)
    assert [line.text for line in await log_of(functions, "f")] == ["aborted: The client has closed the connection."]


async def test_calls_share_a_worker_up_to_its_concurrency(functions: FunctionsService) -> None:
    await deploy(functions, "f", "async () => { await Bun.sleep(30); return process.pid }", concurrency=4)
    await call(functions, "f")

    pids = {answer.json for answer in await asyncio.gather(*(call(functions, "f") for _ in range(4)))}

    assert len(pids) == 1


async def test_another_function_or_project_never_shares_a_worker(own_functions: FunctionsService) -> None:
    await deploy(own_functions, "one", "() => (globalThis.me ??= crypto.randomUUID())")
    await deploy(own_functions, "two", "() => (globalThis.me ??= crypto.randomUUID())")
    await own_functions.deploy(member_caller("prj_two"), "one", bundle("() => (globalThis.me ??= crypto.randomUUID())"))

    answers = [
        await call(own_functions, "one"),
        await call(own_functions, "two"),
        await call(own_functions, "one", caller=secret_caller("prj_two")),
    ]

    assert len({answer.json for answer in answers}) == 3


async def test_a_new_version_takes_over_while_old_calls_finish(own_functions: FunctionsService) -> None:
    await deploy(own_functions, "f", "async () => { console.log('in'); await Bun.sleep(300); return 'old' }")
    under_way = asyncio.create_task(call(own_functions, "f"))
    await until(lambda: bool(own_functions.log_lines.lines))

    await deploy(own_functions, "f", "() => 'new'")

    assert (await call(own_functions, "f")).json == "new"
    assert (await under_way).json == "old"
    await until(lambda: len(own_functions.starter.alive) == 1)


async def test_every_call_is_answered_while_versions_change(functions: FunctionsService) -> None:
    await deploy(functions, "f", "(req, ctx) => ctx.function.version")
    stop = asyncio.Event()

    async def keep_calling() -> list[int]:
        seen = []
        while not stop.is_set():
            seen.append((await call(functions, "f")).json)
        return seen

    callers = [asyncio.create_task(keep_calling()) for _ in range(4)]
    for _ in range(5):
        await deploy(functions, "f", "(req, ctx) => ctx.function.version")
    stop.set()

    for seen in await asyncio.gather(*callers):
        assert seen == sorted(seen)
    assert (await call(functions, "f", caller=MEMBER)).json == 6


async def test_a_worker_sees_nothing_of_the_server(
    own_functions: FunctionsService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUNBASE_MARKER", "of the server")
    own_functions.starter.guard = False
    await deploy(
        own_functions,
        "f",
        """() => {
            const fs = require("fs");
            const target = (fd) => { try { return fs.readlinkSync("/proc/self/fd/" + fd) } catch { return "" } };
            const fds = Array.from({ length: 1024 }, (_, fd) => [fd, target(fd)]).filter(([, at]) => at !== "");
            let initial = "";
            try { initial = fs.readFileSync("/proc/self/environ", "utf8") } catch { /* as it should be */ }
            return { env: process.env, initial, fds };
        }""",
    )

    seen = (await call(own_functions, "f", caller=SERVER)).json

    assert seen["env"] == {}
    assert seen["initial"] == ""
    named = dict(seen["fds"])
    assert [named[fd] for fd in (0, 1, 2)] == ["/dev/null"] * 3
    assert named[3].startswith("socket:")
    sockets = [target for target in named.values() if target.startswith("socket:")]
    assert len(sockets) == 1
