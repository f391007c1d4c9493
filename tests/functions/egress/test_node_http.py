"""A client library that uses node:https, as many on npm do, works in a function."""

from __future__ import annotations

import subprocess
from pathlib import Path

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
        server: (() => { try { http.createServer() } catch (error) { return error.message } })(),
    };
};
"""


async def test_a_client_library_that_uses_node_https_works(
    functions: FunctionsService, net: Site, tmp_path: Path
) -> None:
    (tmp_path / "library.cjs").write_text(LIBRARY)
    (tmp_path / "f.ts").write_text(FUNCTION.replace("PORT", str(net.port)))
    build = [str(find_bun()), "build", "--target=bun", "--format=cjs", "f.ts"]
    code = subprocess.run(build, cwd=tmp_path, check=True, capture_output=True, timeout=30).stdout
    config = FunctionConfig(allow_net=(f"api.test:{net.port}",))
    await functions.deploy(MEMBER, "f", Bundle(code, None, config))

    got = (await call(functions, "f")).json

    posted = got["posted"]
    assert (posted["status"], posted["message"], posted["complete"]) == (200, "OK", True)
    assert (posted["echo"]["method"], posted["echo"]["target"], posted["echo"]["body"]) == ("POST", "/post?x=1", "body")
    assert posted["echo"]["headers"]["x-one"] == "1"
    assert posted["echo"]["headers"]["authorization"] == "Basic YTpi"
    assert got["moved"] == [302, "/loop"]
    assert got["bytes"] == 1 << 20
    assert got["cookies"] == ["a=1", "b=2"]
    assert (got["denied"], got["late"]) == ("host_not_allowed", "ETIMEDOUT")
    assert "cannot listen" in got["server"]
