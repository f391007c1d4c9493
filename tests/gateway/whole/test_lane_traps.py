"""The fast lane with difficult clients: they pipeline, stall, send too much, use HTTP/1.0 or disconnect."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bunbase.contracts.bundoc.documents import Document, Page
from bunbase.contracts.bundoc.problems import DocumentExists
from bunbase.contracts.revocations import RevokedKind
from bunbase.gateway import fast_lane
from bunbase.pkg import metrics
from bunbase.pkg.http1.limits import Limits
from tests.gateway.lanes import KEY, Served, request, served
from tests.gateway.others import PUBLISHABLE
from tests.pkg.waiting import eventually

D1 = "/v1/data/posts/d1"
MAX_HEAD_BYTES = Limits().head_bytes


class SlowBundoc:
    """A Bundoc whose calls wait until `go_on` is set.

    `met` lists the ids of the calls that began to wait, and `left` the ids of the calls that were cancelled.
    """

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.met: list[str] = []
        self.left: list[str] = []

    def has_met(self, id: str) -> bool:
        return id in self.met

    async def get(self, _caller: Any, _collection: str, id: str, *_: Any) -> Document:
        if id.startswith("slow"):
            await self._wait(id)
        return Document(id, 1, f'{{"_id":"{id}"}}'.encode())

    async def put(self, _caller: Any, _collection: str, id: str, body: bytes, *_: Any) -> Document:
        await self._wait(id)
        return Document(id, 1, body)

    async def list(self, *_: Any) -> Page:
        return Page(b"[" + b" " * (4 << 20) + b"]")

    async def create(self, *_: Any) -> Document:
        await asyncio.sleep(0)
        raise DocumentExists("There is one.")

    async def delete(self, *_: Any) -> None:
        raise KeyError("a detail that nobody outside may see")

    async def _wait(self, id: str) -> None:
        self.met.append(id)
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.left.append(id)
            raise


@pytest.fixture
async def lane(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path) as lane:
        await lane.warm()
        yield lane


@pytest.fixture
async def slow(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path, bundoc=SlowBundoc()) as lane:
        async with lane.connected() as connection:
            await connection.ask("GET /v1/data/posts/warm", KEY)
        yield lane


async def test_pipelined_requests_are_answered_in_their_order(slow: Served) -> None:
    async with slow.connected() as connection:
        lines = ["GET /v1/data/a/slow", "GET /v1/data/a/x1", "GET /api/health", "GET /v1/data/a/x2", "GET /nowhere"]
        connection.send(b"".join(request(line, KEY) for line in lines))
        await eventually(lambda: slow.service.met == ["slow"])
        slow.service.go_on.set()
        replies = [await connection.reply() for _ in lines]

        assert [reply.status for reply in replies] == [200, 200, 200, 200, 404]
        assert [reply.body[:13] for reply in replies[:2]] == [b'{"_id":"slow"', b'{"_id":"x1"}']
        assert b'"ok"' in replies[2].body
        assert (await connection.ask("GET /v1/data/a/x3", KEY)).body == b'{"_id":"x3"}'


async def test_many_pipelined_reads_are_answered_in_their_order(lane: Served) -> None:
    async with lane.connected() as connection:
        connection.send(b"".join(request(f"GET {D1}", KEY, f"x-request-id: trace-{n:04}") for n in range(500)))

        replies = [await connection.reply() for _ in range(500)]

    assert [reply.header("x-request-id") for reply in replies] == [f"trace-{n:04}" for n in range(500)]


@pytest.mark.parametrize("turn_seconds", [60.0, -1.0])
async def test_requests_that_arrive_together_share_one_turn_of_the_loop_until_its_time_is_used_up(
    lane: Served, monkeypatch: pytest.MonkeyPatch, turn_seconds: float
) -> None:
    """Thousands of requests that arrive together block the loop for at most TURN_SECONDS.

    Only the first of them surely uses the fast lane.

    The kernel and SLICE_BYTES may cut the bytes into a few pieces, each of which has a first request.
    """
    monkeypatch.setattr(fast_lane, "TURN_SECONDS", turn_seconds)
    before = lane.hot.taken

    async with lane.connected() as connection:
        connection.send(b"".join(request(f"GET {D1}", KEY) for _ in range(200)))
        replies = [await connection.reply() for _ in range(200)]
        together = lane.hot.taken - before
        monkeypatch.undo()
        alone = await connection.ask(f"GET {D1}", KEY)

    assert [reply.status for reply in [*replies, alone]] == [200] * 201
    assert together == 200 if turn_seconds > 0 else 0 < together < 10
    assert lane.hot.taken - before == together + 1
    assert fast_lane.TURN_SECONDS == 0.01


async def test_the_fast_lane_takes_a_request_that_arrives_alone_however_busy_the_machine_is(
    lane: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operating system may stop the process for longer than TURN_SECONDS between the data and its parsing."""
    monkeypatch.setattr(fast_lane, "TURN_SECONDS", -1.0)
    before = lane.hot.taken

    async with lane.connected() as connection:
        for _ in range(3):
            assert (await connection.ask(f"GET {D1}", KEY)).status == 200

    assert lane.hot.taken - before == 3


