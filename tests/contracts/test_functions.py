from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import msgspec
import pytest
import pytest_asyncio

from bunbase.contracts.caller import Role
from bunbase.contracts.functions.hooks import HookCall, HookLoop, HookName, HookState
from bunbase.contracts.functions.invocations import Chunk, Head, Invocation, Receiving
from bunbase.contracts.functions.logs import LogFilter, LogLevel
from bunbase.contracts.functions.problems import (
    FunctionCpuExceeded,
    FunctionCrashed,
    FunctionError,
    FunctionNotFound,
    FunctionTimeout,
    InvalidBundle,
    VariableNotFound,
    VersionNotFound,
)
from bunbase.contracts.functions.service import Functions
from bunbase.contracts.functions.triggers import RunOutcome, TriggerKind
from bunbase.functions.module import MODULE
from bunbase.pkg.cursors import InvalidCursor
from bunbase.pkg.errors import Forbidden, InvalidInput, TooLarge, Unauthenticated
from tests.conftest import new_database
from tests.functions.calls import (
    DEADLINE_SECONDS,
    MEMBER,
    PROJECT,
    SERVER,
    bundle,
    call,
    delete_all,
    deploy,
    invoke,
    log_of,
    request,
    returning,
)
from tests.functions.neighbours import neighbours
from tests.rooms import ANYONE, member_caller, opened, publishable_caller, secret_caller, site


@pytest_asyncio.fixture(scope="module", params=["local", "remote"])
async def service_of_the_file(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgres: str, filled: str
) -> AsyncIterator[Functions]:
    async with new_database(postgres, filled) as url:
        where = site(tmp_path_factory.mktemp("functions"), url)
        async with opened(MODULE, neighbours(), where, request.param) as service:
            yield service


@pytest_asyncio.fixture
async def functions(service_of_the_file: Functions) -> AsyncIterator[Functions]:
    yield service_of_the_file
    await delete_all(service_of_the_file)


async def test_a_function_is_deployed_called_rolled_back_and_deleted(functions: Functions) -> None:
    first = await deploy(functions, "f", returning("one"), access="public", allow_net=["api.example.com"])
    second = await deploy(functions, "f", returning("two"))
    answer = await call(functions, "f")

    assert (answer.body, answer.head.version, answer.head.status) == (b"two", 2, 200)
    assert await functions.function(MEMBER, "f") == second
    assert (await functions.functions(MEMBER, 20, None)).items == (second,)
    rolled = await functions.rollback(MEMBER, "f", None)
    assert rolled == first
    assert [one.active for one in (await functions.versions(MEMBER, "f", 20, None)).items] == [False, True]
    assert (await call(functions, "f")).body == b"one"
    await functions.delete_function(MEMBER, "f")
    with pytest.raises(FunctionNotFound):
        await call(functions, "f")


async def test_a_function_can_stream_its_answer(functions: Functions) -> None:
    await deploy(
        functions,
        "events",
        """(req) => {
            if (req.url.endsWith("/go")) return globalThis.go();
            const more = new Promise(go => globalThis.go = go);
            return new Response(new ReadableStream({
                async start(c) { c.enqueue("one"); await more; c.enqueue("two"); c.close() },
            }));
        }""",
    )
    parts = invoke(functions, "events")

    async with asyncio.timeout(DEADLINE_SECONDS):
        await anext(parts)
        assert await anext(parts) == Chunk(b"one")
        await call(functions, "events", request("/go"))
        assert [part async for part in parts] == [Chunk(b"two")]


async def test_an_answer_of_20_mib_arrives_whole(functions: Functions) -> None:
    await deploy(functions, "long", "() => new Response(new Uint8Array(20 << 20).fill(7))")

    answer = await call(functions, "long")

    assert answer.body == b"\x07" * (20 << 20)


async def test_closing_the_answer_aborts_the_call(functions: Functions) -> None:
    await deploy(
        functions,
        "f",
        """(req, ctx) => new Response(new ReadableStream({
            start(c) { c.enqueue("x"); ctx.signal.addEventListener("abort", () => console.log("aborted")) },
        }))""",
    )
    parts = invoke(functions, "f")
    head = await anext(parts)
    await anext(parts)

    await parts.aclose()

    async with asyncio.timeout(DEADLINE_SECONDS):
        while not await log_of(functions, "f", getattr(head, "invocation", "")):
            await asyncio.sleep(0.01)


def beginning(body: bytes) -> Invocation:
    return Invocation("POST", "/", (), body, more=True)


