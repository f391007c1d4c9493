"""`fetch` in a real Bun, through the host, to a real TLS server."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from typing import Any
from urllib.parse import quote, unquote

import msgspec
import pytest

from bunbase.functions.service import FunctionsService
from bunbase.pkg.resolver import FixedResolver
from tests.functions.calls import MEMBER, Answer, call, deploy, invoke, log_of, request, until
from tests.functions.egress.site import BIG, Site


@pytest.fixture
def functions(shared_functions: FunctionsService, resolver: FixedResolver) -> FunctionsService:
    return shared_functions


def gzipped(data: bytes) -> bytes:
    """Pack without the time of day, because every process must collect the same tests."""
    return gzip.compress(data, mtime=0)


FETCH = """async (req) => {
    const { url, init = {}, read = "text" } = await req.json();
    try {
        const res = await fetch(url, init);
        const body = read === "length" ? (await res.bytes()).length : await res.text();
        return { status: res.status, url: res.url, redirected: res.redirected, headers: [...res.headers], body };
    } catch (error) {
        return { error: error.name, message: error.message, code: error.cause?.code, reason: error.cause?.reason };
    }
}"""


async def deploy_fetch(functions: FunctionsService, net: Site, body: str = FETCH, **config: Any) -> None:
    names = ("api.test", "other.test", "rebinding.test", "private.test", "missing.test")
    allowed = [f"{name}:{net.port}" for name in names]
    await deploy(functions, "f", body, allow_net=[*allowed, f"http://api.test:{net.plain_port}"], **config)


async def fetch(functions: FunctionsService, url: str, read: str = "text", **init: Any) -> Any:
    answer: Answer = await call(
        functions, "f", request(method="POST", body=msgspec.json.encode({"url": url, "init": init, "read": read}))
    )
    return answer.json


def at(net: Site, path: str, host: str = "api.test") -> str:
    return f"https://{host}:{net.port}{path}"


def redirect(net: Site, to: str, status: int = 302) -> str:
    return at(net, f"/redirect?status={status}&to={quote(to, safe='')}")


async def test_a_fetch_arrives_at_the_site_as_the_function_sent_it(functions: FunctionsService, net: Site) -> None:
    await deploy_fetch(functions, net)

    got = await fetch(functions, at(net, "/a%20b?c=d"), method="PUT", body="hello", headers={"x-one": "1"})

    [seen] = net.seen
    assert (got["status"], got["url"], got["redirected"]) == (200, at(net, "/a%20b?c=d"), False)
    assert (seen.method, seen.target, seen.body) == ("PUT", "/a%20b?c=d", b"hello")
    assert seen.headers["host"] == f"api.test:{net.port}"
    assert seen.headers["content-length"] == "5"
    assert seen.headers["x-one"] == "1"
    assert seen.headers["content-type"].lower().startswith("text/plain")
    assert not {"authorization", "cookie", "transfer-encoding"} & seen.headers.keys()


async def test_a_host_that_is_not_allowed_is_refused_and_never_looked_up(
    functions: FunctionsService, net: Site, resolver: FixedResolver
) -> None:
    await deploy_fetch(functions, net)

    for url in (at(net, "/", "unnamed.test"), "https://api.test/", f"http://api.test:{net.port}/", "https://8.8.8.8/"):
        got = await fetch(functions, url)
        assert (got["error"], got["code"]) == ("TypeError", "host_not_allowed"), url
        assert "fetch failed" in got["message"]
        assert "allow_net in bunbase.toml" in got["message"]
    assert resolver.asked == []
    assert net.connections == 0


async def test_a_fetch_over_plain_http_works_if_it_is_allowed(functions: FunctionsService, net: Site) -> None:
    await deploy_fetch(functions, net)

    assert (await fetch(functions, f"http://api.test:{net.plain_port}/"))["status"] == 200


async def test_a_host_name_with_a_private_address_is_refused(functions: FunctionsService, net: Site) -> None:
    await deploy_fetch(functions, net)

    got = await fetch(functions, at(net, "/", "private.test"))

    assert got["code"] == "address_not_allowed"
    assert net.connections == 0


async def test_a_host_name_is_resolved_once_and_the_connection_uses_the_checked_address(
    functions: FunctionsService, net: Site, resolver: FixedResolver
) -> None:
    await deploy_fetch(functions, net)

    first = await fetch(functions, at(net, "/", "rebinding.test"))
    asked = list(resolver.asked)
    for pool in functions.host_calls.fetcher.pools.values():
        await pool.aclose()  # The next request then needs a new connection.
    second = await fetch(functions, at(net, "/", "rebinding.test"))

    assert (first["status"], asked) == (200, ["rebinding.test"])
    assert second["code"] == "address_not_allowed"


async def test_a_fetch_of_a_host_name_without_an_address_fails(functions: FunctionsService, net: Site) -> None:
    await deploy_fetch(functions, net)

    got = await fetch(functions, at(net, "/", "missing.test"))

    assert (got["code"], got["reason"]) == ("fetch_failed", "connection")
    assert "missing.test has no address" in got["message"]


async def test_a_certificate_for_another_name_is_refused(
    functions: FunctionsService, net: Site, resolver: FixedResolver
) -> None:
    await deploy(functions, "f", FETCH, allow_net=[f"unnamed.test:{net.port}"])

    got = await fetch(functions, at(net, "/", "unnamed.test"))

    assert (got["code"], got["reason"]) == ("fetch_failed", "tls")
    assert net.seen == []


async def test_redirects_are_followed_among_allowed_hosts(functions: FunctionsService, net: Site) -> None:
    await deploy_fetch(functions, net)
    secrets = {"authorization": "Bearer x", "cookie": "a=1", "x-other": "2"}

    near = await fetch(functions, redirect(net, "/here"), headers=secrets)
    far = await fetch(functions, redirect(net, at(net, "/there", "other.test")), headers=secrets)

    assert (near["url"], near["redirected"]) == (at(net, "/here"), True)
    assert far["url"] == at(net, "/there", "other.test")
    here, there = net.seen[1], net.seen[3]
    assert {"authorization", "cookie", "x-other"} <= here.headers.keys()
    assert "x-other" in there.headers
    assert not {"authorization", "cookie"} & there.headers.keys()


@pytest.mark.parametrize(
    ("to", "code"),
    [
        ("https://unnamed.test/", "host_not_allowed"),
        ("http://api.test/", "host_not_allowed"),
        ("https://127.0.0.1/", "host_not_allowed"),
        ("//unnamed.test/", "host_not_allowed"),
        ("https://private.test:PORT/", "address_not_allowed"),
        ("file:///etc/passwd", "invalid_fetch"),
        ("https://user@api.test:PORT/", "invalid_fetch"),
        ("https://[", "invalid_fetch"),
    ],
)
async def test_every_redirect_is_checked_again(functions: FunctionsService, net: Site, to: str, code: str) -> None:
    await deploy_fetch(functions, net)

    got = await fetch(functions, redirect(net, to.replace("PORT", str(net.port))))

    assert got.get("code") == code
    assert len(net.seen) == 1


async def test_the_number_of_redirects_is_bounded(functions: FunctionsService, net: Site) -> None:
    await deploy_fetch(functions, net)

    looped = await fetch(functions, at(net, "/loop"))
    manual = await fetch(functions, at(net, "/loop"), redirect="manual")
    refused = await fetch(functions, at(net, "/loop"), redirect="error")

    assert (looped["code"], looped["reason"]) == ("fetch_failed", "redirect")
    assert manual["status"] == 302
    assert dict(manual["headers"])["location"] == "/loop"
    assert refused["reason"] == "redirect"
    assert len(net.seen) == 6 + 1 + 1


@pytest.mark.parametrize(
    ("status", "method", "arrives"),
    [(301, "POST", "GET"), (302, "POST", "GET"), (303, "PUT", "GET"), (302, "PUT", "PUT"), (308, "POST", "POST")],
)
async def test_redirects_keep_or_drop_methods_and_bodies_as_the_fetch_standard_says(
    functions: FunctionsService, net: Site, status: int, method: str, arrives: str
) -> None:
    await deploy_fetch(functions, net)

    await fetch(functions, redirect(net, "/end", status), method=method, body="payload")

    seen = net.seen[1]
    assert (seen.method, seen.body) == (arrives, b"payload" if arrives == method else b"")
    assert ("content-type" in seen.headers) == (arrives == method)


def packed(net: Site, coding: str, body: bytes) -> str:
    return at(net, f"/packed?as={quote(coding)}&body={body.hex()}")


def raw_deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("coding", "body", "read"),
    [
        ("gzip", b"", ""),
        ("br", b"", ""),
        ("deflate", b"", ""),
        ("gzip", gzipped(b""), ""),
        ("GZIP", gzipped(b"text"), "text"),
        ("gzip", gzipped(b"two ") + gzipped(b"members"), "two members"),
        ("deflate", zlib.compress(b"text"), "text"),
        ("deflate", raw_deflated(b"text"), "text"),
        ("deflate", raw_deflated(b"text" * 100_000), "text" * 100_000),
        ("zstd", bytes.fromhex("28b52ffd200421000074657874"), "text"),
        ("gzip, gzip", gzipped(gzipped(b"text")), "text"),
        ("deflate, identity, gzip", gzipped(zlib.compress(b"text")), "text"),
        ("unknown", b"as it is", "as it is"),
        ("gzip, unknown", b"as it is", "as it is"),
    ],
)
async def test_answers_are_unpacked_as_browsers_do(
    functions: FunctionsService, net: Site, coding: str, body: bytes, read: str
) -> None:
    await deploy_fetch(functions, net)

    assert (await fetch(functions, packed(net, coding, body)))["body"] == read


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", b"not packed"),
        ("gzip", gzipped(b"text" * 99)[:20]),
        ("br", b"\xff" * 9),
        ("deflate", b"\x78\x9c\xff"),
    ],
)
async def test_a_body_that_cannot_be_unpacked_is_an_error_with_a_code(
    functions: FunctionsService, net: Site, coding: str, body: bytes
) -> None:
    await deploy_fetch(functions, net)

    got = await fetch(functions, packed(net, coding, body))

    assert (got["error"], got["code"], got["reason"]) == ("TypeError", "fetch_failed", "protocol")
    assert f"a body that is not {coding}" in got["message"]


async def test_a_status_beyond_599_arrives_and_is_kept_by_clones(functions: FunctionsService, net: Site) -> None:
    await deploy_fetch(
        functions,
        net,
        """async (req) => {
        const res = await fetch(await req.text());
        const clone = res.clone();
        return [res, clone].map(one => [one.status, one.ok, one.statusText, one.url === clone.url && one.url !== ""]);
    }""",
    )

    for status in (200, 404, 599, 600, 999):
        answer = await call(functions, "f", request(method="POST", body=at(net, f"/status?is={status}").encode()))
        assert answer.json == [[status, status == 200, "X", True]] * 2


async def test_a_compressed_answer_is_decompressed(functions: FunctionsService, net: Site) -> None:
    await deploy_fetch(functions, net)

    got = await fetch(functions, at(net, "/gzip"))

    assert got["body"] == "unpacked " * 100
    assert not {"content-encoding", "content-length"} & dict(got["headers"]).keys()


async def test_an_answer_stays_compressed_if_the_function_wants_it(functions: FunctionsService, net: Site) -> None:
    await deploy_fetch(functions, net)

    got = await fetch(functions, at(net, "/gzip"), read="length", decompress=False)

    assert dict(got["headers"]) == {"content-encoding": "gzip", "content-length": str(got["body"])}
    assert "accept-encoding" not in net.seen[0].headers


async def test_the_length_of_an_answer_is_known_before_its_body(functions: FunctionsService, net: Site) -> None:
    await deploy_fetch(functions, net)

    got = await fetch(functions, at(net, "/big"), read="length")

    assert dict(got["headers"])["content-length"] == str(got["body"]) == str(len(BIG))


@pytest.mark.parametrize("method", ["FOO", "foo", "a b", "", "DELETE\r\nx: y"])
async def test_a_request_is_never_sent_with_another_method(functions: FunctionsService, net: Site, method: str) -> None:
    await deploy_fetch(functions, net)

    got = await fetch(functions, at(net, "/"), method=method)

    assert (got["error"], got["message"]) == ("TypeError", f"A request cannot have the method {json.dumps(method)}.")
    assert net.seen == []


async def test_hop_by_hop_headers_are_not_passed_on(functions: FunctionsService, net: Site) -> None:
    await deploy_fetch(functions, net)

    got = await fetch(functions, at(net, "/headers"))

    assert got["status"] == 204
    assert sorted(map(tuple, got["headers"])) == [("set-cookie", "a=1"), ("set-cookie", "b=2")]


async def test_large_bodies_are_sent_and_received_whole(functions: FunctionsService, net: Site) -> None:
    await deploy_fetch(
        functions,
        net,
        f"""async () => {{
            const down = (await (await fetch("{at(net, "/big")}")).bytes()).length;
            const send = async body => (await fetch("{at(net, "/up")}", {{ method: "POST", body }})).json();
            const whole = await send("x".repeat(1 << 20));
            let left = 20;
            const part = new Uint8Array(50_000).fill(120);
            const streamed = await send(new ReadableStream({{ pull(c) {{ left-- ? c.enqueue(part) : c.close() }} }}));
            return [down, whole.body.length, streamed.body.length];
        }}""",
    )

    answer = await call(functions, "f")

    assert answer.json == [len(BIG), 1 << 20, 1_000_000]
    assert net.seen[1].headers["content-length"] == str(1 << 20)
    assert net.seen[2].headers["transfer-encoding"] == "chunked"


@pytest.mark.parametrize("path", ["/endless", "/promises-much"])
async def test_an_answer_that_is_too_large_is_broken_off(functions: FunctionsService, net: Site, path: str) -> None:
    await deploy_fetch(functions, net)

    got = await fetch(functions, at(net, path), read="length")

    assert (got["error"], got["code"]) == ("TypeError", "fetch_too_large")
    await until(lambda: net.ended == net.connections)


@pytest.mark.parametrize(
    ("path", "code", "fewest_turns"), [("/crumbs", "fetch_too_large", 30_000), ("/interim", "fetch_failed", 60)]
)
async def test_an_answer_in_tiny_pieces_without_an_end_is_broken_off_and_gives_way_to_other_work(
    functions: FunctionsService, net: Site, path: str, code: str, fewest_turns: int
) -> None:
    await deploy_fetch(functions, net, timeout_ms=60_000)
    turns = 0

    async def take_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    others = asyncio.create_task(take_turns())
    got = await fetch(functions, f"http://api.test:{net.plain_port}{path}", read="length")
    others.cancel()

    assert (got["error"], got["code"]) == ("TypeError", code)
    assert turns >= fewest_turns
    await until(lambda: net.ended == net.connections)


async def test_a_head_request_of_a_file_over_the_limit_returns_its_size(functions: FunctionsService, net: Site) -> None:
    await deploy_fetch(functions, net)

    got = await fetch(functions, at(net, "/promises-much"), method="HEAD")

    assert (got["status"], dict(got["headers"]).get("content-length")) == (200, str(1 << 40))


async def test_a_fetch_with_a_body_over_the_limit_is_not_sent(functions: FunctionsService, net: Site) -> None:
    await deploy_fetch(functions, net)

    got = await fetch(functions, at(net, "/up"), method="POST", body="x" * ((2 << 20) + 1))

    assert got["code"] == "fetch_too_large"
    assert net.seen == []


async def test_an_aborted_fetch_closes_its_connection(functions: FunctionsService, net: Site) -> None:
    await deploy_fetch(
        functions,
        net,
        f"""async () => {{
            const outcome = async (path) => {{
                const signal = AbortSignal.timeout(100);
                try {{ return await (await fetch("{at(net, "")}" + path, {{ signal }})).text() }}
                catch (error) {{ return error.name }}
            }};
            return [await outcome("/silence"), await outcome("/drip")];
        }}""",
    )

    answer = await call(functions, "f")

    assert answer.json == ["TimeoutError", "TimeoutError"]
    await until(lambda: not functions.host_calls.under_way and net.ended == net.connections)


async def test_a_fetch_ends_with_its_call(functions: FunctionsService, net: Site) -> None:
    await deploy_fetch(functions, net, f"() => {{ fetch('{at(net, '/silence')}').catch(() => {{}}); return 1 }}")

    assert (await call(functions, "f")).json == 1

    await until(lambda: not functions.host_calls.under_way and net.ended == net.connections)


async def test_a_client_that_disconnects_ends_the_fetch_that_its_answer_streams(
    functions: FunctionsService, net: Site
) -> None:
    await deploy_fetch(functions, net, f"(req, ctx) => fetch('{at(net, '/drip')}', {{ signal: ctx.signal }})")
    parts = invoke(functions, "f")
    await anext(parts)
    await anext(parts)

    await parts.aclose()

    await until(lambda: net.connections == net.ended == 1)


async def test_a_server_that_speaks_no_http_fails_the_fetch(functions: FunctionsService, net: Site) -> None:
    await deploy_fetch(functions, net)

    got = await fetch(functions, at(net, "/garbage"))

    assert (got["code"], got["reason"]) == ("fetch_failed", "protocol")


async def test_only_the_host_fills_in_the_value_of_a_hidden_variable(functions: FunctionsService, net: Site) -> None:
    await functions.set_variable(MEMBER, "API_KEY", "sk_hidden", exposed=False)
    await functions.set_variable(MEMBER, "SHOWN", "shown")
    await deploy_fetch(
        functions,
        net,
        f"""async (req, ctx) => {{
            const headers = {{ authorization: "Bearer {{{{API_KEY}}}}", "x-shown": "{{{{ SHOWN }}}}" }};
            await fetch("{redirect(net, at(net, "/far", "other.test"))}", {{ headers }});
            const missing = {{ headers: {{ a: "{{{{NONE}}}}" }} }};
            const code = await fetch("{at(net, "/")}", missing).catch(error => error.cause.code);
            return {{ env: ctx.env, process: process.env, code }};
        }}""",
    )

    answer = await call(functions, "f")

    near, far = net.seen
    assert (near.headers["authorization"], near.headers["x-shown"]) == ("Bearer sk_hidden", "shown")
    assert not {"authorization", "x-shown"} & far.headers.keys()
    assert answer.json["env"] == {"SHOWN": "shown"}
    assert "sk_hidden" not in answer.body.decode()
    assert answer.json["code"] == "secret_not_found"


async def test_fetch_works_only_while_a_call_runs(functions: FunctionsService, net: Site) -> None:
    await deploy_fetch(
        functions,
        net,
        f"""async (req) => {{
            const late = Bun.sleep(50).then(() => fetch("{at(net, "/")}")).then(() => "sent", e => e.cause.code);
            if (req.url.endsWith("/read")) return globalThis.late;
            globalThis.late = late;
        }}""",
    )

    await call(functions, "f")

    assert (await call(functions, "f", request("/read"))).body == b'"call_over"'
    assert net.seen == []


async def test_fetch_reads_data_urls_and_refuses_schemes_other_than_http(
    functions: FunctionsService, net: Site
) -> None:
    await deploy_fetch(functions, net)

    assert (await fetch(functions, "data:text/plain,hello"))["body"] == "hello"
    for url in ("file:///etc/passwd", "ftp://api.test/", "unix:///run/x"):
        assert (await fetch(functions, url)).get("code") == "invalid_fetch", url


async def test_many_requests_at_once_are_all_answered(functions: FunctionsService, net: Site) -> None:
    await deploy_fetch(
        functions,
        net,
        f"""async () => {{
            const one = (_, i) => fetch("{at(net, "/")}?" + i).then(res => res.json());
            return (await Promise.all(Array.from({{ length: 150 }}, one))).length;
        }}""",
    )

    async with asyncio.timeout(20):
        assert (await call(functions, "f")).json == 150
    assert await log_of(functions, "f") == []


BODIES = {
    "text": ("'x'", "text/plain;charset=utf-8"),
    "form": ("(() => { const f = new FormData(); f.append('a', 'b'); return f })()", "multipart/form-data; boundary="),
    "file": (
        "(() => { const f = new FormData(); f.append('a', new Blob(['x']), 'a.txt'); return f })()",
        "multipart/form-data; boundary=",
    ),
    "parameters": ("new URLSearchParams({ a: 'b' })", "application/x-www-form-urlencoded;charset=utf-8"),
    "blob": ("new Blob(['x'], { type: 'image/x' })", "image/x"),
    "blob without a type": ("new Blob(['x'])", ""),
    "bytes": ("new Uint8Array(3)", ""),
    "buffer": ("new ArrayBuffer(3)", ""),
    "stream": ("new ReadableStream({ start(c) { c.enqueue(new Uint8Array(3)); c.close() } })", ""),
}
WAYS = {
    "init": "fetch(url, { method: 'POST', body })",
    "init with headers": "fetch(url, { method: 'POST', body, headers: { 'x-a': '1' } })",
    "init with its own type": "fetch(url, { method: 'POST', body, headers: { 'Content-Type': 'own/type' } })",
    "Request": "fetch(new Request(url, { method: 'POST', body }))",
    "Request with headers": "fetch(new Request(url, { method: 'POST', body, headers: { 'x-a': '1' } }))",
    "Request and init": "fetch(new Request(url, { method: 'POST', body }), { signal: null })",
    "Request, then body": "fetch(new Request(url, { method: 'POST' }), { body })",
    "Request of a Request": "fetch(new Request(new Request(url, { method: 'POST', body })))",
    "clone": "fetch(new Request(url, { method: 'POST', body }).clone())",
}


async def test_the_content_type_of_a_request_body_arrives_for_every_kind_of_body(
    functions: FunctionsService, net: Site
) -> None:
    """Bun adds the headers of a body when the headers are first read, but not after the body was read."""
    bodies = ", ".join(f"{name!r}: () => {code}" for name, (code, _) in BODIES.items())
    ways = ", ".join(f"{name!r}: (url, body) => {code}" for name, code in WAYS.items())
    await deploy_fetch(
        functions,
        net,
        f"""async (req) => {{
            const bodies = {{ {bodies} }}, ways = {{ {ways} }}, [base] = await req.json();
            for (const [b, body] of Object.entries(bodies)) {{
                for (const [w, way] of Object.entries(ways)) {{
                    const answer = await way(base + encodeURIComponent(b + "|" + w), body());
                    await answer.text();
                }}
            }}
        }}""",
    )

    await call(functions, "f", request(method="POST", body=msgspec.json.encode([at(net, "/")])))

    assert len(net.seen) == len(BODIES) * len(WAYS)
    wrong = {}
    for seen in net.seen:
        body, way = unquote(seen.target[1:]).split("|")
        expected = "own/type" if way == "init with its own type" else BODIES[body][1]
        got = seen.headers.get("content-type", "").lower()
        if not (got.startswith(expected) if expected else got == ""):
            wrong[body, way] = got
        if got.startswith("multipart/"):
            assert seen.body.startswith(b"--" + seen.headers["content-type"].partition("boundary=")[2].encode())
    assert wrong == {}


async def test_the_content_type_of_an_answer_body_arrives(functions: FunctionsService, net: Site) -> None:
    """The head of an answer is read before its body."""
    bodies = ", ".join(f"() => {code}" for code, _ in BODIES.values())
    await deploy_fetch(functions, net, f"(req) => new Response([{bodies}][new URL(req.url).pathname.slice(1)]())")

    for number, (_, expected) in enumerate(BODIES.values()):
        answer = await call(functions, "f", request(f"/{number}"))

        assert dict(answer.head.headers).get("content-type", "").lower().startswith(expected)
