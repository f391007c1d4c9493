from __future__ import annotations

import asyncio
import os
import signal

import pytest

from bunbase.contracts.functions.deployments import Bundle, FunctionConfig
from bunbase.contracts.functions.invocations import Chunk
from bunbase.contracts.functions.problems import (
    FunctionCrashed,
    FunctionError,
    FunctionOverloaded,
    FunctionTimeout,
    InvalidBundle,
)
from bunbase.functions.service import FunctionsService
from bunbase.functions.settings import FunctionsSettings
from bunbase.functions.workers.connection import MAX_FRAMES_A_TURN
from bunbase.functions.workers.deployment import LogRecord
from bunbase.functions.workers.frames import Frame, encode_frame
from tests.functions.calls import MEMBER, Answer, call, deploy, invoke, log_of, request, until

BY_PATH = """async (req, ctx) => {
    const path = new URL(req.url).pathname;
    console.log("in " + path);
    if (path === "/forever") await new Promise(() => {});
    if (path === "/loop") { await Bun.sleep(50); for (;;); }
    if (path === "/exit") { await Bun.sleep(50); process.exit(3); }
    if (path === "/abort") process.abort();
    if (path === "/slow") await Bun.sleep(700);
    return path;
}"""


@pytest.fixture
def settings() -> FunctionsSettings:
    return FunctionsSettings(
        max_workers_per_function=1, max_waiting=2, wait_seconds=5.0, max_response_bytes=1 << 20, load_seconds=1.0
    )


async def in_flight(functions: FunctionsService, name: str, path: str) -> asyncio.Task[Answer]:
    """Start a call and wait until its function runs."""
    task = asyncio.create_task(call(functions, name, request(path)))
    while not task.done() and all(line.text != f"in {path}" for line in await log_of(functions, name)):
        await asyncio.sleep(0.01)
    return task


async def test_a_call_that_waits_forever_times_out_without_ending_other_calls(functions: FunctionsService) -> None:
    await deploy(functions, "f", BY_PATH, timeout_ms=1000)
    forever = await in_flight(functions, "f", "/forever")
    [worker] = functions.starter.alive
    await asyncio.sleep(0.5)  # This pause lets the neighbour's own deadline come later.
    slow = await in_flight(functions, "f", "/slow")

    with pytest.raises(FunctionTimeout):
        await forever
    fresh = asyncio.create_task(call(functions, "f", request("/fresh")))
    assert (await slow).json == "/slow"

    assert (await fresh).json == "/fresh"
    assert worker.dead == "retired"
    lines = await log_of(functions, "f")
    assert [line.text for line in lines if line.level == "error"] == ["The call did not end within 1000 ms."]


async def test_an_endless_loop_times_out_and_ends_the_other_calls_of_its_worker(functions: FunctionsService) -> None:
    await deploy(functions, "f", BY_PATH, timeout_ms=1000)
    loop = await in_flight(functions, "f", "/loop")
    await asyncio.sleep(0.5)  # This pause lets the neighbour's own deadline come later.
    neighbour = asyncio.create_task(call(functions, "f", request("/slow")))

    with pytest.raises(FunctionTimeout):
        await loop
    with pytest.raises(FunctionCrashed):
        await neighbour

    assert (await call(functions, "f", request("/next"))).json == "/next"
    errors = [line.text for line in await log_of(functions, "f") if line.level == "error"]
    assert errors == ["The call did not end within 1000 ms.", "The worker died: it no longer reacts."]


async def test_a_timeout_breaks_off_an_answer_under_way(functions: FunctionsService) -> None:
    await deploy(
        functions, "f", "() => new Response(new ReadableStream({ start(c) { c.enqueue('x') } }))", timeout_ms=300
    )
    parts = invoke(functions, "f")
    await anext(parts)
    assert await anext(parts) == Chunk(b"x")

    with pytest.raises(FunctionTimeout):
        await anext(parts)


