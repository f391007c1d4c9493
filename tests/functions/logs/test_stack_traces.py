from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import pytest

from bunbase.contracts.functions.deployments import Bundle, FunctionConfig
from bunbase.contracts.functions.problems import FunctionError, InvalidBundle
from bunbase.functions.logs.stack_traces import MAX_DECODED, StackTraces
from bunbase.functions.service import FunctionsService
from bunbase.pkg.bun import find_bun
from tests.functions.calls import DEADLINE_SECONDS, MEMBER, call, log_of, request
from tests.functions.logs.log_lines import line

SHARED = """interface Order {
  paid: boolean;
}

export function check(order: Order): never {
  throw new TypeError(`not paid: ${order.paid}`);
}
"""
HELLO = """import { check } from "./_shared";

type Unused = { of: "types, lines vanish" };

export default async (req: Request) => {
  await 0;
  if (req.url.endsWith("/caught")) {
    try {
      check({ paid: false });
    } catch (error) {
      console.error("caught", error);
      return new Response("ok");
    }
  }
  if (req.url.endsWith("/later")) {
    setTimeout(() => check({ paid: true }));
    return new Response("ok");
  }
  check({ paid: false });
};
"""
BROKEN = """type A = 1;

throw new Error("not today");
"""


@pytest.fixture
def functions(shared_functions: FunctionsService) -> FunctionsService:
    return shared_functions


def built(folder: Path, **files: str) -> Bundle:
    """Return hello.ts as a bundle, in the form that `bunbase deploy` makes."""
    (folder / "functions").mkdir()
    for name, text in files.items():
        (folder / "functions" / f"{name}.ts").write_text(text)
    options = ["--target=bun", "--format=cjs", "--sourcemap=external", f"--outdir={folder / 'out'}"]
    build = [str(find_bun()), "build", *options, "functions/hello.ts"]
    subprocess.run(build, cwd=folder, check=True, capture_output=True, timeout=30)
    out = folder / "out"
    return Bundle((out / "hello.js").read_bytes(), (out / "hello.js.map").read_bytes(), FunctionConfig())


async def test_stack_traces_point_into_typescript(functions: FunctionsService, tmp_path: Path) -> None:
    await functions.deploy(MEMBER, "hello", built(tmp_path, hello=HELLO, _shared=SHARED))

    with pytest.raises(FunctionError):
        await call(functions, "hello")
    [thrown] = await log_of(functions, "hello")

    assert "TypeError: not paid: false" in thrown.text
    assert "functions/_shared.ts:6:" in thrown.text
    assert "functions/hello.ts:19:" in thrown.text
    assert "function.js" not in thrown.text


@pytest.mark.parametrize(("path", "place"), [("/caught", "hello.ts:9:"), ("/later", "hello.ts:16:")])
async def test_printed_errors_and_errors_after_the_answer_are_translated_too(
    functions: FunctionsService, tmp_path: Path, path: str, place: str
) -> None:
    await functions.deploy(MEMBER, "hello", built(tmp_path, hello=HELLO, _shared=SHARED))

    await call(functions, "hello", request(path))
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not (lines := await log_of(functions, "hello")):
            await asyncio.sleep(0.01)

    assert "functions/_shared.ts:6:" in lines[0].text
    assert place in lines[0].text


async def test_a_bundle_that_does_not_load_is_refused_with_the_place_of_the_error(
    functions: FunctionsService, tmp_path: Path
) -> None:
    with pytest.raises(InvalidBundle, match=r"not today(.|\n)*functions/hello\.ts:3:"):
        await functions.deploy(MEMBER, "hello", built(tmp_path, hello=BROKEN))


async def test_without_a_source_map_an_error_shows_its_position_in_the_bundle(
    functions: FunctionsService, tmp_path: Path
) -> None:
    bundle = built(tmp_path, hello=HELLO, _shared=SHARED)
    await functions.deploy(MEMBER, "hello", Bundle(bundle.code, None, bundle.config))
    with pytest.raises(FunctionError):
        await call(functions, "hello")

    [said] = await log_of(functions, "hello")

    assert "function.js:" in said.text


async def test_a_source_map_with_broken_mappings_leaves_log_lines_unchanged(functions: FunctionsService) -> None:
    map = b'{"version": 3, "sources": ["a.ts"], "mappings": "!!!!"}'
    code = b"module.exports.default = () => { throw new Error('x') }"
    await functions.deploy(MEMBER, "hello", Bundle(code, map, FunctionConfig()))
    with pytest.raises(FunctionError):
        await call(functions, "hello")

    [said] = await log_of(functions, "hello")

    assert "function.js:" in said.text


async def test_a_text_that_is_no_source_map_is_refused(functions: FunctionsService) -> None:
    with pytest.raises(InvalidBundle, match="source map"):
        await functions.deploy(MEMBER, "hello", Bundle(b"module.exports = () => 1", b"{}", FunctionConfig()))


async def test_a_function_of_the_same_name_does_not_inherit_the_map_of_a_deleted_one(
    functions: FunctionsService, tmp_path: Path
) -> None:
    await functions.deploy(MEMBER, "hello", built(tmp_path, hello=HELLO, _shared=SHARED))
    with pytest.raises(FunctionError):
        await call(functions, "hello")
    await log_of(functions, "hello")
    await functions.delete_function(MEMBER, "hello")

    code = b"module.exports.default = () => { throw new Error('x') }"
    await functions.deploy(MEMBER, "hello", Bundle(code, None, FunctionConfig()))
    with pytest.raises(FunctionError):
        await call(functions, "hello")

    [said] = await log_of(functions, "hello")
    assert "function.js:" in said.text


async def test_source_maps_are_decoded_once_and_few_are_kept_in_memory() -> None:
    fetched: list[str] = []

    async def fetch(project: str, function: str, version: int) -> bytes:
        fetched.append(function)
        return b'{"version": 3, "sources": ["a.ts"], "mappings": "AAAA"}'

    traces = StackTraces(fetch)
    said = [line("at /function.js:1:1", function=f"f{number}") for number in range(MAX_DECODED + 1)]

    first = [one.text for one in await traces.translated([*said, *said, line("nothing")])]
    second = [one.text for one in await traces.translated(said)]
    third = [one.text for one in await traces.translated(said)]

    assert first.count("at a.ts:1:1") == 2 * MAX_DECODED
    assert second == third == ["at a.ts:1:1"] * len(said)
    assert len(fetched) == len(set(fetched)) == len(said)