async def test_a_request_that_arrives_byte_by_byte_is_answered(lane: Served) -> None:
    async with lane.connected() as connection:
        for byte in request(f"PUT {D1}", KEY, body=b'{"a":"slowly"}'):
            connection.send(bytes([byte]))
            await connection.writer.drain()
            await asyncio.sleep(0)

        reply = await connection.reply()

        assert (reply.status, reply.body[-14:]) == (200, b'"a":"slowly"}'[-14:].rjust(14, b","))


async def test_a_client_that_disconnects_cancels_its_read_but_not_its_write(slow: Served) -> None:
    for line, body in ((f"GET {D1[:-2]}slow-read", b""), (f"PUT {D1[:-2]}slow-write", b"{}")):
        async with slow.connected() as connection:
            connection.send(request(line, KEY, body=body))
            await eventually(partial(slow.service.has_met, line.rpartition("/")[2]))

    await eventually(lambda: slow.service.left == ["slow-read"])
    slow.service.go_on.set()
    async with slow.connected() as connection:
        assert (await connection.ask("GET /v1/data/posts/warm", KEY)).status == 200
    assert slow.service.left == ["slow-read"]


async def test_a_body_that_is_too_large_is_refused(lane: Served) -> None:
    async with lane.connected() as connection:
        connection.send(request(f"PUT {D1}", KEY, f"content-length: {(2 << 20) + 1}"))
        connection.send(b"x" * ((2 << 20) + 1))

        reply = await connection.reply()

    assert (reply.status, b"payload_too_large" in reply.body) == (413, True)


@pytest.mark.parametrize(
    "headers",
    [
        ("content-length: 5x",),
        ("content-length: -1",),
        ("content-length: 2", "content-length: 3"),
        ("content-length: 2", "transfer-encoding: chunked"),
        ("a header without a colon",),
    ],
)
async def test_an_invalid_request_gets_400_and_closes_the_connection(lane: Served, headers: tuple[str, ...]) -> None:
    async with lane.connected() as connection:
        connection.send(request(f"PUT {D1}", KEY, *headers) + b"{}")
        reply = await connection.reply()

        assert (reply.status, reply.header("content-type")) == (400, "application/problem+json")
        assert b"malformed_request" in reply.body
        assert reply.header("connection") == "close"
        assert await connection.ended() == b""


async def test_a_chunked_body_is_read_by_the_ordinary_lane(lane: Served) -> None:
    taken = lane.hot.taken
    async with lane.connected() as connection:
        connection.send(request(f"PUT {D1}", KEY, "transfer-encoding: chunked") + b'7\r\n{"a":3}\r\n0\r\n\r\n')

        assert (await connection.reply()).body.endswith(b'"a":3}')
    assert lane.hot.taken == taken


@pytest.mark.parametrize(
    ("version", "close"), [("1.0", ""), ("1.1", "connection: close\r\n"), ("1.1", "connection: te,\tclose\t\r\n")]
)
async def test_a_request_with_connection_close_is_answered_and_the_connection_closes(
    lane: Served, version: str, close: str
) -> None:
    taken = lane.hot.taken
    async with lane.connected() as connection:
        connection.send(f"GET {D1} HTTP/{version}\r\nhost: test\r\n{KEY}\r\n{close}\r\n".encode())
        reply = await connection.reply()

        assert (reply.status, reply.header("connection")) == (200, "close")
        assert await connection.ended() == b""
    assert lane.hot.taken == taken


async def test_a_client_that_expects_100_continue_receives_it(lane: Served) -> None:
    async with lane.connected() as connection:
        connection.send(request(f"PUT {D1}", KEY, "expect: 100-continue", "content-length: 7"))
        assert (await connection.reply()).status == 100
        connection.send(b'{"a":4}')

        assert (await connection.reply()).body.endswith(b'"a":4}')


async def test_a_request_for_an_upgrade_is_left_to_the_ordinary_lane(lane: Served) -> None:
    taken = lane.hot.taken
    async with lane.connected() as connection:
        reply = await connection.ask(f"GET {D1}", KEY, "connection: upgrade", "upgrade: websocket")

    assert (reply.status, lane.hot.taken) == (200, taken)


@pytest.mark.parametrize("bomb", [f"x-bomb: {'x' * MAX_HEAD_BYTES * 2}", "a: b\r\n" * MAX_HEAD_BYTES])
async def test_headers_that_are_too_large_get_431(lane: Served, bomb: str) -> None:
    async with lane.connected() as connection:
        connection.send(f"GET {D1} HTTP/1.1\r\n{bomb}".encode())
        reply = await connection.reply()

    assert (reply.status, b"headers_too_large" in reply.body) == (431, True)


async def test_a_request_that_arrives_too_slowly_gets_408_and_closes_the_connection(tmp_path: Path) -> None:
    async with served(tmp_path, read_seconds=0.05) as lane:
        for beginning in (b"GET /v1/da", request(f"PUT {D1}", KEY, "content-length: 9") + b"{"):
            async with lane.connected() as connection:
                connection.send(beginning)
                reply = await connection.reply()

                assert (reply.status, reply.header("connection")) == (408, "close")
                assert b"request_stalled" in reply.body
                assert await connection.ended() == b""