@pytest.mark.parametrize("path", ["/exit", "/abort"])
async def test_a_crash_fails_the_running_calls_and_the_next_call_gets_a_new_worker(
    functions: FunctionsService, path: str
) -> None:
    await deploy(functions, "f", BY_PATH)
    neighbour = await in_flight(functions, "f", "/slow")

    with pytest.raises(FunctionCrashed):
        await call(functions, "f", request(path))
    with pytest.raises(FunctionCrashed):
        await neighbour

    again = await call(functions, "f", request("/again"))
    assert (again.json, again.head.cold) == ("/again", True)
    errors = [line.text for line in await log_of(functions, "f") if line.level == "error"]
    assert errors[0].startswith(f"The function called process.{path[1:]}(")
    assert errors[1:] == ["The worker died: its process ended."] * 2


async def test_a_killed_worker_is_replaced(functions: FunctionsService) -> None:
    await deploy(functions, "f", BY_PATH)
    running = await in_flight(functions, "f", "/forever")
    [worker] = functions.starter.alive

    os.kill(worker.pid, signal.SIGKILL)

    with pytest.raises(FunctionCrashed):
        await running
    assert (await call(functions, "f")).json == "/"


async def test_a_killed_zygote_is_replaced(functions: FunctionsService) -> None:
    await deploy(functions, "f", BY_PATH)
    running = await in_flight(functions, "f", "/forever")
    zygote = functions.starter.zygote.process
    assert zygote is not None

    zygote.kill()

    with pytest.raises(FunctionCrashed):
        await running
    assert (await call(functions, "f")).json == "/"
    assert functions.starter.zygote.process is not zygote


async def test_a_bundle_that_never_finishes_loading_is_refused(functions: FunctionsService) -> None:
    with pytest.raises(InvalidBundle, match="did not finish loading"):
        await functions.deploy(MEMBER, "f", Bundle(b"for (;;);", None, FunctionConfig()))

    assert not functions.starter.alive


async def test_a_worker_that_exceeds_its_memory_limit_ends(functions: FunctionsService) -> None:
    await deploy(
        functions,
        "f",
        """async (req) => {
            const held = [];
            while (req.url.endsWith("/eat")) { held.push(new Uint8Array(4 << 20).fill(1)); await Bun.sleep(10) }
            return 1;
        }""",
        memory_mb=64,
    )

    with pytest.raises(FunctionCrashed):
        await call(functions, "f", request("/eat"))

    assert (await call(functions, "f")).json == 1
    [line] = await log_of(functions, "f")
    assert line.text == "The worker died: memory limit of 64 MB exceeded."


@pytest.mark.parametrize(
    "frame",
    [
        "[255, 255, 255, 255, 19, 0, 0, 0, 1]",  # this frame has a length of four gigabytes
        "[0, 0, 0, 0]",  # this frame is shorter than its own header
        "[0, 0, 0, 6, 19, 0, 0, 0, 1, 123]",  # this head is not JSON
        "[0, 0, 0, 6, 18 + 2, 0, 0, 0, 1, 65]",  # this body comes before its head
        "[0, 0, 0, 7, 23, 0, 0, 0, 1, 9, 0]",  # this log level does not exist
        # this JSON is nested too deeply
        "[0, 1, 134, 170, 19, 0, 0, 0, 1, 123, 34, 120, 34, 58, ...Array(100000).fill(91)]",
        "[0, 0, 0, 5, 77, 0, 0, 0, 1]",  # this type does not exist, for a call that exists
        "[0, 0, 0, 9, 32, 0, 0, 0, 1, 0, 0, 0, 1]",  # this credit is for a request that was already complete
        "[0, 0, 0, 5, 25, 0, 0, 0, 1, 0, 0, 0, 5, 25, 0, 0, 0, 1]",  # this is the frame LINGER, sent twice
        '[0, 0, 0, 32, 19, 0, 0, 0, 1, ...Buffer.from(`{"status":200,"headers":[]}`), 0, 0, 0, 5, 20, 0, 0, 0, 1]',
    ],
)
async def test_frames_that_no_runtime_sends_end_the_worker(functions: FunctionsService, frame: str) -> None:
    functions.starter.guard = False
    await deploy(
        functions,
        "f",
        f"""async (req) => {{
            if (req.url.endsWith("/forge")) require("fs").writeSync(3, new Uint8Array({frame}));
            await Bun.sleep(1000);
            return 1;
        }}""",
        timeout_ms=5000,
    )

    with pytest.raises(FunctionCrashed):
        await call(functions, "f", request("/forge"))

    [line] = await log_of(functions, "f")
    assert line.text.startswith("The worker died: it broke the protocol: ")


