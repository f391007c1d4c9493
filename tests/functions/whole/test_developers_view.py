"""The log that a developer reads: stack traces show only the developer's own code, and no printed line is lost."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import pytest

import bunbase
from bunbase.cli.bundle import bundle
from bunbase.contracts.functions.deployments import Bundle, FunctionConfig
from bunbase.contracts.functions.logs import LogLevel
from bunbase.contracts.functions.problems import FunctionCrashed, FunctionError
from bunbase.functions.service import FunctionsService
from tests.functions.calls import MEMBER, call, deploy, log_of, request, said

SERVER = str(Path(bunbase.__file__).parent)

PRINTS = """
console.count(); console.count("a"); console.count(); console.countReset(); console.count(); console.countReset("b");
console.time("t"); console.time("t"); console.timeLog("t", { x: 1 }); console.timeEnd("t"); console.timeEnd("t");
console.dir({ a: { b: 1 } }, { depth: 0 }); console.dirxml(1, { a: 1 });
console.table([{ a: 1, b: 2 }], ["b"]); console.table(5);
console.group("outer", 1); console.log("in\\nside"); console.groupCollapsed(); console.warn("deep");
console.groupEnd(); console.groupEnd(); console.groupEnd(); console.log();
console.assert(false); console.assert(true, "never"); console.write("written\\n");
console.log(undefined, null); console.error(undefined);
await new Promise((done) => process.stdout.write("called back", done));
await new Promise((done) => process.stderr.write("with encoding", "utf8", done));
new console.Console(process.stdout).log("its own console");
"""

PRINTED = [
    ("info", "default: 1"), ("info", "a: 1"), ("info", "default: 2"), ("info", "default: 1"),
    ("warn", "Count for 'b' does not exist"),
    ("warn", "Timer 't' already exists"), ("info", "t: #ms { x: 1 }"), ("info", "t: #ms"),
    ("warn", "Timer 't' does not exist"),
    ("info", "{ a: [Object] }"), ("info", "1 { a: 1 }"),
    ("info", "┌───┬───┐\n│   │ b │\n├───┼───┤\n│ 0 │ 2 │\n└───┴───┘"), ("info", "5"),
    ("info", "outer 1"), ("info", "  in\n  side"), ("warn", "    deep"), ("info", ""),
    ("error", "Assertion failed"), ("info", "written"),
    ("info", "undefined null"), ("error", "undefined"),
    ("info", "called back"), ("error", "with encoding"), ("info", "its own console"),
]  # fmt: skip


@pytest.fixture
def functions(shared_functions: FunctionsService) -> FunctionsService:
    return shared_functions


async def deploy_each(functions: FunctionsService, statements: Iterable[str], after: str = "") -> None:
    """Deploy one function whose path `/0`, `/1`, … chooses the statement; number n is in line n + 2 of the bundle."""
    endless = "{ method: 'POST', duplex: 'half', body: new ReadableStream({ pull: () => new Promise(() => {}) }) }"
    runs = "\n".join(f"async (ctx) => {{ {one} }}," for one in statements)
    body = f"""async (req, ctx) => {{ const ENDLESS = {endless}, runs = [\n{runs}\n];
        const run = runs[Number(new URL(req.url).pathname.slice(1))];
        {after or "return run(ctx);"} }}"""
    await deploy(functions, "f", body, allow_net=["api.test"])


async def lines_of_each(functions: FunctionsService, count: int) -> list[list[tuple[LogLevel, str]]]:
    """Call each statement, which may throw. Return the level and the text of the lines that it printed."""
    found = list[list[tuple[LogLevel, str]]]()
    before = 0
    for number in range(count):
        with suppress(FunctionError):
            await call(functions, "f", request(f"/{number}"))
        lines = await log_of(functions, "f")
        found.append([(line.level, line.text) for line in lines[before:]])
        before = len(lines)
    return found


async def lines_of(functions: FunctionsService, statement: str) -> list[tuple[LogLevel, str]]:
    await deploy_each(functions, [statement])
    [lines] = await lines_of_each(functions, 1)
    return lines


async def test_every_method_of_console_becomes_a_line_of_the_log(functions: FunctionsService) -> None:
    lines = await lines_of(functions, PRINTS)

    assert [(level, re.sub(r"\d+\.\d{3}ms", "#ms", text)) for level, text in lines] == PRINTED


async def test_a_group_that_one_call_leaves_open_does_not_indent_the_next_call(functions: FunctionsService) -> None:
    await deploy(functions, "f", "() => { console.log('line'); console.group('g'); }")

    await call(functions, "f")
    await call(functions, "f")

    assert [line.text for line in await log_of(functions, "f")] == ["line", "g", "line", "g"]


THROWN = {
    "throw undefined;": "undefined",
    "throw null;": "null",
    "throw '';": "",
    "Promise.reject(); await Bun.sleep(5);": "Unhandled rejection: undefined",
    "ctx.waitUntil(Promise.reject());": "In waitUntil: undefined",
    "throw new Response('no', { status: 403 });": "A Response (status 403) was thrown. Return it instead.",
}


async def test_a_value_that_is_no_error_is_shown_when_it_is_thrown(functions: FunctionsService) -> None:
    await deploy_each(functions, THROWN)

    found = await lines_of_each(functions, len(THROWN))

    assert found == [[("error", text)] for text in THROWN.values()]


THROWING = {
    "a host that is not allowed": "await fetch('https://other.test/');",
    "a fetch without await": "return fetch('https://other.test/');",
    "a fetch with then": "return fetch('https://other.test/').then(answer => answer.text());",
    "a name that is not found": "await fetch('https://api.test/');",
    "a fetch of nothing": "await fetch('');",
    "a large head": "await fetch('https://api.test/', { headers: { a: 'x'.repeat(200_000) } });",
    "a document that is missing": "await ctx.data.get('things', 'none');",
    "a wrong query": "return ctx.data.query('things', { where: { $nonsense: 1 } });",
    "a document that is no JSON": "await ctx.data.create('things', Symbol());",
    "a write as nobody": "return ctx.as(null).data.delete('things', 'a');",
    "a job of no function": "await ctx.enqueue('none', {});",
    "a job that is no JSON": "await ctx.enqueue('f', Symbol());",
    "a user that is missing": "await ctx.auth.users.get('usr_none');",
    "nobody is signed in": "await ctx.auth.me();",
    "a wrong caller": "ctx.as({});",
    "a guarded module": "process.getBuiltinModule('fs').readFileSync('/x');",
    "a client of node:http": "await new Promise((_, no) => require('http').get('http://other.test/').on('error', no));",
    "a broken address": "new URL('//');",
    "an assertion": "require('assert').strictEqual(1, 2);",
    "a stream": "for await (const one of (async function* () { throw Error('x') })());",
    "a module that does not exist": "require('nonsense');",
    "an inspected error": "throw new Error(Bun.inspect(new Error('inner')));",
    "a fetch that is aborted": "await fetch('https://api.test/', { ...ENDLESS, signal: AbortSignal.timeout(1) });",
    "wrong JSON": "JSON.parse('{');",
    "an error in map": "[1].map(() => { throw new RangeError('one') });",
    "an error of its own": "throw Object.assign(new Error('one', { cause: new TypeError('two') }), { code: 'E_ONE' });",
}


async def test_a_stack_shows_the_developers_line_and_none_of_the_server_or_the_engine(
    functions: FunctionsService,
) -> None:
    """Each error is thrown, printed, printed within an object, and written as text."""
    show = "console.error(error); console.log({ error }); console.log(error.stack); console.trace(error);"
    await deploy_each(
        functions, THROWING.values(), f"try {{ await run(ctx); }} catch (error) {{ {show} throw error; }}"
    )

    found = await lines_of_each(functions, len(THROWING))

    for number, (name, lines) in enumerate(zip(THROWING, found, strict=True)):
        assert len(lines) == 5, name
        for _level, text in lines:
            check_frames(text, number + 2, name)


def check_frames(text: str, line: int, name: str) -> None:
    frames = [one for one in text.splitlines() if re.match(r"\s+at ", one)]
    assert SERVER not in text, name
    assert frames, (name, text)
    assert all("function.js:" in frame for frame in frames), (name, text)
    assert any(f"function.js:{line}:" in frame for frame in frames), (name, text)


async def test_a_stack_that_is_logged_as_json_shows_the_developers_line_and_none_of_the_server(
    functions: FunctionsService,
) -> None:
    show = "console.log(JSON.stringify({ level: 30, stack: error.stack })); throw error;"
    await deploy_each(functions, THROWING.values(), f"try {{ await run(ctx); }} catch (error) {{ {show} }}")

    found = await lines_of_each(functions, len(THROWING))

    for number, (name, [(_, text), _thrown]) in enumerate(zip(THROWING, found, strict=True)):
        check_frames(json.loads(text)["stack"], number + 2, name)


@pytest.mark.parametrize(
    "show", ["console.log({ a: error.stack })", "console.log('%o', error)", "console.dir(error, { showHidden: true })"]
)
async def test_no_way_of_printing_shows_a_path_of_the_installation(functions: FunctionsService, show: str) -> None:
    await deploy_each(functions, THROWING.values(), f"try {{ await run(ctx); }} catch (error) {{ {show}; }}")

    found = await lines_of_each(functions, len(THROWING))

    assert all(len(lines) == 1 for lines in found)
    assert [text for lines in found for _, text in lines if SERVER in text] == []


async def test_an_aggregate_error_is_logged_with_the_errors_that_it_is_about(functions: FunctionsService) -> None:
    body = (
        "const all = [new Error('one'), 'two', new AggregateError([], 'three')]; throw new AggregateError(all, 'none');"
    )

    [(_, text)] = await lines_of(functions, body)

    assert text.startswith("AggregateError: none\n")
    assert [part for part in ("\n- Error: one", "\n- two", "\n- AggregateError: three") if part not in text] == []


CLASS = "class MyErr extends Error { code = 'E_MINE'; details = { a: [1, { b: 2 }] } }"
PROPERTIES = "  { code: 'E_MINE', details: { a: [ 1, { b: 2 } ] } }"
STALE = "Object.assign(new Error(), { name: 'TokenError', message: 'expired', stack: new Error().stack })"
# A statement that makes `error`, and the lines of its description without the frames.
DESCRIBED = {
    f"{CLASS} const error = new MyErr('mine');": ["MyErr: mine", PROPERTIES],
    "const error = Object.assign(new Error('one'), { name: 'Named' });": ["Named: one"],
    "const error = new (class extends TypeError {})('one');": ["TypeError: one"],
    f"const error = {STALE};": ["TokenError: expired"],
    "const error = new Error('a\\n    at b');": ["Error: a", "    at b"],
    "const error = new Error();": ["Error"],
    "const error = Object.assign(new Error('x'), { stack: undefined });": ["Error: x"],
    "const error = await Promise.any([Promise.reject(1)]).catch((e) => e);": ["AggregateError", "- 1"],
    f"{CLASS} const error = new AggregateError([new MyErr('in')], 'all');": [
        "AggregateError: all", "- MyErr: in", PROPERTIES,
    ],
    f"{CLASS} const error = new Error('out', {{ cause: new MyErr('in') }});": [
        "Error: out", "Caused by: MyErr: in", PROPERTIES,
    ],
    "const error = new Error('same', { cause: new TypeError('same', { cause: 'why' }) });": [
        "Error: same", "Caused by: why",
    ],
    "const error = new Error('x'); error.self = error; error.cause = error;": ["Error: x", "  { self: [Circular] }"],
    "const error = Object.assign(new Error('x'), { big: { a: 'x'.repeat(2000) }, text: 'y'.repeat(2000) });": [
        "Error: x", f"  {{ big: [Object], text: '{'y' * 500}'… (shortened) }}",
    ],
    "const error = await ctx.data.get('things', 'none').catch((e) => e);": [
        "Problem: This room is not part of the test. (unreachable)",
        "  { code: 'unreachable', status: 503 }",
    ],
    "const error = await fetch('https://other.test/').catch((e) => e);": [
        "TypeError: fetch failed: This function may not reach other.test. Add 'other.test' to its allow_net in "
        "bunbase.toml, and deploy it.",
        "Caused by: Problem", "  { code: 'host_not_allowed', status: 403, host: 'other.test' }",
    ],
}  # fmt: skip


async def test_a_printed_error_looks_like_a_thrown_one(functions: FunctionsService) -> None:
    """Both forms show the class, the message, the properties such as `code`, and each cause once."""
    await deploy_each(functions, [f"{one} console.error(error); throw error;" for one in DESCRIBED])

    found = await lines_of_each(functions, len(DESCRIBED))

    for (statement, expected), lines in zip(DESCRIBED.items(), found, strict=True):
        [(_, printed), (_, thrown)] = lines
        assert printed == thrown, statement
        kept = [one for one in thrown.splitlines() if "function.js:" not in one]
        assert kept == expected, statement


async def test_a_long_description_of_an_error_says_that_it_was_shortened(functions: FunctionsService) -> None:
    [(_, text)] = await lines_of(functions, "throw new Error('x'.repeat(10_000));")

    assert text == "Error: " + "x" * 4089 + "… (shortened)"


@pytest.mark.parametrize("call_of", ["exit(3)", "reallyExit(3)", "abort()"])
async def test_a_function_that_ends_its_process_reads_so_in_its_log(functions: FunctionsService, call_of: str) -> None:
    await deploy(functions, "f", f"() => process.{call_of}")

    with pytest.raises(FunctionCrashed):
        await call(functions, "f")

    said_so, died = await log_of(functions, "f")
    assert said_so.text.startswith(f"The function called process.{call_of}, which ends its worker")
    assert (said_so.invocation, died.text) == (died.invocation, "The worker died: its process ended.")


PACKAGE = """
const http = require("http");
const down = (levels, then) => levels === 0 ? then() : down(levels - 1, then);
exports.get = (url) => down(15, () => new Promise((_, no) => http.get(url).on("error", no)));
exports.late = (url) => new Promise((_, no) => setTimeout(() => http.get(url).on("error", no)));
"""
USING_PACKAGE = """
import { get, late } from "client";
export default async (request: Request) => {
  if (request.url.endsWith("late")) return await late("http://other.test/");
  return await get("http://other.test/");
};
"""


async def test_a_stack_through_a_package_shows_the_developers_lines_only(
    functions: FunctionsService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many frames lie between the developer's line and the request.

    These frames stay if no line of the developer is known.
    """
    monkeypatch.chdir(tmp_path)
    for name, text in {"node_modules/client/index.js": PACKAGE, "functions/f.ts": USING_PACKAGE}.items():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text)
    made = bundle(Path("functions/f.ts"))
    await functions.deploy(MEMBER, "f", Bundle(made.code, made.source_map, FunctionConfig()))

    frames = []
    for path in ("/", "/late"):
        with suppress(FunctionError):
            await call(functions, "f", request(path))
        text = (await log_of(functions, "f"))[-1].text
        frames.append([one for one in text.splitlines() if one.startswith("    at ")])

    own, of_package = frames
    assert len(own) == 1
    assert re.search(r"\(functions/f\.ts:5:\d+\)$", own[0])
    assert of_package
    assert all("node_modules/client/index.js:5:" in one for one in of_package)