async def test_a_request_and_its_answer_can_stream_at_the_same_time(functions: Functions) -> None:
    await deploy(functions, "echo", "(req) => new Response(req.body)")
    parts = invoke(functions, "echo", beginning(b"one"))

    async with asyncio.timeout(DEADLINE_SECONDS):
        receiving = await anext(parts)
        assert isinstance(receiving, Receiving)
        assert isinstance(await anext(parts), Head)
        assert await anext(parts) == Chunk(b"one")
        assert await functions.feed(SERVER, receiving.invocation, b"two", False) == receiving.room - 3
        assert await anext(parts) == Chunk(b"two")
        assert await functions.feed(SERVER, receiving.invocation, b"three", True) is None
        assert [part async for part in parts] == [Chunk(b"three")]
    assert await functions.feed(SERVER, receiving.invocation, b"late", False) is None


async def test_a_request_can_be_fed_only_up_to_the_returned_room(functions: Functions) -> None:
    await deploy(functions, "f", "async (req) => (await req.arrayBuffer()).byteLength")
    parts = invoke(functions, "f", beginning(b""))
    receiving = await anext(parts)
    assert isinstance(receiving, Receiving)

    left, room = 9 << 20, receiving.room
    with pytest.raises(InvalidInput):
        await functions.feed(SERVER, receiving.invocation, bytes(room + 1), False)
    while left:
        part = bytes(min(left, room))
        left -= len(part)
        room = await functions.feed(SERVER, receiving.invocation, part, not left) or 0

    head = await anext(parts)
    assert isinstance(head, Head)
    assert head.body == b"9437184"
    await parts.aclose()


async def test_a_streamed_request_above_the_limit_fails_its_call(functions: Functions) -> None:
    await deploy(functions, "f", "async (req) => (await req.arrayBuffer()).byteLength")
    parts = invoke(functions, "f", beginning(b""))
    receiving = await anext(parts)
    assert isinstance(receiving, Receiving)

    room: int | None = receiving.room
    while room is not None:
        room = await functions.feed(SERVER, receiving.invocation, bytes(room), False)

    with pytest.raises(TooLarge):
        await anext(parts)


async def test_another_project_cannot_feed_a_request(functions: Functions) -> None:
    await deploy(functions, "f", "async (req) => req.text()")
    parts = invoke(functions, "f", beginning(b"mine"))
    receiving = await anext(parts)
    assert isinstance(receiving, Receiving)

    assert await functions.feed(secret_caller("prj_two"), receiving.invocation, b"theirs", True) is None
    assert await functions.feed(SERVER, receiving.invocation, b"", True) is None

    head = await anext(parts)
    assert isinstance(head, Head)
    assert head.body == b'"mine"'
    await parts.aclose()


async def test_problems_of_functions_keep_their_class_over_http(functions: Functions) -> None:
    await deploy(
        functions,
        "f",
        """(req) => {
            if (req.url.endsWith("/error")) throw new Error("no");
            if (req.url.endsWith("/exit")) process.exit(1);
            return new Promise(() => {});
        }""",
        timeout_ms=300,
        access="user",
    )

    for path, problem in (("/error", FunctionError), ("/wait", FunctionTimeout), ("/exit", FunctionCrashed)):
        with pytest.raises(problem):
            await call(functions, "f", request(path))
    await deploy(functions, "g", "() => { for (;;); }", cpu_ms=100)
    with pytest.raises(FunctionCpuExceeded):
        await call(functions, "g")
    with pytest.raises(Unauthenticated):
        await call(functions, "f", caller=publishable_caller(PROJECT))
    with pytest.raises(FunctionNotFound):
        await call(functions, "f", caller=ANYONE)
    with pytest.raises(InvalidBundle, match="no default export"):
        await deploy(functions, "f", "1")
    with pytest.raises(Forbidden):
        await functions.function(SERVER, "f")
    with pytest.raises(VersionNotFound):
        await functions.rollback(MEMBER, "f", 7)
    with pytest.raises(InvalidCursor):
        await functions.versions(MEMBER, "f", 20, "x")
    with pytest.raises(VariableNotFound):
        await functions.delete_variable(MEMBER, "NOPE")
    with pytest.raises(InvalidInput) as refused:
        await functions.set_variable(MEMBER, "nope", "x")
    assert refused.value.extra["errors"][0]["path"] == "/name"


async def test_logs_are_read_and_followed(functions: Functions) -> None:
    await deploy(functions, "f", "(req) => console.warn(new URL(req.url).pathname)")
    await call(functions, "f", request("/one"))
    lines = functions.follow_logs(MEMBER, "f", 0)

    async with asyncio.timeout(DEADLINE_SECONDS):
        assert await anext(lines) is None
        first = await anext(lines)
        while first is None:
            first = await anext(lines)
    [read] = await log_of(functions, "f")

    assert first == read
    assert (read.text, read.level, read.truncated) == ("/one", "warn", False)


