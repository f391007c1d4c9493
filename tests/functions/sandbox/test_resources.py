"""Functions that use up the machine: each is stopped, other workers still answer, and no process remains."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
import pytest_asyncio

from bunbase.contracts.functions.problems import FunctionCrashed, FunctionTimeout
from bunbase.functions.sandbox.limits import most_threads
from bunbase.pkg.errors import Problem
from tests.functions.calls import until
from tests.functions.sandbox.ground import USERS, As, Ground, ask, ground
from tests.functions.workers.test_processes import alive

LIMIT_MB = 128
KEEP = "globalThis.kept ??= []; const keep = (x) => { kept.push(x) };"

MEMORY_BOMBS = {
    "arrays": "for (;;) keep(new Array(1e6).fill({}).map((_, i) => ({ i })))",
    "buffers": "for (;;) keep(Buffer.alloc(8 << 20, 1))",
    "typed arrays": "for (;;) keep(new Uint8Array(8 << 20).fill(1))",
    "shared memory": "for (;;) keep(new Uint8Array(new SharedArrayBuffer(8 << 20)).fill(1))",
    "wasm": """const memory = new WebAssembly.Memory({ initial: 1, maximum: 65536 });
               for (;;) { memory.grow(64); new Uint8Array(memory.buffer).fill(1) }""",
    "strings": "let text = 'ab'.repeat(1e6); for (let i = 0; ; i++) keep(Buffer.from(text + i).toString('utf8') + i)",
    "blobs": "for (;;) keep(new Blob([new Uint8Array(8 << 20).fill(1)]))",
    "promises": "for (;;) keep(new Promise(() => {}).then(() => new Array(100)))",
    "compressed": "const z = Bun.deflateSync(new Uint8Array(64 << 20)); for (;;) keep(Bun.inflateSync(z))",
    "maps": "const map = new Map(); for (let i = 0; ; i++) map.set('key' + i, { i })",
}
TIME_BOMBS = {
    "a loop": "for (;;);",
    "microtasks": "const again = () => Promise.resolve().then(again); await again()",
    "a promise for ever": "await new Promise(() => {})",
    "timers": "const again = () => setTimeout(again); again(); await new Promise(() => {})",
    "a regular expression": "/^(a+)+$/.test('a'.repeat(60) + 'b'); for (;;);",
    "Atomics.wait": "Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0); await new Promise(() => {})",
}
CRASHES = {
    "segmentation fault": """const ffi = require('bun:ffi');
        ffi.dlopen('libc.so.6', { strlen: { args: ['u64'], returns: 'u64' } }).symbols.strlen(8);""",
    "abort": "process.abort()",
    "stack": "const deep = () => { try { deep() } finally { deep() } }; deep()",
    "the channel closed": "require('fs').closeSync(3); await new Promise(() => {})",
    "another architecture's call": """const ffi = require('bun:ffi');
        ffi.dlopen('libc.so.6', { syscall: { args: ['i64'], returns: 'i64' } }).symbols.syscall(0x40000027);""",
}


@pytest_asyncio.fixture(params=[user for user in USERS if user is not As.MAPPED_ROOT])
async def field(request: pytest.FixtureRequest) -> AsyncIterator[Ground]:
    async with ground(request.param, guard=False) as made:
        yield made


def handler(body: str) -> str:
    return f"module.exports.default = async (req) => {{ {KEEP} {body} }}"


async def assert_all_is_well(field: Ground, attacker: int) -> None:
    neighbour = await field.worker("module.exports.default = () => 'still here'")
    assert await ask(neighbour) == b'"still here"'
    await until(lambda: not alive(attacker))
    neighbour.kill("done")
    await until(lambda: not alive(neighbour.pid))
    assert field.starter.alive == set()


@pytest.mark.parametrize("bomb", MEMORY_BOMBS)
async def test_a_memory_bomb_is_stopped_at_the_memory_limit(field: Ground, bomb: str) -> None:
    worker = await field.worker(handler(MEMORY_BOMBS[bomb]), memory_mb=LIMIT_MB, timeout_ms=20_000)

    with pytest.raises(Problem):  # The watchdog kills the worker, or the kernel refuses memory.
        await ask(worker)

    worker.kill("the attack is over")
    await assert_all_is_well(field, worker.pid)


async def test_the_log_names_the_memory_limit(field: Ground) -> None:
    slowly = "for (;;) { keep(new Uint8Array(4 << 20).fill(1)); await Bun.sleep(5) }"
    worker = await field.worker(handler(slowly), memory_mb=LIMIT_MB)

    with pytest.raises(FunctionCrashed):
        await ask(worker)

    assert [line.text for line in field.said] == [f"The worker died: memory limit of {LIMIT_MB} MB exceeded."]


async def test_a_worker_that_exceeds_its_memory_limit_after_a_call_is_stopped(field: Ground) -> None:
    worker = await field.worker(
        handler("setInterval(() => keep(new Uint8Array(1 << 20).fill(1)), 10)"), memory_mb=LIMIT_MB
    )

    assert await ask(worker) == b""

    await until(lambda: worker.dead == f"memory limit of {LIMIT_MB} MB exceeded")
    await assert_all_is_well(field, worker.pid)


@pytest.mark.parametrize("bomb", TIME_BOMBS)
async def test_a_function_that_never_ends_is_stopped_at_its_deadline(field: Ground, bomb: str) -> None:
    worker = await field.worker(handler(TIME_BOMBS[bomb]), timeout_ms=300)

    with pytest.raises(FunctionTimeout):
        await ask(worker)

    await assert_all_is_well(field, worker.pid)


@pytest.mark.parametrize("crash", CRASHES)
async def test_a_crash_does_not_affect_other_workers(field: Ground, crash: str) -> None:
    worker = await field.worker(handler(CRASHES[crash]), timeout_ms=1000)

    with pytest.raises(Problem):
        await ask(worker)

    await until(lambda: bool(worker.dead))
    await assert_all_is_well(field, worker.pid)


async def test_a_function_cannot_start_more_threads_than_the_limit(field: Ground) -> None:
    body = """
        const stat = () => require("fs").readFileSync("/proc/self/stat", "utf8").split(") ")[1].split(" ");
        const code = URL.createObjectURL(new Blob(["setInterval(() => {}, 1000)"]));
        for (let i = 0; i < 600; i++) {
            try { keep(new Worker(code)) } catch { break }
            if (i % 8 === 0) await Bun.sleep(1);
        }
        await Bun.sleep(500);
        return Number(stat()[17]);"""
    worker = await field.worker(handler(body), memory_mb=LIMIT_MB, timeout_ms=15_000)

    with suppress(Problem):  # The number of threads may also end the worker.
        assert int(await ask(worker)) <= most_threads()

    worker.kill("the attack is over")
    await assert_all_is_well(field, worker.pid)


async def test_a_function_cannot_start_more_native_threads_than_the_limit(field: Ground) -> None:
    body = """
        const types = { dlsym: ["u64", "ptr"], pthread_attr_init: ["ptr"], pthread_attr_setstacksize: ["ptr", "u64"],
            pthread_create: ["ptr", "ptr", "u64", "u64"] };
        const { symbols: libc } = require("bun:ffi").dlopen("libc.so.6", Object.fromEntries(
            Object.entries(types).map(([name, args]) => [name, { args, returns: name === "dlsym" ? "u64" : "i32" }])));
        const attributes = Buffer.alloc(64), made = Buffer.alloc(8);
        libc.pthread_attr_init(attributes);
        libc.pthread_attr_setstacksize(attributes, 65536);
        const sleep = libc.dlsym(0, Buffer.from("sleep\\0"));
        for (let i = 1; i <= 3000; i++) {
            if (libc.pthread_create(made, attributes, sleep, 100000)) return i;
            if (i % 8 === 0) await Bun.sleep(1);
        }
        return 3000;"""
    worker = await field.worker(handler(body), memory_mb=LIMIT_MB, timeout_ms=15_000)

    try:
        assert int(await ask(worker)) <= most_threads()
    except FunctionCrashed:
        assert worker.dead == f"limit of {most_threads()} threads exceeded"

    worker.kill("the attack is over")
    await assert_all_is_well(field, worker.pid)


@pytest.mark.parametrize(
    "flood",
    [
        "for (;;) console.log('x'.repeat(10_000))",
        "const line = new Uint8Array(9 + 2); new DataView(line.buffer).setUint32(0, 7); line[4] = 23; line[9] = 1;"
        "for (;;) { try { require('fs').writeSync(3, line) } catch {} }",
        "for (;;) { try { require('fs').writeSync(3, crypto.getRandomValues(new Uint8Array(65536))) } catch {} }",
        "const frame = new Uint8Array(9); frame[3] = 5; frame[4] = 20; frame[7] = 9; "
        "for (;;) { try { require('fs').writeSync(3, frame) } catch {} }",
    ],
    ids=["log", "forged log", "garbage", "forged calls"],
)
async def test_a_function_that_floods_its_channel_or_log_is_stopped(field: Ground, flood: str) -> None:
    worker = await field.worker(handler(flood), memory_mb=LIMIT_MB, timeout_ms=1000)

    with pytest.raises(Problem):
        await ask(worker)

    await until(lambda: bool(worker.dead))
    assert sum(len(line.text) for line in field.said) < 1 << 20
    await assert_all_is_well(field, worker.pid)


async def test_an_endless_answer_is_broken_off(field: Ground) -> None:
    body = "return new Response(new ReadableStream({ pull(c) { c.enqueue(new Uint8Array(1 << 20)) } }))"
    worker = await field.worker(handler(body), timeout_ms=1000)

    with pytest.raises(Problem):
        await ask(worker)

    await until(lambda: bool(worker.dead))
    await assert_all_is_well(field, worker.pid)


async def test_a_function_can_open_only_a_limited_number_of_files(field: Ground) -> None:
    body = """const fs = require("fs"); let opened = 0;
        try { for (; opened < 10_000; opened++) keep(fs.openSync("/dev/null")) } catch {}
        return opened"""
    worker = await field.worker(handler(body))

    assert int(await ask(worker)) < 300

    worker.kill("the attack is over")
    await assert_all_is_well(field, worker.pid)


async def test_other_workers_answer_during_an_attack(field: Ground) -> None:
    neighbour = await field.worker("module.exports.default = () => 'still here'")
    attackers = [
        await field.worker(handler(TIME_BOMBS["a loop"]), timeout_ms=1500),
        await field.worker(handler("for (;;) console.log('x'.repeat(10_000))"), timeout_ms=1500),
    ]
    attacks = asyncio.gather(*(ask(attacker) for attacker in attackers), return_exceptions=True)

    while not attacks.done():
        assert await ask(neighbour) == b'"still here"'

    assert all(isinstance(outcome, Problem) for outcome in await attacks)
    await until(lambda: not any(alive(attacker.pid) for attacker in attackers))
