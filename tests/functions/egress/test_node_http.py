"""Client libraries that use node:http or node:https, like many libraries on npm, work in a function."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from pathlib import Path
from typing import Any

import msgspec

from bunbase.contracts.functions.deployments import Bundle, FunctionConfig
from bunbase.functions.service import FunctionsService
from bunbase.pkg.bun import find_bun
from tests.functions.calls import MEMBER, call
from tests.functions.egress.site import Site

LIBRARY = """
const https = require("https");
const { PassThrough } = require("stream");

exports.send = (options, body) => new Promise((resolve, reject) => {
    const req = https.request({ agent: new https.Agent({ keepAlive: true }), ...options }, res => {
        const chunks = [];
        res.on("data", chunk => chunks.push(chunk));
        res.on("end", () => resolve({
            status: res.statusCode, message: res.statusMessage, headers: res.headers, complete: res.complete,
            text: Buffer.concat(chunks).toString("utf8"),
        }));
    });
    req.on("error", reject);
    req.on("timeout", () => req.destroy(Object.assign(new Error("timed out"), { code: "ETIMEDOUT" })));
    req.setTimeout(options.timeout ?? 5000);
    const source = new PassThrough();
    source.pipe(req);
    source.end(body);
});

exports.get = url => new Promise((resolve, reject) => https.get(url, resolve).on("error", reject));
"""
FUNCTION = """
import { send, get } from "./library.cjs";
import http from "node:http";

const hostname = "api.test", port = PORT;

export default async () => {
    const options = { hostname, port, path: "/post?x=1", method: "POST", headers: { "X-One": 1 }, auth: "a:b" };
    const posted = await send(options, "body");
    const moved = await get(`https://${hostname}:${port}/loop`);
    const large = await get(new URL(`https://${hostname}:${port}/big`));
    let bytes = 0;
    for await (const chunk of large) bytes += chunk.length;
    const cookies = await send({ hostname, port, path: "/headers" });
    return {
        posted: { ...posted, echo: JSON.parse(posted.text) },
        moved: [moved.statusCode, moved.headers.location],
        bytes,
        cookies: cookies.headers["set-cookie"],
        denied: await send({ hostname: "unnamed.test", port }).catch(error => error.code),
        late: await send({ hostname, port, path: "/silence", timeout: 50 }).catch(error => error.code),
        server: (() => { try { http.createServer().listen(80) } catch (error) { return error.message } })(),
    };
};
"""


EVENTS = Path(__file__).with_name("client_events.mjs")


async def answer_of(functions: FunctionsService, net: Site, folder: Path, code: str) -> Any:
    """Bundle the code in this folder as `bunbase deploy` does, deploy it, and return the JSON of one call."""
    (folder / "f.ts").write_text(code)
    build = [str(find_bun()), "build", "--target=bun", "--format=cjs", "f.ts"]
    built = await asyncio.to_thread(subprocess.run, build, cwd=folder, check=True, capture_output=True, timeout=30)
    config = FunctionConfig(allow_net=(f"api.test:{net.port}", f"http://api.test:{net.plain_port}"))
    await functions.deploy(MEMBER, "f", Bundle(built.stdout, None, config))
    return (await call(functions, "f")).json


async def test_a_client_library_that_uses_node_https_works(
    functions: FunctionsService, net: Site, tmp_path: Path
) -> None:
    (tmp_path / "library.cjs").write_text(LIBRARY)

    got = await answer_of(functions, net, tmp_path, FUNCTION.replace("PORT", str(net.port)))

    posted = got["posted"]
    assert (posted["status"], posted["message"], posted["complete"]) == (200, "X", True)
    assert (posted["echo"]["method"], posted["echo"]["target"], posted["echo"]["body"]) == ("POST", "/post?x=1", "body")
    assert posted["echo"]["headers"]["x-one"] == "1"
    assert posted["echo"]["headers"]["authorization"] == "Basic YTpi"
    assert got["moved"] == [302, "/loop"]
    assert got["bytes"] == 1 << 20
    assert got["cookies"] == ["a=1", "b=2"]
    assert (got["denied"], got["late"]) == ("host_not_allowed", "ETIMEDOUT")
    assert "cannot listen" in got["server"]


async def test_a_client_of_node_http_sees_the_events_that_node_emits_in_the_same_order(
    functions: FunctionsService, net: Site, tmp_path: Path
) -> None:
    node = shutil.which("node")
    assert node is not None, "`make test` needs Node 20"
    shutil.copy(EVENTS, tmp_path / "events.mjs")
    shown = f"""
        import {{ run }} from "./events.mjs";
        console.log(JSON.stringify(await run(path => "http://127.0.0.1:{net.plain_port}" + path)));"""
    (tmp_path / "shown.mjs").write_text(shown)
    ran = await asyncio.to_thread(
        subprocess.run, [node, "shown.mjs"], cwd=tmp_path, check=True, capture_output=True, timeout=30
    )
    expected = msgspec.json.decode(ran.stdout)

    got = await answer_of(
        functions,
        net,
        tmp_path,
        f"""import {{ run }} from "./events.mjs";
        export default () => run(path => "http://api.test:{net.plain_port}" + path);""",
    )

    assert got.keys() == expected.keys()
    assert [(name, seen, expected[name]) for name, seen in got.items() if seen != expected[name]] == []


SUBSTITUTED = """
import nodeFetch, { Headers, Request, Response } from "node-fetch";
import { request, fetch as undiciFetch, Agent, Pool } from "undici";
import { PassThrough, Readable } from "node:stream";
import { gunzipSync } from "node:zlib";

