"""Both lanes treat heads, slow or broken bodies, and large refused bodies in the same way on every route."""

from __future__ import annotations

import asyncio
import functools
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from itertools import product
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from bunbase.gateway.module import limits_of
from bunbase.gateway.settings import GatewaySettings
from bunbase.pkg import line_streams, metrics
from bunbase.pkg.http1.limits import Limits
from tests.gateway.lanes import KEY, Reply, Served, served
from tests.gateway.others import BAKERY, FakeBunAuth
from tests.pkg.waiting import eventually
from tests.shared_openapi import openapi_document

D1 = "/v1/data/posts/d1"
ECHO = "/v1/functions/echo"
MIB = 1 << 20
FILLED = {"project": BAKERY, "collection": "posts", "id": "d1", "name": "echo", "path": "a", "version": "1"}
BODY_METHODS = ("post", "put", "patch")


@functools.cache
def addresses() -> list[tuple[str, str]]:
    """Return method and path template of every route that takes a body.

    Making the OpenAPI document blocks for seconds.
    """
    paths: dict[str, Any] = msgspec.json.decode(openapi_document())["paths"]
    found = [(method.upper(), path) for path, item in paths.items() for method in item if method in BODY_METHODS]
    assert len(found) > 40
    return found


def filled(template: str) -> str:
    return re.sub(r"\{(\w+)\}", lambda name: FILLED.get(name[1], "x1"), template)


@pytest_asyncio.fixture
async def lanes(tmp_path: Path) -> AsyncIterator[tuple[Served, Served]]:
    async with both(tmp_path) as opened:
        yield opened


class both:  # noqa: N801  # reads as a function where it is used
    """Serve the gateway twice: with its fast lane and without it. `limits` overrides the usual Limits."""

    def __init__(self, directory: Path, **limits: Any) -> None:
        self.stack = AsyncExitStack()
        self.directory, self.limits = directory, limits

    async def __aenter__(self) -> tuple[Served, Served]:
        fast = await self.stack.enter_async_context(served(self.directory / "fast", **self.limits))
        settings = GatewaySettings(fast_lane=False)
        ordinary = await self.stack.enter_async_context(served(self.directory / "ordinary", settings, **self.limits))
        for lane in (fast, ordinary):
            await lane.warm()
        return fast, ordinary

    async def __aexit__(self, *ended: object) -> None:
        await self.stack.__aexit__(*ended)  # type: ignore[arg-type]  # the arguments of __aexit__, unchanged


async def answer(lane: Served, raw: bytes) -> Reply:
    async with lane.connected() as connection:
        connection.send(raw)
        return await connection.reply()


async def alike(lanes: tuple[Served, Served], raw: bytes) -> Reply:
    """Return the answer of the fast lane after asserting that the ordinary lane gives the same."""
    fast, ordinary = [await answer(lane, raw) for lane in lanes]
    assert fast.settled() == ordinary.settled(), raw
    return fast


def head(line: str, *headers: str) -> bytes:
    return "\r\n".join([line, *headers]).encode("latin-1") + b"\r\n\r\n"


# Tests of heads.


async def test_spaces_and_tabs_around_a_header_value_are_ignored(lanes: tuple[Served, Served]) -> None:
    """RFC 9110 section 5.5 defines this."""
    host, key = "host: test", KEY
    for blanks in (" ", "\t", " \t ", "   "):
        sized = head(f"POST {ECHO} HTTP/1.1", host, key, f"content-length:{blanks}3{blanks}") + b"abc"
        assert b'"abc"' in (await alike(lanes, sized)).body
        large = head(f"POST {ECHO} HTTP/1.1", host, key, f"content-length: 5000{blanks}") + b"y" * 5000
        assert b'"' + b"y" * 5000 in (await alike(lanes, large)).body
        for method, path, header, status in (
            ("GET", D1, f"{key}{blanks}", 200),
            ("GET", D1, f'if-none-match: "1"{blanks}', 304),
            ("GET", D1, f"accept:{blanks}*/*{blanks}", 200),
            ("PUT", D1, f"if-none-match:{blanks}*{blanks}", 412),
            ("PUT", D1, f'if-match:{blanks}"77"{blanks}', 412),
            ("GET", D1, f"authorization: Bearer nonsense{blanks}", 401),
        ):
            body = b"{}" if method == "PUT" else b""
            keyed = () if header.startswith(key) else (key,)
            raw = head(f"{method} {path} HTTP/1.1", host, *keyed, header, f"content-length: {len(body)}") + body
            assert (await alike(lanes, raw)).status == status, header
        operator = (f"authorization: Bearer {FakeBunAuth().token()}{blanks}", f"x-bunbase-project: {BAKERY}{blanks}")
        assert (await alike(lanes, head("GET /v1/collections HTTP/1.1", host, *operator))).status == 200
    for blanks in ("", " ", "   "):
        chunked = head(f"POST {ECHO} HTTP/1.1", host, key, f"transfer-encoding:{blanks}chunked{blanks}")
        assert b'"abc"' in (await alike(lanes, chunked + b"3\r\nabc\r\n0\r\n\r\n")).body