async def test_an_idle_connection_is_closed_after_the_keep_alive_time(tmp_path: Path) -> None:
    async with served(tmp_path, idle_seconds=0.05) as lane, lane.connected() as connection:
        assert (await connection.ask("GET /v1/data/posts/d1", KEY)).status == 404

        assert await connection.ended() == b""


async def test_an_answer_may_take_longer_than_the_keep_alive_time(tmp_path: Path) -> None:
    async with served(tmp_path, idle_seconds=0.05, bundoc=SlowBundoc()) as lane, lane.connected() as connection:
        connection.send(request("GET /v1/data/posts/slow", KEY))
        await eventually(lambda: lane.service.met == ["slow"])
        asyncio.get_running_loop().call_later(0.2, lane.service.go_on.set)

        assert (await connection.reply()).status == 200


async def test_a_client_that_reads_slowly_still_gets_every_answer(slow: Served) -> None:
    async with slow.connected() as connection:
        connection.send(request("GET /v1/data/posts", KEY) * 20)  # Each answer has 4 MiB.
        first = await connection.reply()
        taken = slow.hot.taken
        rest = [await connection.reply() for _ in range(19)]

    assert {len(reply.body) for reply in [first, *rest]} == {(4 << 20) + 2}
    assert taken < 20  # When the socket was full, the ordinary lane took over, which waits until the client reads.


async def test_a_stopping_server_waits_for_a_running_request(tmp_path: Path) -> None:
    async with served(tmp_path, bundoc=SlowBundoc()) as lane:
        reader, writer = await asyncio.open_connection(*lane.address)
        writer.write(request(f"PUT {D1}", KEY, body=b"{}"))
        await eventually(lambda: lane.service.met == ["d1"])
        asyncio.get_running_loop().call_later(0.5, lane.service.go_on.set)  # By then, the server has begun to stop.

    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"connection: close" in answer


async def test_late_errors_and_bugs_are_answered_as_problems(slow: Served) -> None:
    async with slow.connected() as connection:
        late = await connection.ask("POST /v1/data/posts", KEY, body=b"{}")
        bug = await connection.ask(f"DELETE {D1}", KEY)

    assert (late.status, b"document_exists" in late.body) == (409, True)
    assert (bug.status, b'"internal"' in bug.body, b"nobody outside" in bug.body) == (500, True, False)
    assert bug.header("x-request-id").encode() in bug.body


async def test_requests_of_both_lanes_are_counted_in_the_same_metric(lane: Served) -> None:
    def counted() -> int:
        return metrics.http_requests.of("GET", "/v1/data/{collection}/{id}", 200).count

    before = counted()
    async with lane.connected() as connection:
        await connection.ask(f"GET {D1}", KEY)
        await connection.ask(f"GET {D1}", KEY, "connection: close")

    await eventually(lambda: counted() == before + 2)


async def test_the_fast_lane_refuses_a_revoked_key(lane: Served) -> None:
    async with lane.connected() as connection:
        assert (await connection.ask(f"GET {D1}", KEY)).status == 200
        lane.platform.holders.clear()
        lane.platform.tell(RevokedKind.KEY, "key_s")
        await eventually(lambda: len(lane.lane.identity.holders) == 0 if lane.lane else False)

        assert (await connection.ask(f"GET {D1}", KEY)).status == 401


async def test_each_request_of_a_connection_is_checked_with_its_own_key(lane: Served) -> None:
    async with lane.connected() as connection:
        allowed = await connection.ask(f"GET {D1}", KEY)
        refused = await connection.ask(f"GET {D1}", f"x-bunbase-key: {PUBLISHABLE}")
        unknown = await connection.ask(f"GET {D1}", "x-bunbase-key: sk_of_nobody")
        again = await connection.ask(f"GET {D1}", KEY)

    assert [allowed.status, refused.status, unknown.status, again.status] == [200, 404, 401, 200]


async def test_each_request_of_a_connection_is_checked_with_its_own_token(lane: Served) -> None:
    token = lane.tenant_auth.token()

    async with lane.connected() as connection:
        anonymous = await connection.ask(f"GET {D1}", KEY)
        signed_in = await connection.ask(f"GET {D1}", KEY, f"authorization: Bearer {token}")
        pretender = await connection.ask(f"GET {D1}", KEY, "authorization: Bearer of.no.worth")

    assert [anonymous.status, signed_in.status, pretender.status] == [200, 200, 401]


async def test_while_the_feed_of_revocations_is_silent_the_lane_asks_the_room_for_each_request(lane: Served) -> None:
    async with lane.connected() as connection:
        assert (await connection.ask(f"GET {D1}", KEY)).status == 200
        lane.platform.holders.clear()
        assert lane.lane is not None
        lane.lane.identity.changed_projects.ready.clear()

        assert (await connection.ask(f"GET {D1}", KEY)).status == 401