async def test_a_printed_text_that_only_looks_like_a_stack_stays(functions: FunctionsService) -> None:
    text = "we met\n    at home (unknown place)\n    at native speed\n    at 10:30:00"

    assert await lines_of(functions, f"console.log({text!r})") == [("info", text)]


async def test_a_function_sees_a_file_and_a_folder_that_are_not_those_of_the_installation(
    functions: FunctionsService,
) -> None:
    await deploy(
        functions,
        "f",
        """() => ({ argv: process.argv, argv0: process.argv0, exec: process.execPath, args: process.execArgv,
                    cwd: process.cwd(), file: __filename, dir: __dirname,
                    resolved: require("path").resolve("a"), env: Object.keys(process.env) })""",
    )

    answer = await call(functions, "f")

    assert answer.json == {
        "argv": ["bun", "/function.js"], "argv0": "bun", "exec": "/bun", "args": [], "cwd": "/",
        "file": "/function.js", "dir": "/", "resolved": "/a", "env": [],
    }  # fmt: skip


NOT_JSON = {
    "new Error('lost')": "Throw it",
    "new Map([[1, 2]])": "Object.fromEntries",
    "new Set([1])": "[...set]",
    "new ReadableStream()": "new Response(value)",
    "Buffer.from('abc')": "new Response(value)",
    "new Uint8Array(3)": "new Response(value)",
    "new ArrayBuffer(3)": "new Response(value)",
    "new Blob(['abc'])": "new Response(value)",
    "/a/": "String(value)",
}