const base = "https://api.test:PORT";

class OldForm extends PassThrough {  // as the package form-data
    getHeaders() { return { "content-type": "multipart/form-data; boundary=b" } }
    get [Symbol.asyncIterator]() { return undefined }
}

export default async () => {
    globalThis.fetch = nodeFetch;  // a polyfill, as many programs set it
    const posted = await nodeFetch(base + "/a", { method: "POST", body: Readable.from(["one", "two"]) });
    const form = new OldForm();
    form.end("--b--");
    const formed = await nodeFetch(new Request(base + "/form"), { method: "POST", body: form }).then(r => r.json());
    let piped = "";
    for await (const chunk of (await nodeFetch(base + "/gzip")).body) piped += chunk;
    const large = await nodeFetch(base + "/big").then(r => r.buffer());
    const cookies = await nodeFetch(base + "/headers");
    const options = { method: "PUT", query: { q: [1, 2] }, headers: ["x-one", "1"], body: "b" };
    const asked = await request(base + "/x", options);
    const echo = await asked.body.json();
    const moved = await request(base + "/loop");
    const pooled = await new Pool(base).request({ path: "/pool", headers: { "x-a": ["1", "2"] } });
    const agent = await new Agent().request({ origin: base, path: "/agent" });
    const packed = await request(base + "/gzip");
    const denied = error => [error.name, error.cause.code];
    return {
        posted: [posted.status, posted instanceof Response, (await posted.json()).body],
        formed: [formed.headers["content-type"], formed.body],
        piped: piped.length, large: large.length,
        cookies: new Headers(cookies.headers).get("set-cookie") !== null && cookies.headers.raw()["set-cookie"],
        asked: [asked.statusCode, echo.method, echo.target, echo.headers["x-one"], echo.body],
        moved: [moved.statusCode, moved.headers.location],
        pooled: (await pooled.body.json()).headers["x-a"],
        agent: (await agent.body.json()).target,
        packed: [packed.headers["content-encoding"], gunzipSync(await packed.body.bytes()).length],
        undici: (await undiciFetch(base + "/")).status,
        denied: await Promise.all([nodeFetch, undiciFetch, request].map(one => one("https://unnamed.test/").catch(denied))),
    };
};
"""


async def test_node_fetch_and_undici_make_their_requests_through_the_host(
    functions: FunctionsService, net: Site, tmp_path: Path
) -> None:
    got = await answer_of(functions, net, tmp_path, SUBSTITUTED.replace("PORT", str(net.port)))

    assert got == {
        "posted": [200, True, "onetwo"],
        "formed": ["multipart/form-data; boundary=b", "--b--"],
        "piped": len("unpacked ") * 100,
        "large": 1 << 20,
        "cookies": ["a=1", "b=2"],
        "asked": [200, "PUT", "/x?q=1&q=2", "1", "b"],
        "moved": [302, "/loop"],
        "pooled": "1, 2",
        "agent": "/agent",
        "packed": ["gzip", len("unpacked ") * 100],
        "undici": 200,
        "denied": [["TypeError", "host_not_allowed"]] * 3,
    }
