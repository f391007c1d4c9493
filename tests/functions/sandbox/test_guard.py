"""Calls that the guard denies, and calls that still work: every module can be imported and used where harmless."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from tests.functions.sandbox.ground import USERS, Ground, ask, ground

# An expression, and the denied ability that its error names.
DENIED = [
    ('require("fs").readFileSync("/etc/passwd")', "file system access"),
    ('await require("node:fs/promises").readFile("/etc/passwd")', "file system access"),
    ('await require("fs").promises.readFile("/etc/passwd")', "file system access"),
    ('require("fs").realpathSync.native("/")', "file system access"),
    ('(await import("node:fs")).readFileSync("/etc/passwd")', "file system access"),
    ('(await import("node:fs")).default.readFileSync("/etc/passwd")', "file system access"),
    ('process.getBuiltinModule("fs").readFileSync("/etc/passwd")', "file system access"),
    ('require("module").createRequire("/")("fs").readFileSync("/etc/passwd")', "file system access"),
    ('new (require("bun:sqlite").Database)(":memory:")', "file system access"),
    ('require("child_process").execSync("id")', "starting processes"),
    ('require("cluster").fork()', "starting processes"),
    ('new (require("net").Socket)().connect(80)', "network access other than fetch"),
    ('new (require("net").Socket)({ fd: 3 })', "network access other than fetch"),
    ('(() => { new (class S extends require("net").Socket {})().connect(80) })()', "network access other than fetch"),
    ('require("net").connect(80)', "network access other than fetch"),
    ('new (require("net").Server)().listen(80)', "network access other than fetch"),
    ('require("net").createServer().listen(80)', "network access other than fetch"),
    ('require("tls").createServer().listen(443)', "network access other than fetch"),
    ('require("tls").connect(443)', "network access other than fetch"),
    (
        'new (require("tls").TLSSocket)(new (require("stream").PassThrough)()).connect(443)',
        "network access other than fetch",
    ),
    ('require("undici").stream("http://127.0.0.1/", {}, () => {})', "network access other than fetch"),
    ('require("dns").lookup("localhost", () => {})', "network access other than fetch"),
    ('await require("dns").promises.lookup("localhost")', "network access other than fetch"),
    ('new (require("dns").Resolver)().resolve4("localhost", () => {})', "network access other than fetch"),
    ('await new (require("dns").promises.Resolver)().resolve("localhost")', "network access other than fetch"),
    ('require("dgram").createSocket("udp4").bind(80)', "network access other than fetch"),
    ('require("dgram").createSocket("udp4").send("x", 80)', "network access other than fetch"),
    ('new WebSocket("ws://127.0.0.1/")', "network access other than fetch"),
    ('new (require("ws"))("ws://127.0.0.1/")', "network access other than fetch"),
    ('new (require("ws").default)("ws://127.0.0.1/")', "network access other than fetch"),
    ('new (require("ws").WebSocketServer)({ port: 80 })', "network access other than fetch"),
    ('new Worker("x")', "starting threads"),
    ('new (require("worker_threads").Worker)("x")', "starting threads"),
    ('require("bun:ffi").dlopen("libc.so.6", {})', "native code"),
    ('require("vm").runInNewContext("1")', "access to the engine's insides"),
    ("new ShadowRealm()", "access to the engine's insides"),
    ('Bun.file("/etc/passwd")', "this part of Bun"),
    ('Bun.spawnSync(["id"])', "this part of Bun"),
    ("Bun.serve({})", "this part of Bun"),
    ("process.kill(1)", "control over processes"),
    ('process.chdir("/")', "control over processes"),
]

# An expression, and its value.
LEFT_ALONE = [
    ('require("path").join("a", "b")', "a/b"),
    ('require("node:url").fileURLToPath("file:///a")', "/a"),
    ('require("util").inspect({ a: 1 })', "{ a: 1 }"),
    ('require("crypto").createHash("sha256").update("x").digest("hex").slice(0, 8)', "2d711642"),
    ('require("zlib").gunzipSync(require("zlib").gzipSync("x")).toString()', "x"),
    ('Buffer.from("aGk=", "base64").toString()', "hi"),
    ('await new Promise((r) => new (require("events"))().on("a", r).emit("a", 5))', 5),
    ('(await require("stream/promises").pipeline(["a"], async (s) => { for await (const x of s) return x }))', "a"),
    ('await new Promise((r) => require("timers").setTimeout(() => r("late"), 1))', "late"),
    (
        '(() => { const s = new (require("async_hooks").AsyncLocalStorage)(); return s.run(4, () => s.getStore()) })()',
        4,
    ),
    ('(await import("node:path")).basename("/a/b")', "b"),
    ('(await import("node:os")).EOL', "\n"),
    ('require("fs").constants.R_OK', 4),
    ('typeof require("fs").ReadStream.prototype', "object"),
    ('typeof require("util").promisify(require("fs").readFile)', "function"),
    ('(() => { class S extends require("net").Socket {} return typeof S })()', "function"),
    ('require("net").isIP("::1")', 6),
    ('new (require("http").Agent)({ keepAlive: true }).keepAlive', True),
    ('require("http").STATUS_CODES[404]', "Not Found"),
    # Packages do these things while they load.
    ('typeof Object.create(require("http").ServerResponse.prototype)', "object"),
    ('require("http").METHODS.includes("M-SEARCH") && require("http").maxHeaderSize', 16384),
    ('require("https").Agent === require("https").globalAgent.constructor', True),
    ('new (require("http").Server)().on("request", () => {}).listening', False),
    ('typeof new (require("tls").TLSSocket)(new (require("stream").PassThrough)())._handle._parentWrap', "object"),
    ('new (require("tls").TLSSocket)(new (require("stream").PassThrough)()) instanceof require("net").Socket', True),
    ('require.resolve("./worker.js")', "./worker.js"),
    ('typeof require("net").Socket.prototype.setTimeout', "function"),
    ('require("worker_threads").isMainThread', True),
    ('require("os").hostname()', "functions"),
    ('require("v8").deserialize(require("v8").serialize({ a: 1 })).a', 1),
    ('Bun.hash("x") > 0', True),
    ('Bun.escapeHTML("<")', "&lt;"),
    ('process.version.startsWith("v")', True),
    ("typeof process.memoryUsage().rss", "number"),
    ("process.cwd().length > 0", True),
    ("typeof performance.now()", "number"),
    ('await (await fetch("data:,hi")).text()', "hi"),
    ('await fetch("https://example.com").catch((e) => e.cause.code)', "unknown_host_call"),  # the host was asked
    (
        'await new Promise((r) => require("http").get("http://127.0.0.1/").on("error", (e) => r(e.code)))',
        "unknown_host_call",
    ),
    ('await require("node-fetch")("http://127.0.0.1/").catch((e) => e.cause.code)', "unknown_host_call"),
    ('await require("isomorphic-fetch")("http://127.0.0.1/").catch((e) => e.cause.code)', "unknown_host_call"),
    ('await require("@vercel/fetch")()("http://127.0.0.1/").catch((e) => e.cause.code)', "unknown_host_call"),
    ('await require("undici").fetch("http://127.0.0.1/").catch((e) => e.cause.code)', "unknown_host_call"),
    ('await require("undici").request("http://127.0.0.1/").catch((e) => e.cause.code)', "unknown_host_call"),
    (
        'await new (require("undici").Pool)("http://127.0.0.1").request({ path: "/" }).catch((e) => e.cause.code)',
        "unknown_host_call",
    ),
    ("structuredClone({ a: 1 }).a", 1),
]


@pytest_asyncio.fixture(scope="module")
async def field() -> AsyncIterator[Ground]:
    async with ground(USERS[0], guard=True) as made:
        yield made


async def evaluated(field: Ground, expression: str) -> Any:
    worker = await field.worker(f"""module.exports.default = async () => {{
        try {{ return [{{ value: {expression} }}] }}
        catch (error) {{ return [{{ name: error.name, code: error.code, message: error.message }}] }} }}""")
    [outcome] = msgspec.json.decode(await ask(worker))
    worker.kill("done")
    return outcome


@pytest.mark.parametrize(("expression", "what"), DENIED)
async def test_a_denied_call_throws_an_error_that_names_what_is_denied(
    field: Ground, expression: str, what: str
) -> None:
    outcome = await evaluated(field, expression)

    assert (outcome.get("name"), outcome.get("code")) == ("SecurityError", "ERR_BUNBASE_SANDBOX"), outcome
    assert outcome["message"].startswith(f"{what} is not available in functions (")
    assert outcome["message"].endswith("see docs/functions.md#sandbox")


@pytest.mark.parametrize(("expression", "expected"), LEFT_ALONE)
async def test_harmless_parts_of_bun_still_work(field: Ground, expression: str, expected: object) -> None:
    assert await evaluated(field, expression) == {"value": expected}


NODE_HTTP = (
    "METHODS STATUS_CODES Agent ClientRequest IncomingMessage OutgoingMessage Server ServerResponse createServer \
validateHeaderName validateHeaderValue get request setMaxIdleHTTPParsers maxHeaderSize globalAgent"  # Node 20
)


# Packages construct these while they load, such as http2-wrapper of got 14.
CONSTRUCTED = [
    'new (require("net").Socket)()', 'new (require("net").Stream)({ allowHalfOpen: true })', 'require("net").Socket()',
    'new (require("net").Server)()', 'require("net").createServer()',
    'require("net").setDefaultAutoSelectFamily(false)',
    'new (require("tls").TLSSocket)(new (require("stream").PassThrough)())._handle._parentWrap',
    'new (require("tls").TLSSocket)(new (require("net").Socket)())', 'new (require("tls").TLSSocket)()',
    'new (require("tls").Server)()', 'require("tls").createServer()', 'require("tls").createSecureContext()',
    'require("dgram").createSocket("udp4")', 'new (require("dgram").Socket)("udp4")', 'new (require("dns").Resolver)()',
    'new (require("dns").promises.Resolver)()', 'new (require("dns/promises").Resolver)().getServers()',
    'new (require("http").Server)()', 'new (require("https").Server)()', 'new (require("http").Agent)()',
]  # fmt: skip


@pytest.mark.parametrize("first", ["net", "tls", "dns"])
async def test_constructing_sockets_servers_and_resolvers_works_in_any_order_of_imports(
    field: Ground, first: str
) -> None:
    tried = ",".join(f"() => {one}" for one in CONSTRUCTED)
    outcome = await evaluated(
        field,
        f"""require("{first}") && [{tried}].flatMap((construct) => {{
            try {{ construct(); return [] }} catch (error) {{ return [`${{construct}}: ${{error}}`] }} }})""",
    )

    assert outcome == {"value": []}


@pytest.mark.parametrize(
    ("module", "names"), [("http", NODE_HTTP), ("https", "Agent globalAgent Server createServer get request")]
)
async def test_the_clients_have_every_name_that_node_exports(field: Ground, module: str, names: str) -> None:
    outcome = await evaluated(
        field, f"""{msgspec.json.encode(names.split()).decode()}.filter((name) => !(name in require("{module}")))"""
    )

    assert outcome == {"value": []}


async def test_every_built_in_module_can_be_imported(field: Ground) -> None:
    outcome = await evaluated(
        field,
        """require("module").builtinModules.filter((name) => {
            try { require(name); return false } catch (error) { return `${name}: ${error}` } })""",
    )

    assert outcome == {"value": []}