async def test_logs_are_filtered_by_level_and_time(functions: Functions) -> None:
    await deploy(functions, "f", "() => { console.log('one'); console.warn('two') }")
    await deploy(functions, "g", "() => console.warn('three')")
    for name in ("f", "g"):
        await call(functions, name)
    warnings = LogFilter(level=LogLevel.WARN, since=datetime(2026, 1, 1, tzinfo=UTC))

    everywhere = await functions.logs(MEMBER, None, 20, None, warnings)
    followed = functions.follow_logs(MEMBER, None, 0, warnings)

    assert [line.text for line in everywhere.items] == ["three", "two"]
    assert [line.text for line in (await functions.logs(MEMBER, "f", 20, None)).items] == ["two", "one"]
    async with asyncio.timeout(DEADLINE_SECONDS):
        assert await anext(followed) is None
        line = await anext(followed)
    assert line is not None
    assert line.text == "two"
    with pytest.raises(InvalidInput):
        await functions.logs(MEMBER, None, 20, None, LogFilter(since=datetime(2026, 1, 1)))


async def test_the_bundle_of_each_version_can_be_read(functions: Functions) -> None:
    first = bundle(returning("one"), access="public")
    await functions.deploy(MEMBER, "f", first)
    await deploy(functions, "f", returning("two"))

    assert await functions.bundle(MEMBER, "f", 1) == first
    with pytest.raises(VersionNotFound):
        await functions.bundle(MEMBER, "f", 3)
    with pytest.raises(FunctionNotFound):
        await functions.bundle(MEMBER, "g", 1)
    with pytest.raises(Forbidden):
        await functions.bundle(member_caller(PROJECT, Role.VIEWER), "f", 1)


async def test_variables_are_set_listed_and_revealed(functions: Functions) -> None:
    await functions.set_variable(MEMBER, "TOKEN", "one")

    [named] = (await functions.variables(MEMBER, False)).items
    [revealed] = (await functions.variables(MEMBER, True)).items

    assert (named.name, named.value, revealed.value) == ("TOKEN", None, "one")
    await functions.delete_variable(MEMBER, "TOKEN")
    assert (await functions.variables(MEMBER, False)).items == ()


async def test_hooks_run_and_their_problems_keep_their_class(functions: Functions) -> None:
    hooks = "null; module.exports.hooks = { beforeSignup: (event) => event.answer, sendSms() { throw new Error() } };"
    await deploy(functions, "gate", hooks)
    asked = HookCall("gate", HookName.BEFORE_SIGNUP, {"answer": {"role": "baker", "claims": {"big": 2**53}}})

    answer = await functions.run_hook(SERVER, asked)
    job = await functions.enqueue_hook(SERVER, HookCall("gate", HookName.BEFORE_SIGNUP, {}), "usr_1")

    await functions.refuse_hook_answer(SERVER, answer.run, "Not so.")

    assert answer.value == {"role": "baker", "claims": {"big": 2**53}}
    runs = (await functions.runs(MEMBER, "gate", TriggerKind.HOOK, RunOutcome.ERROR, 10, None)).items
    assert [run.id for run in runs if run.code == "invalid_answer"] == [answer.run]
    assert (job.kind, job.function, job.key) == (TriggerKind.HOOK, "gate", "usr_1")
    states = [await functions.hook_state(SERVER, name, HookName.BEFORE_SIGNUP) for name in ("gate", "nobody")]
    assert [*states, await functions.hook_state(SERVER, "gate", HookName.BEFORE_WRITE)] == [
        HookState.READY,
        HookState.NO_FUNCTION,
        HookState.NO_HOOK,
    ]
    with pytest.raises(FunctionError):
        await functions.run_hook(SERVER, HookCall("gate", HookName.SEND_SMS, {}))
    with pytest.raises(HookLoop):
        await functions.run_hook(msgspec.structs.replace(SERVER, depth=1), asked)


async def test_the_layers_that_confine_functions_are_named(functions: Functions) -> None:
    assert {"landlock", "seccomp", "rlimits"} <= set(await functions.sandbox_layers())


async def test_a_paused_project_runs_nothing_until_it_is_resumed(functions: Functions) -> None:
    await deploy(functions, "f", returning("one"))

    await functions.pause_project(PROJECT, True)
    with pytest.raises(FunctionNotFound):
        await call(functions, "f")
    await functions.pause_project(PROJECT, False)

    assert (await call(functions, "f")).body == b"one"


async def test_a_dropped_project_has_no_functions(functions: Functions) -> None:
    await deploy(functions, "f", returning("one"))

    await functions.drop_project(PROJECT)

    with pytest.raises(FunctionNotFound):
        await call(functions, "f")