HOSTS = ((), ("a", "b"), ("a", "a"), ("a/b",), ("a?b",), ("a b",), ("u:p@e",), ("a/admin?x=",), ("a:x",), ("a\\b",))


async def test_a_request_with_no_or_two_or_invalid_hosts_gets_400(lanes: tuple[Served, Served]) -> None:
    """RFC 9112 section 3.2. The connection closes, and later bytes are not parsed."""
    canary = head(f"GET {D1} HTTP/1.1", "host: a", KEY)
    for path, hosts, closing in product((D1, ECHO, "/api/health", "/nowhere"), HOSTS, ((), ("connection: close",))):
        raw = head(f"GET {path} HTTP/1.1", KEY, *(f"host: {host}" for host in hosts), *closing) + canary
        reply = await alike(lanes, raw)

        assert (reply.status, reply.header("connection")) == (400, "close"), raw
        assert b"malformed_request" in reply.body
        for lane in lanes:
            async with lane.connected() as connection:
                connection.send(raw)
                assert (await connection.ended()).count(b"HTTP/1.1 ") == 1


HEADS: list[tuple[str, tuple[str, ...], int]] = [
    (f"GET {D1} HTTP/1.0", (), 200),
    (f"GET {D1} HTTP/1.0", ("host: a",), 200),
    (f"GET {D1} HTTP/1.0", ("host: a", "host: a"), 400),
    (f"GET {D1} HTTP/1.1", ("host:",), 200),
    (f"GET {D1} HTTP/1.1", ("host: [::1]:7070",), 200),
    (f"GET {D1} HTTP/2.0", ("host: a",), 505),
    (f"GET {D1} HTTP/1.2", ("host: a",), 505),
    (f"GET {D1} HTTP/3.0", ("host: a",), 505),
    (f"GET {D1} HTTP/0.9", ("host: a",), 505),
    (f"GET {D1}", (), 505),
    (f"GET {D1}#x HTTP/1.1", ("host: a",), 400),
    (f"GET {ECHO}?a#x HTTP/1.1", ("host: a",), 400),
    (f"GET {ECHO}/a\\b HTTP/1.1", ("host: a",), 400),
    (f"GET {D1} x HTTP/1.1", ("host: a",), 400),
    (f"GET {D1}\t HTTP/1.1", ("host: a",), 400),
    (f"GET {D1}\xe9 HTTP/1.1", ("host: a",), 400),
    ("GET * HTTP/1.1", ("host: a",), 400),
    ("OPTIONS * HTTP/1.1", ("host: a",), 204),
    ("CONNECT a:80 HTTP/1.1", ("host: a",), 501),
    (f"GET http://b{D1} HTTP/1.1", ("host: a",), 200),
    (f"GET http://b{D1} HTTP/1.1", (), 400),
    (f"GET http://u@b{D1} HTTP/1.1", ("host: a",), 400),
    (f"GET ftp://b{D1} HTTP/1.1", ("host: a",), 400),
    (f"PUT {D1} HTTP/1.1", ("host: a", "transfer-encoding: gzip, chunked"), 501),
    (f"PUT {D1} HTTP/1.1", ("host: a", "transfer-encoding: xchunked"), 400),
    (f"PUT {D1} HTTP/1.0", ("host: a", "transfer-encoding: chunked"), 400),
    (f"GET {D1} HTTP/1.1", ("host: a", "x: y", " folded"), 400),
]


async def test_both_lanes_accept_and_refuse_the_same_request_heads(lanes: tuple[Served, Served]) -> None:
    for line, headers, status in HEADS:
        assert (await alike(lanes, head(line, KEY, *headers))).status == status, (line, headers)
    assert (await alike(lanes, head("PRI * HTTP/2.0") + b"SM\r\n\r\n")).status == 505


async def test_both_lanes_pass_the_same_path_and_host_to_a_function(lanes: tuple[Served, Served]) -> None:
    """The authority of an absolute target replaces Host."""
    for target, host in (
        (f"{ECHO}/a?b=c", "api.example"),
        (f"http://other.example:81{ECHO}/a?b=c", "other.example:81"),
    ):
        reply = await alike(lanes, head(f"GET {target} HTTP/1.1", "host: api.example", KEY))
        _, path, headers, *_ = msgspec.json.decode(reply.body)

        assert path == "/a?b=c"
        assert [value for name, value in headers if name == "host"] == [host]


# Tests of bodies.


