"""Bytecode: a bundle is compiled when it is deployed. Bytecode is used only if it matches the code and the engine."""

from __future__ import annotations

import subprocess
from pathlib import Path

import msgspec
import pytest

from bunbase.contracts.functions.deployments import Bundle, FunctionConfig
from bunbase.functions.service import FunctionsService
from bunbase.functions.store.functions import ProgramCode
from bunbase.functions.versions.loadable import Loadable
from bunbase.functions.workers.deployment import Deployment, Request
from bunbase.functions.workers.launch import SOURCE
from bunbase.functions.workers.program import Program
from bunbase.functions.workers.worker import WorkerListener
from bunbase.pkg.bun import find_bun
from tests.functions.calls import MEMBER, PROJECT, call

HEAD = "// @bun @bun-cjs\n(function(exports, require, module, __filename, __dirname) {"
LENGTH_BYTES = 4


def bundled(body: str, lines: int = 1000) -> bytes:
    """Return a bundle as `bun build` writes it. The `lines` of unused functions make it large enough to be compiled."""
    unused = "".join(
        f"function unused_{n}(a, b) {{ return a.map((one) => one + b).join({n}); }}\n" for n in range(lines)
    )
    return f"{HEAD}{unused}{body}\n}})\n".encode()


def answering(text: str, lines: int = 1000) -> bytes:
    return bundled(f"module.exports.default = () => new Response({text!r});", lines)


async def deployed(functions: FunctionsService, code: bytes) -> ProgramCode:
    version = await functions.deploy(MEMBER, "large", Bundle(code, None, FunctionConfig()))
    loaded = await functions.stores.functions.loaded(PROJECT, "large", version.version)
    assert loaded is not None
    return loaded


async def answer_of(functions: FunctionsService, code: bytes, bytecode: bytes) -> bytes:
    """Return the answer of a worker that loaded this code with this bytecode."""
    deployment = Deployment(PROJECT, "large", 1, "", FunctionConfig(), 0)
    worker = await functions.starter.start(deployment, Program(code, {}, None, bytecode), WorkerListener())
    try:
        began = worker.begin(Request("inv_one", "GET", "/", (), None, b""))
        await began.head()
        return await began.read()
    finally:
        worker.kill("the test is over")


async def test_a_large_bundle_is_compiled_once_and_answers(functions: FunctionsService) -> None:
    loaded = await deployed(functions, answering("hello"))

    answer = await call(functions, "large")

    assert loaded.bytecode
    assert answer.body == b"hello"


async def test_small_and_hand_written_bundles_are_not_compiled(functions: FunctionsService) -> None:
    small = await deployed(functions, answering("small", lines=3))
    by_hand = await deployed(functions, answering("large").removeprefix(HEAD.encode()).rpartition(b"})")[0])

    assert small.bytecode == by_hand.bytecode == b""
    assert (await call(functions, "large")).body == b"large"


async def test_compiling_a_bundle_does_not_run_it(functions: FunctionsService) -> None:
    endless = bundled("for (;;);")

    assert await functions.starter.compile(PROJECT, endless)


@pytest.mark.parametrize(
    "rest", ["(function() { for (;;); })(); (function(exports, require, module) {", "(function(){"]
)
async def test_a_bundle_that_closes_its_wrapper_function_is_not_compiled(
    functions: FunctionsService, rest: str
) -> None:
    escaping = bundled("module.exports.default = () => 1 });" + rest)

    assert await functions.starter.compile(PROJECT, escaping) == b""


async def test_stack_traces_are_the_same_with_and_without_bytecode(functions: FunctionsService) -> None:
    code = bundled("module.exports.default = () => new Response(new Error('here').stack);")

    made = await functions.starter.compile(PROJECT, code)

    assert made
    assert await answer_of(functions, code, made) == await answer_of(functions, code, b"")


@pytest.mark.parametrize("broken", ["another engine", "another hash", "cut off", "garbage", "of other code"])
async def test_bytecode_of_other_code_or_another_engine_is_not_used(functions: FunctionsService, broken: str) -> None:
    code = answering("its own")
    made = await functions.starter.compile(PROJECT, code)
    length = int.from_bytes(made[:LENGTH_BYTES])
    head, packed = msgspec.json.decode(made[LENGTH_BYTES : LENGTH_BYTES + length]), made[LENGTH_BYTES + length :]
    spoilt = {
        "another engine": joined({**head, "engine": "v0.0.0"}, packed),
        "another hash": joined({**head, "hash": "0"}, packed),
        "cut off": made[: len(made) // 2],
        "garbage": b"\0\0\0\0" * 1000,
        "of other code": await functions.starter.compile(PROJECT, answering("a stranger's")),
    }

    assert await answer_of(functions, code, spoilt[broken]) == b"its own"


async def test_only_the_newest_versions_keep_their_bytecode(functions: FunctionsService) -> None:
    for text in ("one", "two", "three"):
        await deployed(functions, answering(text))

    kept = [await functions.stores.functions.loaded(PROJECT, "large", version) for version in (1, 2, 3)]

    assert [bool(one and one.bytecode) for one in kept] == [False, True, True]
    await functions.rollback(MEMBER, "large", 1)
    assert (await call(functions, "large")).body == b"one"


async def test_the_installed_bun_accepts_its_own_bytecode(tmp_path: Path) -> None:
    """Without this test, a new Bun could reject its bytecode unnoticed: only first calls would become slower."""
    (tmp_path / "code.js").write_bytes(answering("hello"))
    script = f"""
        const {{ makeBytecode, fromBytecode }} = await import({str(SOURCE / "bytecode.ts")!r});
        const code = await Bun.file({str(tmp_path / "code.js")!r}).text();
        const bytecode = makeBytecode(code);
        const of = (bytes) => fromBytecode(code, bytes, {{ filename: "function.js" }})?.cachedDataRejected;
        const stale = bytecode.slice();
        stale[stale.indexOf("v".charCodeAt(0))] = "w".charCodeAt(0); // changes the engine's version
        console.log(of(bytecode), of(stale));
    """

    said = subprocess.run([find_bun(), "-e", script], capture_output=True, text=True, timeout=60, check=True)

    assert said.stdout == "false undefined\n", said.stderr


async def test_cached_bundles_are_bounded_and_forgotten_with_their_function() -> None:
    asked: list[tuple[str, str, int]] = []

    async def look_up(project: str, name: str, version: int) -> ProgramCode:
        asked.append((project, name, version))
        return ProgramCode(b"x" * 40, b"y" * 10)

    loadable = Loadable(look_up, max_bytes=100)
    one, two, three = (Deployment(PROJECT, name, 1, "", FunctionConfig(), 0) for name in ("one", "two", "three"))

    for wanted in (one, two, one, three, one):
        await loadable.load(wanted)

    assert [name for _, name, _ in asked] == ["one", "two", "three"]
    assert loadable.held_bytes == 100
    loadable.forget(PROJECT, "three")
    assert loadable.held_bytes == 50
    loadable.forget(PROJECT)
    assert loadable.held_bytes == 0


def joined(head: dict[str, str], packed: bytes) -> bytes:
    text = msgspec.json.encode(head)
    return len(text).to_bytes(LENGTH_BYTES) + text + packed
