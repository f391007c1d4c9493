"""Both lanes give the same answer to a request: status, headers and body are equal byte for byte."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bunbase.contracts.bundoc.documents import Document
from bunbase.contracts.caller import Caller
from bunbase.gateway.settings import GatewaySettings
from tests.gateway.lanes import KEY, Reply, Served, served
from tests.gateway.lanes import request as as_bytes
from tests.gateway.others import LIBRARYS, PAGES, PUBLISHABLE, READERS, SERVERS, FakeTenantAuth

D1 = "/v1/data/posts/d1"
POSTS = "/v1/data/posts"
ECHO = "/v1/functions/echo"
ORIGIN = "origin: https://app.example"
READER = f"x-bunbase-key: {READERS}"
BEARER = "authorization: Bearer "

CHANGING = (b"date:", b"x-request-id:", b"server-timing:")

Headers = tuple[str, ...]

# The fast lane takes these requests. Each has a request line, headers and a body.
HOT: list[tuple[str, Headers, bytes]] = [
    (f"GET {D1}", (KEY,), b""),
    (f"GET {D1}?", (KEY,), b""),
    (f"GET {D1}", (KEY, "user-agent: tests", "accept: */*", "connection: keep-alive"), b""),
    (f"GET {D1}", (KEY, "x-request-id: a-trace-from-before"), b""),
    (f"GET {D1}", (KEY, "x-request-id: no good"), b""),
    (f"GET {D1}", (KEY, ORIGIN), b""),
    (f"GET {D1}", (KEY, ORIGIN, "cookie: a=b"), b""),
    (f"GET {D1}", (KEY, "origin: https://stranger.example"), b""),
    (f"GET {D1}", (KEY, 'if-none-match: "1"'), b""),
    (f"GET {D1}", (KEY, ORIGIN, 'if-none-match: W/"1", "7"'), b""),
    (f"GET {D1}", (KEY, 'if-none-match: "2"'), b""),
    (f"GET {D1}", (KEY, "if-none-match: 1"), b""),
    (f"GET {D1}", (f"x-bunbase-key: {PUBLISHABLE}",), b""),
    (f"GET {D1}", (f"x-bunbase-key: {LIBRARYS}",), b""),
    (f"GET {D1}", ("x-bunbase-key: sk_nobodys", ORIGIN), b""),
    (f"GET {D1}", (KEY, "authorization: Basic abc"), b""),
    (f"GET {D1}", (KEY, BEARER + "no token"), b""),
    (f"GET {D1}", (KEY, BEARER + "{user}"), b""),
    (f"GET {D1}", (KEY, BEARER + "{stale}"), b""),
    (f"GET {D1}", (KEY, BEARER + "{foreign}"), b""),
    (f"GET {D1}", (READER,), b""),
    ("GET /v1/data/other/d1", (READER,), b""),
    (f"GET {POSTS}?limit=2", (READER,), b""),
    (f"POST {POSTS}/query", (READER,), b"{}"),
    (f"POST {POSTS}", (READER,), b'{"a":1}'),
    (f"PATCH {D1}", (READER,), b'{"a":1}'),
    (f"DELETE {D1}", (READER,), b""),
    (f"GET {ECHO}", (READER,), b""),
    (f"GET {D1}", (f"x-bunbase-key: {SERVERS}",), b""),
    (f"GET {D1}", (f"x-bunbase-key: {SERVERS}", ORIGIN), b""),
    (f"GET {D1}", (f"x-bunbase-key: {PAGES}",), b""),
    (f"GET {D1}", (f"x-bunbase-key: {PAGES}", ORIGIN), b""),
    (f"GET {D1}", (f"x-bunbase-key: {PAGES}", "origin: https://stranger.example"), b""),
    ("GET /v1/data/posts/missing", (KEY,), b""),
    ("GET /v1/data/missing/d1", (KEY,), b""),
    ("GET /v1/data/Posts/d1", (KEY,), b""),
    ("GET /v1/data/9/d1", (KEY, ORIGIN), b""),
    (f"GET {POSTS}", (KEY,), b""),
    (f"GET {POSTS}?limit=1", (KEY, ORIGIN), b""),
    (f"GET {POSTS}?limit=500", (KEY,), b""),
    (f"GET {POSTS}?limit=1&cursor=nonsense", (KEY,), b""),
    (f"GET {POSTS}?where=%7B%22a%22:%7B%22$gte%22:1%7D%7D&count=true&explain=true", (KEY,), b""),
    (f'GET {POSTS}?where={{"a":1}}&sort=-a&select=a&limit=1', (KEY, ORIGIN), b""),
    (f'GET {POSTS}?where={{"t":"a+b%2Bc%25%20d"}}', (KEY,), b""),
    (f"GET {POSTS}?where=%7B", (KEY,), b""),
    (f"GET {POSTS}?sort=a,a", (KEY,), b""),
    (f"GET {POSTS}?score=true", (KEY,), b""),
    (f"GET {POSTS}?count=false", (KEY,), b""),
    (f"GET {POSTS}?expand=a", (KEY,), b""),
    (f"GET {POSTS}?where=%7B%7D", (f"x-bunbase-key: {PUBLISHABLE}",), b""),
    (f"POST {POSTS}/query", (KEY,), b"{}"),
    (
        f"POST {POSTS}/query",
        (KEY, "content-type: application/json"),
        b'{"where":{"a":{"$lt":5}},"count":true,"limit":1}',
    ),
    (f"POST {POSTS}/query", (KEY, "content-type: text/plain"), b"{}"),
    (f"POST {POSTS}/query", (KEY,), b'{"where":[]}'),
    (f"POST {POSTS}/query", (KEY,), b'{"limit":501}'),
    (f"POST {POSTS}/query", (KEY,), b"["),
    (f"POST {POSTS}/query", (f"x-bunbase-key: {PUBLISHABLE}",), b"{}"),
    (f"GET {POSTS}?limit=2", (f"x-bunbase-key: {PUBLISHABLE}",), b""),
    (f"POST {POSTS}", (KEY,), b'{"_id":"new","b":[1,{"c":2.50}]}'),
    (f"POST {POSTS}", (KEY, ORIGIN), b'{"b":"without an id"}'),
    (f"POST {POSTS}", (KEY,), b'{"_id":"d1"}'),
    (f"POST {POSTS}", (KEY, "content-type: application/json; charset=UTF-8"), b"{}"),
    (f"POST {POSTS}", (KEY, "content-type: text/plain"), b"{}"),
    (f"POST {POSTS}", (KEY, "content-type: application/merge-patch+json"), b"{}"),
    (f"POST {POSTS}", (KEY,), b"{"),
    (f"POST {POSTS}", (KEY,), b"[1]"),
    (f"POST {POSTS}", (KEY,), b'"\xff"'),
    (f"POST {POSTS}", (KEY,), b"[" * 3000),
    (f"POST {POSTS}", (KEY,), b'{"_mine":1}'),
    (f"POST {POSTS}", (KEY,), b'{"a":"' + b"x" * (1 << 20) + b'"}'),
    (f"PUT {D1}", (KEY,), b'{"a":2}'),
    (f"PUT {D1}", (KEY, 'if-match: "1"'), b'{"a":2}'),
    (f"PUT {D1}", (KEY, 'if-match: "9"'), b'{"a":2}'),
    (f"PUT {D1}", (KEY, "if-match: *"), b'{"a":2}'),
    (f"PUT {D1}", (KEY, "if-none-match: *"), b'{"a":2}'),
    (f"PUT {D1}", (KEY, "if-none-match: *", 'if-match: "1"'), b'{"a":2}'),
    (f"PUT {POSTS}/d2", (KEY, "if-none-match: *"), b'{"a":2}'),
    (f"PUT {D1}", (f"x-bunbase-key: {PUBLISHABLE}",), b'{"a":2}'),
    (f"PATCH {D1}", (KEY, "content-type: application/merge-patch+json"), b'{"a":null,"b":{"c":3}}'),
    (f"PATCH {D1}", (KEY, "content-type: text/html"), b"{}"),
    (f"PATCH {D1}", (KEY, 'if-match: "2"', ORIGIN), b"{}"),
    (f"PATCH {POSTS}/missing", (KEY,), b"{}"),
    (f"DELETE {D1}", (KEY,), b""),
    (f"DELETE {D1}", (KEY, ORIGIN, 'if-match: "1"'), b""),
    (f"DELETE {D1}", (KEY, 'if-match: "7"'), b""),
    (f"DELETE {POSTS}/missing", (KEY,), b""),
    (f"POST {POSTS}", (KEY, ORIGIN, "idempotency-key: create"), b'{"_id":"new","b":1}'),
    (f"PUT {D1}", (KEY, "idempotency-key: put"), b'{"a":2}'),
    (f"PUT {D1}", (KEY, "idempotency-key: put"), b'{"a":3}'),
    (f"PATCH {D1}", (KEY, "idempotency-key: " + "~" * 200), b'{"$inc":{"a":1}}'),
    (f"DELETE {D1}", (KEY, "idempotency-key: delete", 'if-match: "1"'), b""),
    (f"DELETE {D1}", (KEY, "idempotency-key: delete"), b""),
    (f"POST {POSTS}", (KEY, "idempotency-key: " + "k" * 201), b"{}"),
    (f"POST {POSTS}", (KEY, "idempotency-key: two words"), b"{}"),
    (f"POST {POSTS}", (KEY, "idempotency-key:"), b"{}"),
    (f"POST {POSTS}", (KEY, "idempotency-key: \xe9"), b"{}"),
    (f"GET {D1}", (KEY, ORIGIN, "x-bunbase-at-least: 0123456789ab.1"), b""),
    (f"GET {POSTS}?limit=1", (KEY, "x-bunbase-at-least: 0123456789ab.1"), b""),
    (f"POST {POSTS}/query", (KEY, "x-bunbase-at-least: 0123456789ab.1"), b"{}"),
    (f"GET {D1}", (KEY, "x-bunbase-at-least: tomorrow"), b""),
    (f"GET {POSTS}/query", (KEY,), b""),
    (f"PUT {POSTS}/query", (KEY,), b'{"a":1}'),
    (f"PATCH {POSTS}/query", (KEY,), b'{"a":2}'),
    (f"DELETE {POSTS}/query", (KEY,), b""),
    (f"GET {POSTS}/aggregate", (KEY,), b""),
    (f"PUT {POSTS}/aggregate", (KEY,), b'{"a":1}'),
    (f"GET {ECHO}", (KEY,), b""),
    (f"GET {ECHO}?a=1&a=2&key=ignored&b=%20", (KEY, "x-one: 1", "x-one: 2", "X-Two: \xe9"), b""),
    (f"GET {ECHO}", (KEY, ORIGIN, "cookie: a=b"), b""),
    (f"GET {ECHO}", (KEY, BEARER + "{user}"), b""),
    (f"GET {ECHO}", (KEY, BEARER + "{stale}"), b""),
    (f"GET {ECHO}", ("x-bunbase-key: sk_nobodys", ORIGIN), b""),
    (f"POST {ECHO}", (KEY, "content-type: text/plain"), b"what was sent"),
    (f"PUT {ECHO}", (KEY,), b"\xff\x00"),
    (f"PATCH {ECHO}", (KEY,), b"{"),
    (f"DELETE {ECHO}", (KEY,), b""),
    (f"GET {ECHO}/below?a=1", (KEY,), b""),
    (f"POST {ECHO}/below/a.b/c~", (KEY,), b"x"),
    (f"PUT {ECHO}/below", (KEY,), b"x"),
    (f"PATCH {ECHO}/below", (KEY,), b"x"),
    (f"DELETE {ECHO}/below", (KEY,), b""),
    ("GET /v1/functions/empty", (KEY, ORIGIN), b""),
    ("POST /v1/functions/empty", (KEY,), b"x"),
    ("GET /v1/functions/missing", (KEY,), b""),
    ("GET /v1/functions/failing", (KEY, ORIGIN), b""),
    ("GET /v1/functions/sharing", (KEY, ORIGIN), b""),
    ("GET /v1/functions/sharing", (KEY, "origin: https://only.example", "cookie: a=b"), b""),
    ("POST /v1/functions/sharing", (KEY,), b"x"),
]

# The fast lane leaves these requests to the ordinary lane.
ORDINARY: list[tuple[str, Headers, bytes]] = [
    (f"GET {D1}", (), b""),
    (f"GET {D1}", ("x-bunbase-key:",), b""),
    (f"GET {D1}?key={PUBLISHABLE}", (), b""),
    (f"GET {D1}?key={PUBLISHABLE}", (KEY,), b""),
    (f"GET {D1}?x=1", (KEY,), b""),
    (f"GET {D1}?expand=a", (KEY,), b""),
    (f"GET {POSTS}?where=%7B%22a%22:%22%C3%A9%22%7D", (KEY,), b""),
    (f"GET {POSTS}?count=1", (KEY,), b""),
    (f"GET {POSTS}?where=", (KEY,), b""),
    (f"GET {POSTS}?where=%FF", (KEY,), b""),
    (f"GET {POSTS}?sort=a;b", (KEY,), b""),
    (f"POST {POSTS}/query?limit=1", (KEY,), b"{}"),
    (f"POST {POSTS}/query", (KEY,), b""),
    (f"GET {D1}/", (KEY,), b""),
    ("GET /v1/data/posts/d%31", (KEY,), b""),
    ("GET /v1/data/posts/a.b", (KEY,), b""),
    (f"GET {POSTS}/" + "i" * 65, (KEY,), b""),
    (f"GET {D1}/more", (KEY,), b""),
    (f"GET {D1}", (KEY, KEY), b""),
    (f"POST {POSTS}", (KEY, "idempotency-key: a", "idempotency-key: b"), b"{}"),
    (f"GET {D1}", (KEY, BEARER + "{user}", BEARER + "{stale}"), b""),
    (f"GET {D1}?key={PUBLISHABLE}&key={PUBLISHABLE}", (), b""),
    (f"GET {D1}", (KEY, "x-bunbase-explain: true"), b""),
    (f"GET {D1}", (KEY, "x-bunbase-as: usr_eve"), b""),
    (f"GET {ECHO}", (KEY, "x-bunbase-as: usr_eve"), b""),
    (f"GET {D1}", (KEY,), b"a body"),
    (f"GET {POSTS}?limit=0", (KEY,), b""),
    (f"GET {POSTS}?limit=501", (KEY,), b""),
    (f"GET {POSTS}?limit=1&limit=2", (KEY,), b""),
    (f"GET {POSTS}?where=%7B%7D&limit=x", (KEY,), b""),
    (f"OPTIONS {D1}", (ORIGIN, "access-control-request-method: PUT"), b""),
    (f"POST {D1}", (KEY,), b"{}"),
    (f"PUT {D1}", (KEY,), b""),
    (f"PUT {D1}", (KEY, "content-length: 0"), b""),
    ("GET /api/health", (), b""),
    ("GET /v1/data", (KEY,), b""),
    (f"GET {ECHO}/", (KEY,), b""),
    (f"GET {ECHO}/a%20b", (KEY,), b""),
    (f"GET {ECHO}/a//b", (KEY,), b""),
    (f"GET {ECHO}/a/../b", (KEY,), b""),
    (f"GET {ECHO}?project=prj_shop", (), b""),
    (f"GET {ECHO}?key={PUBLISHABLE}", (), b""),
    (f"OPTIONS {ECHO}", (KEY,), b""),
    (f"OPTIONS {ECHO}", (KEY, ORIGIN), b""),
    (f"OPTIONS {ECHO}", (KEY, ORIGIN, "access-control-request-method: PUT"), b""),
    (f"OPTIONS {D1}", (KEY, ORIGIN), b""),
    (f"HEAD {D1}", (KEY, ORIGIN), b""),
    (f"HEAD {D1}", (KEY, 'if-none-match: "1"'), b""),
    (f"HEAD {POSTS}?limit=1", (KEY,), b""),
    (f"HEAD {ECHO}/a", (KEY,), b""),
    ("HEAD /v1/functions/streaming", (KEY,), b""),
    ("HEAD /v1/functions/missing", (KEY,), b""),
    ("HEAD /nothing", (), b""),
    ("GET /v1//functions/echo/a", (KEY,), b""),
    ("GET /v1/functions//echo/a//b", (KEY,), b""),
    ("GET /v1/%66unctions/%65cho/%61", (KEY,), b""),
    ("GET /v1/functions%2Fecho/a", (KEY,), b""),
    ("GET //v1/data//posts/d1", (KEY,), b""),
    ("GET /v1/data%2Fposts/d1", (KEY,), b""),
    (f"POST {ECHO}", (KEY,), b""),
    (f"GET {ECHO}", (KEY, "upgrade: websocket", "connection: upgrade"), b""),
]


PRIVATE = "private, no-cache"  # Every answer has this Cache-Control, whatever its status.
VARIES = "Authorization, Cookie, Origin, X-Bunbase-As, X-Bunbase-Key, X-Bunbase-Project"
CACHED = {"GET /api/health": "no-store"}


@pytest.fixture(params=["any origin", "own origins"])
async def lanes(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[Served, Served]]:
    origins = ("*",) if request.param == "any origin" else ("https://app.example",)
    async with AsyncExitStack() as stack:
        fast = GatewaySettings(cors_origins=origins)
        ordinary = GatewaySettings(cors_origins=origins, fast_lane=False)
        yield (
            await stack.enter_async_context(served(tmp_path / "fast", fast)),
            await stack.enter_async_context(served(tmp_path / "ordinary", ordinary)),
        )


async def answers(lane: Served, line: str, headers: Headers, body: bytes) -> list[Reply]:
    """Send a request twice on one connection, because the gateway may not know its token the first time.

    After that, restore the documents.
    """
    async with lane.connected() as connection:
        replies = [await connection.ask(line, *headers, body=body) for _ in range(2)]
        if not line.startswith("GET"):
            for id in ("d1", "d2", "new"):
                await connection.ask(f"DELETE {POSTS}/{id}", KEY)
            await connection.ask(f"PUT {D1}", KEY, body=b'{"a":1}')
    return replies


@pytest.mark.parametrize(("table", "taken"), [(HOT, 2), (ORDINARY, 0)])
async def test_both_lanes_answer_every_listed_request_with_equal_bytes(
    lanes: tuple[Served, Served], table: list[tuple[str, Headers, bytes]], taken: int
) -> None:
    fast, ordinary = lanes
    users = FakeTenantAuth()
    tokens = {"user": users.token(), "stale": users.token(seconds=-5), "foreign": users.token("prj_library")}
    for lane in lanes:
        await lane.warm()

    for line, headers, body in table:
        sent = tuple(header.format(**tokens) for header in headers)
        before = fast.hot.taken
        here = await answers(fast, line, sent, body)
        there = await answers(ordinary, line, sent, body)

        assert [reply.settled() for reply in here] == [reply.settled() for reply in there], (line, headers, body[:99])
        around = 0 if line.startswith("GET") else 4
        assert fast.hot.taken - before == taken + around, (line, headers)
        for reply in here:
            assert reply.header("x-request-id")
            assert [value for name, value in reply.headers if name == "cache-control"] == [CACHED.get(line, PRIVATE)]
            assert bool(reply.header("etag")) == (("vary", VARIES) in reply.headers), line
            assert (b"request_id" not in reply.body) or reply.header("x-request-id").encode() in reply.body


async def test_both_lanes_stream_the_answer_of_a_function_with_equal_bytes(lanes: tuple[Served, Served]) -> None:
    heads, bodies = [], []
    for lane in lanes:
        async with lane.connected() as connection:
            connection.send(as_bytes("GET /v1/functions/streaming", KEY))
            head = await connection.reader.readuntil(b"\r\n\r\n")
            heads.append(sorted(line for line in head.lower().split(b"\r\n") if not line.startswith(CHANGING)))
            bodies.append(await connection.reader.readuntil(b"\r\n0\r\n\r\n"))
            again = await connection.ask(f"GET {ECHO}", KEY)
            assert again.status == 201

    assert heads[0] == heads[1]
    assert b"transfer-encoding: chunked" in heads[0]
    assert bodies[0] == bodies[1]


class Witness:
    """A Bundoc that records its Callers in `seen`."""

    def __init__(self) -> None:
        self.seen: list[Caller] = []

    async def get(self, caller: Caller, _collection: str, id: str, *_: Any) -> Document:
        self.seen.append(caller)
        return Document(id, 1, b"{}")


async def test_both_lanes_pass_the_same_caller_to_a_room(tmp_path: Path) -> None:
    token = BEARER + FakeTenantAuth().token()
    hops = "x-forwarded-for: 203.0.113.9, 127.0.0.1"
    seen = []

    for fast in (True, False):
        witness = Witness()
        settings = GatewaySettings(trusted_proxies=("127.0.0.1",), fast_lane=fast)
        async with served(tmp_path / str(fast), settings, bundoc=witness) as lane, lane.connected() as connection:
            for headers in ((KEY,), (KEY, token, "user-agent: " + "a" * 300), (KEY, token, hops)):
                for _ in range(2):
                    assert (await connection.ask(f"GET {D1}", *headers)).status == 200
        seen.append(witness.seen)

    assert seen[0] == seen[1]
    assert [caller.ip for caller in seen[0][-2:]] == ["203.0.113.9"] * 2
    assert seen[0][-1].end_user().uid == "usr_eve"


async def test_in_dev_mode_both_lanes_refuse_a_write_from_a_foreign_origin(tmp_path: Path) -> None:
    """The ordinary lane refuses a foreign Origin; the fast lane serves an Origin of this machine."""
    for fast in (True, False):
        async with served(tmp_path / str(fast), GatewaySettings(fast_lane=fast)) as lane:
            await lane.warm()
            async with lane.connected() as connection:
                taken = lane.hot.taken
                refused = await connection.ask(f"POST {POSTS}", KEY, "origin: https://evil.example", body=b"{}")
                foreign = lane.hot.taken - taken
                here = ("origin: http://localhost:5173", "content-type: application/json")
                own = await connection.ask(f"POST {POSTS}", KEY, *here, body=b"{}")

        assert (refused.status, msgspec.json.decode(refused.body)["code"]) == (403, "origin_refused")
        assert not refused.header("access-control-allow-origin")
        assert (own.status, own.header("access-control-allow-origin")) == (201, "http://localhost:5173")
        assert (foreign, lane.hot.taken - taken) == ((0, 1) if fast else (0, 0))


async def test_both_lanes_limit_invented_keys_and_still_serve_valid_ones(tmp_path: Path) -> None:
    """Each invented key causes a call to the room; a cached key causes no call."""
    for fast in (True, False):
        settings = GatewaySettings(fast_lane=fast, token_requests_per_minute=3)
        async with served(tmp_path / str(fast), settings) as lane, lane.connected() as connection:
            await lane.warm()
            answers = [await connection.ask(f"GET {D1}", f"x-bunbase-key: sk_{number}") for number in range(5)]
            known = await connection.ask(f"GET {D1}", KEY)

        assert [answer.status for answer in answers] == [401, 401, 401, 429, 429]
        assert int(answers[-1].header("retry-after")) >= 1
        assert known.status == 200