async def test_a_returned_value_that_json_would_empty_is_an_error_that_says_what_to_return(
    functions: FunctionsService,
) -> None:
    await deploy_each(functions, [f"return {value};" for value in NOT_JSON])

    found = await lines_of_each(functions, len(NOT_JSON))

    for (value, advice), [(level, text)] in zip(NOT_JSON.items(), found, strict=True):
        assert level == "error", value
        assert advice in text, value
        assert ("Caused by: Error: lost" in text) == value.startswith("new Error")


JSON = {
    "new Date(0)": "1970-01-01T00:00:00.000Z",
    "new (class Point { x = 1; })": {"x": 1},
    "new (class extends Map { toJSON() { return [...this.keys()] } })([[1, 2]])": [1],
    "Object.create(null)": {},
    "null": None,
    "[undefined]": [None],
}


NOT_WRITTEN = {
    "const a = {}; a.a = a; return a;": "The function returned a value that JSON cannot hold: it contains itself.",
    "return [1n];": "The function returned a value that JSON cannot hold: it contains a BigInt.",
    "return () => 1;": "The function returned a value that JSON cannot hold: it is a function or a symbol.",
    "return Symbol();": "The function returned a value that JSON cannot hold: it is a function or a symbol.",
    "return { toJSON() { throw new Error('own') } };": "Error: own",
}