async def test_frames_for_calls_that_do_not_exist_are_ignored(functions: FunctionsService) -> None:
    functions.starter.guard = False
    await deploy(
        functions,
        "f",
        """() => {
            for (const type of [19, 20, 21, 22, 23, 24, 32, 33]) {
                require("fs").writeSync(3, new Uint8Array([0, 0, 0, 7, type, 0, 0, 9, 9, 0, 0]));
            }
            return 1;
        }""",
    )

    assert (await call(functions, "f")).json == 1


async def test_a_flood_of_frames_does_not_delay_other_functions(functions: FunctionsService) -> None:
    await deploy(functions, "f", "() => 1")
    await call(functions, "f")
    [worker] = [one for one in functions.starter.alive if one.loaded_at]
    heard: list[LogRecord] = []
    functions.pool.write_log = heard.append

    worker.connection.data_received(encode_frame(Frame.LOG, 0, b"\0\0x") * 1000)

    assert len(heard) == MAX_FRAMES_A_TURN
    await until(lambda: len(heard) == 1000)
    assert (await call(functions, "f")).json == 1


async def test_an_answer_in_tiny_chunks_arrives_whole(functions: FunctionsService) -> None:
    body = "() => new Response(new ReadableStream({ async start(c) {"
    body += "for (let n = 0; n < 20_000; n++) c.enqueue(new Uint8Array([n % 251])); c.close() } }))"
    await deploy(functions, "f", body)

    assert (await call(functions, "f")).body == bytes(n % 251 for n in range(20_000))


async def test_an_answer_that_is_too_long_is_broken_off(functions: FunctionsService) -> None:
    await deploy(functions, "f", "() => new Response(new Uint8Array(2 << 20))")
    parts = invoke(functions, "f")
    await anext(parts)

    with pytest.raises(FunctionError):
        async for _ in parts:
            pass


async def test_an_answer_that_fails_half_way_is_broken_off(functions: FunctionsService) -> None:
    await deploy(
        functions,
        "f",
        """() => new Response(new ReadableStream({ pull(c) {
            if (globalThis.sent) throw new Error("half way"); globalThis.sent = true; c.enqueue("x") } }))""",
    )
    parts = invoke(functions, "f")
    await anext(parts)

    with pytest.raises(FunctionError):
        async for _ in parts:
            pass
    [line] = await log_of(functions, "f")
    assert "half way" in line.text


async def test_calls_are_refused_if_the_queue_is_full(functions: FunctionsService) -> None:
    await deploy(functions, "f", BY_PATH, concurrency=1)
    running = await in_flight(functions, "f", "/slow")
    waiting = [asyncio.create_task(call(functions, "f", request("/queued"))) for _ in range(2)]
    [group] = functions.pool.groups.values()
    await until(lambda: len(group.queue) == 2)

    with pytest.raises(FunctionOverloaded) as refused:
        await call(functions, "f")

    assert refused.value.headers()["retry-after"] == "1"
    await running
    assert [answer.json for answer in await asyncio.gather(*waiting)] == ["/queued"] * 2


async def test_a_call_that_stops_waiting_leaves_the_queue(functions: FunctionsService) -> None:
    await deploy(functions, "f", BY_PATH, concurrency=1)
    running = await in_flight(functions, "f", "/slow")
    waiting = asyncio.create_task(call(functions, "f"))
    [group] = functions.pool.groups.values()
    await until(lambda: len(group.queue) == 1)

    waiting.cancel()

    await asyncio.gather(waiting, return_exceptions=True)
    assert not group.queue
    await running