@pytest.mark.usefixtures("_rooms_have_nothing")
async def test_a_body_that_stalls_is_refused_on_every_route(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both lanes close the connection afterwards. On a busy machine, an import may be late before it runs."""
    monkeypatch.setattr(line_streams, "SILENCE_SECONDS", 0.2)
    async with both(tmp_path, read_seconds=2.0, linger_seconds=0.3, idle_seconds=0.3) as lanes:
        for lane in lanes:
            replies = await asyncio.gather(*[stalled(lane, *address) for address in addresses()])
            late = [code for status, code in replies if status in (408, 504)]
            assert len(late) > 30
            assert set(late) <= {b"request_stalled", b"deadline_exceeded"}
            assert max(status for status, _ in replies) <= 504
            assert 500 not in {status for status, _ in replies}


async def test_a_running_import_that_stalls_has_its_own_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_streams, "SILENCE_SECONDS", 0.2)
    async with both(tmp_path, linger_seconds=0.3) as lanes:  # The rest of a request has the usual time.
        for lane in lanes:
            assert await stalled(lane, "POST", "/v1/import") == (504, b"deadline_exceeded")


async def stalled(lane: Served, method: str, template: str) -> tuple[int, bytes]:
    """Send the first part of a body. Return status and code of the answer after the server closes the connection."""
    async with lane.connected() as connection:
        connection.send(beginning(method, template))
        said = await connection.ended()
        code = re.search(rb'"code":"(\w+)"', said)
        return int(said[9:12]), code[1] if code else b""


def beginning(method: str, template: str) -> bytes:
    path = filled(template)
    credential = f"authorization: Bearer {FakeBunAuth().token()}" if path.startswith("/api/") else KEY
    kind = "multipart/form-data; boundary=b" if "/functions/" in path and method == "PUT" else "application/json"
    if path.endswith("/import"):
        kind = "application/x-ndjson"
    return (
        head(f"{method} {path} HTTP/1.1", "host: a", credential, f"content-type: {kind}", "content-length: 50") + b"{"
    )


def all_counted(before: dict[tuple[str, str, str], int]) -> bool:
    return sum(counted().values()) - sum(before.values()) >= len(addresses())


def counted() -> dict[tuple[str, str, str], int]:
    return {labels: answered.count for labels, answered in metrics.http_requests.series.items() if answered.count}


@pytest.mark.usefixtures("_rooms_have_nothing")
async def test_a_client_that_disconnects_during_its_body_is_counted_as_499(lanes: tuple[Served, Served]) -> None:
    """On every route and in both lanes, no answer is 500, and the log has no error."""
    for lane in lanes:
        before = counted()
        with capture_logs() as logs:
            for address in addresses():
                async with lane.connected() as connection:
                    connection.send(beginning(*address))
                    await connection.writer.drain()
            await eventually(functools.partial(all_counted, before))
        new = [labels for labels, count in counted().items() if count > before.get(labels, 0)]

        assert {status for _, _, status in new if status >= "500"} == set()
        assert sum(status == "499" for _, _, status in new) > 30
        assert [line for line in logs if line["log_level"] in ("error", "critical")] == []


async def test_a_body_with_an_invalid_chunk_size_gets_400(lanes: tuple[Served, Served]) -> None:
    """The chunk size `ZZ` once caused a 500."""
    for path in ("/v1/data/posts", "/api/auth/login", "/v1/auth/signup"):
        reply = await alike(
            lanes, head(f"POST {path} HTTP/1.1", "host: a", KEY, "transfer-encoding: chunked") + b"ZZ\r\n"
        )

        assert (reply.status, reply.header("connection")) == (400, "close")


async def sent_then_read(program: str, lane: Served, path: str, size: int, *extra: str) -> str:
    host, port = lane.address
    running = await asyncio.create_subprocess_exec(
        *(program, "-s", "-o", "/dev/null", "-w", "%{http_code}", "-X", "POST", "-H", "Expect:", "-H", KEY, *extra),
        *("-H", "content-type: application/json", "--data-binary", "@-", f"http://{host}:{port}{path}"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await running.communicate(b" " * size)
    return said.decode()


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
async def test_a_client_that_sends_a_large_refused_body_can_read_the_refusal(lanes: tuple[Served, Served]) -> None:
    """A client that reads only after it sent 2 to 20 MB too much gets the answer and no connection reset."""
    answers = {"/v1/data/posts": ("413", 4 * MIB), "/api/projects": ("401", 22 * MIB), "/nowhere": ("404", 22 * MIB)}
    ways = ((), ("-H", "connection: close"), ("--http1.0",))
    for lane, (path, (status, size)), extra in product(lanes, answers.items(), ways):
        assert await sent_then_read("curl", lane, path, size, *extra) == status, (path, size, extra)


def test_the_settings_set_the_connection_limits_of_the_port() -> None:
    settings = GatewaySettings(max_connections=7, max_connections_per_address=3, trusted_proxies=("10.0.0.0/8",))

    limits = limits_of(settings)

    assert "10.1.2.3" in limits.unlimited
    assert "11.1.2.3" not in limits.unlimited
    assert msgspec.structs.replace(limits, unlimited=()) == Limits(connections=7, per_address=3)