async def test_a_returned_value_that_json_refuses_is_an_error_about_the_returned_value(
    functions: FunctionsService,
) -> None:
    await deploy_each(functions, NOT_WRITTEN)

    found = await lines_of_each(functions, len(NOT_WRITTEN))

    for (statement, expected), [(_, text)] in zip(NOT_WRITTEN.items(), found, strict=True):
        assert text.removeprefix("TypeError: ").startswith(expected), statement


async def test_other_returned_values_are_sent_as_json(functions: FunctionsService) -> None:
    await deploy_each(functions, [f"return {value};" for value in JSON])

    answers = [await call(functions, "f", request(f"/{number}")) for number in range(len(JSON))]

    assert [answer.json for answer in answers] == list(JSON.values())


async def test_a_line_that_is_printed_after_its_call_is_kept(functions: FunctionsService) -> None:
    await deploy(functions, "f", "() => { setTimeout(() => console.count('later'), 5) }")

    await call(functions, "f")

    await said(functions, "f", "later: 1")


OF_THE_FILE = """
import { join } from "node:path";
export default async () => {
  const { dir, env } = import.meta;
  if (env.FAIL) throw new Error("here");
  return [
    import.meta.url, import.meta.path, import.meta.dirname, import.meta.filename, import.meta.file, import.meta.main,
    import.meta.resolve("./data.json"), import.meta.resolve("https://a.example/x"), import.meta["url"],
    typeof import.meta,
    dir, __dirname, __filename, new URL("./data.json", import.meta.url).href, join(import.meta.dir, "a"), process.cwd(),
  ];
};
"""


async def test_import_meta_works_in_a_function_that_the_command_bundled(
    functions: FunctionsService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "functions").mkdir()
    (tmp_path / "functions/hello.ts").write_text(OF_THE_FILE)
    made = bundle(Path("functions/hello.ts"))
    await functions.deploy(MEMBER, "f", Bundle(made.code, made.source_map, FunctionConfig()))

    answer = await call(functions, "f")
    await functions.set_variable(MEMBER, "FAIL", "yes")
    with suppress(FunctionError):
        await call(functions, "f")

    assert answer.json == [
        "file:///function.js", "/function.js", "/", "/function.js", "function.js", False,
        "file:///data.json", "https://a.example/x", "file:///function.js", "object",
        "/", "/", "/function.js", "file:///data.json", "/a", "/",
    ]  # fmt: skip
    [line] = await log_of(functions, "f")
    assert re.fullmatch(r"Error: here\n    at \S+ \(functions/hello\.ts:5:\d+\)", line.text)
