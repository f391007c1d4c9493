"""The parts of an address that node:http and undici take (host, port, path) cannot lead to another host.

A function joins these parts with values of its users: `hostname: tenant + ".example.com"`, `path: "/" + name`.
"""

from __future__ import annotations

from pathlib import Path

from bunbase.functions.service import FunctionsService
from tests.functions.egress.site import Site
from tests.functions.egress.test_node_http import answer_of

NODE = r"""
import http from "node:http";

const end = ".other.test", port = PORT;
const wrong = [
    { hostname: "x@api.test:PORT/" + end }, { hostname: "api.test:PORT/" + end }, { hostname: "api.test:PORT?" + end },
    { hostname: "api.test:PORT#" + end }, { hostname: "api.test:PORT\\" + end }, { host: "api.test:PORT/" + end },
    { hostname: "x@api.test", port }, { hostname: "x:y@api.test", port }, { hostname: "api.\ntest", port },
    { hostname: "api.test/" }, { hostname: "api.test", port: "PORT/a" }, { hostname: "api.test", port: "PORT#" },
    { hostname: "other.test", port: "80@api.test:PORT" },
    { hostname: "other.test", protocol: "http://api.test:PORT/" },
    { hostname: "other.test", protocol: "http://x@" },
    { hostname: "api.test", port, path: "/a b" }, { hostname: "api.test", port, path: "/a\r\nx: y" },
    { hostname: "api.test", port, path: "/\u00fc\u4e2d" },
];

export default async () => {
    const codes = wrong.map(options => {
        try {
            http.get(options).on("error", () => {});
            return options;
        } catch (error) {
            return error.code;
        }
    });
    const hostname = "api.test";
    const same = path => new Promise((resolve, reject) => http.get({ hostname, port, path }, async answer => {
        let text = "";
        for await (const chunk of answer) text += chunk;
        resolve(JSON.parse(text).target);
    }).on("error", reject));
    return [codes, await same("//other.test/x"), await same("/\\other.test"), await same("http://other.test/")];
};
"""


async def test_no_host_port_or_path_of_node_http_leads_to_another_host(
    functions: FunctionsService, net: Site, tmp_path: Path
) -> None:
    code = NODE.replace("PORT", str(net.plain_port))

    codes, *targets = await answer_of(functions, net, tmp_path, code)

    assert codes[:15] == ["ERR_INVALID_URL"] * 13 + ["ERR_INVALID_PROTOCOL"] * 2
    assert codes[15:] == ["ERR_UNESCAPED_CHARACTERS"] * 3
    assert targets == ["//other.test/x", "//other.test", "/http://other.test/"]
    assert len(net.seen) == len(targets)


UNDICI = r"""
import { Agent, Client, Pool, request } from "undici";

const origin = "http://other.test:PORT", here = "http://api.test:PORT";
const host = "api.test:PORT";
const paths = [`//${host}/x`, `/\\${host}/x`, `\\\\${host}/x`, `http://${host}/x`, "x", `@${host}/`];
const sent = [
    path => new Pool(origin).request({ path }), path => new Client(origin).request({ path }),
    path => new Agent().request({ origin, path }), path => request({ origin, path }),
    path => request(origin + "/", { path }), path => request(new URL(origin), { path }),
];

export default async () => {
    const codes = await Promise.all(paths.flatMap(path => sent.map(send => send(path).then(
        answer => answer.statusCode, error => error.code ?? error.cause.code,
    ))));
    const targets = await Promise.all([
        request(here + "/a?b", { path: "/c?d" }), request({ origin: here }),
        new Pool(here + "/a").request({ path: "//b", query: { x: 1 } }),
    ].map(async answer => (await (await answer).body.json()).target));
    return [[...new Set(codes)].sort(), targets];
};
"""


async def test_no_path_of_undici_leads_to_another_origin(
    functions: FunctionsService, net: Site, tmp_path: Path
) -> None:
    codes, targets = await answer_of(functions, net, tmp_path, UNDICI.replace("PORT", str(net.plain_port)))

    assert codes == ["UND_ERR_INVALID_ARG", "host_not_allowed"]
    assert targets == ["/c?d", "/", "//b?x=1"]
    assert len(net.seen) == len(targets)
