"""Permission rules on a real socket: both lanes show the same documents and send the same refusals."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import msgspec

from bunbase.contracts.bundoc.collections import CollectionSpec, IndexSpec, Rules
from bunbase.gateway.settings import GatewaySettings
from tests.gateway.lanes import KEY, Served, served
from tests.gateway.others import BAKERY, PUBLISHABLE, FakeTenantAuth
from tests.rooms import secret_caller

PUBLIC = f"x-bunbase-key: {PUBLISHABLE}"
POSTS = "/v1/data/posts"
RULES = Rules(
    list="auth.uid == doc.owner",
    get="auth.uid == doc.owner || doc.open == true",
    create="next.owner == auth.uid",
    update="doc.owner == auth.uid",
    hidden={"note": "auth.uid != doc.owner"},
)
ASKED = [
    (f"GET {POSTS}/mine", b""),
    (f"GET {POSTS}/open", b""),
    (f"GET {POSTS}/theirs", b""),
    (f"GET {POSTS}/gone", b""),
    (f"GET {POSTS}", b""),
    (f"GET {POSTS}?limit=1", b""),
    (f"GET {POSTS}?limit=100", b""),
    (f"GET {POSTS}?where=%7B%22n%22:1%7D&count=true", b""),
    (f"GET {POSTS}?sort=note", b""),
    ("GET /v1/data/nothing", b""),
    ("GET /v1/data/nothing/x", b""),
    (f"POST {POSTS}", b'{"owner":"usr_bob"}'),
    (f"PUT {POSTS}/mine", b'{"owner":"usr_eve","n":1,"note":"n"}'),
    (f"PUT {POSTS}/theirs", b'{"owner":"usr_eve"}'),
    (f"PATCH {POSTS}/open", b'{"n":2}'),
    (f"PATCH {POSTS}/theirs", b'{"n":2}'),
    (f"PATCH {POSTS}/gone", b'{"n":2}'),
    (f"DELETE {POSTS}/theirs", b""),
    (f"DELETE {POSTS}/mine", b""),
]


async def fill(lane: Served) -> None:
    spec = CollectionSpec((IndexSpec(("owner",)),), rules=RULES)
    await lane.service.put_collection(secret_caller(BAKERY), "posts", spec)
    async with lane.connected() as connection:
        for id, owner in (("mine", "usr_eve"), ("open", "usr_bob"), ("theirs", "usr_bob")):
            body = msgspec.json.encode({"owner": owner, "open": id == "open", "n": 1, "note": f"of {owner}"})
            assert (await connection.ask(f"PUT {POSTS}/{id}", KEY, body=body)).status == 201


async def test_rules_allow_and_deny_the_same_requests_in_both_lanes(tmp_path: Path) -> None:
    bearer = f"authorization: Bearer {FakeTenantAuth().token()}"
    async with AsyncExitStack() as stack:
        lanes = [
            await stack.enter_async_context(served(tmp_path / name, GatewaySettings(fast_lane=name == "fast")))
            for name in ("fast", "ordinary")
        ]
        for lane in lanes:
            await fill(lane)
        fast, ordinary = [await stack.enter_async_context(lane.connected()) for lane in lanes]
        statuses = []
        for line, body in ASKED:
            for headers in ((PUBLIC, bearer), (PUBLIC,)):
                here = await fast.ask(line, *headers, body=body)
                there = await ordinary.ask(line, *headers, body=body)

                assert here.settled() == there.settled(), (line, headers)
                assert b"of usr_bob" not in here.body, line
                statuses.append(here.status)

        assert lanes[0].hot.taken > len(ASKED)
    assert statuses[::2] == [
        200,
        200,
        404,
        404,
        200,
        200,
        200,
        200,
        400,
        403,
        404,
        403,
        200,
        403,
        403,
        404,
        404,
        404,
        403,
    ]
    assert set(statuses[1::2]) == {200, 400, 403, 404}


async def test_in_dev_mode_a_denial_with_the_explain_header_has_a_trace(tmp_path: Path) -> None:
    bearer = f"authorization: Bearer {FakeTenantAuth().token()}"
    async with served(tmp_path) as lane, lane.connected() as connection:
        await fill(lane)
        taken = lane.hot.taken

        reply = await connection.ask(f"GET {POSTS}/theirs", PUBLIC, bearer, "x-bunbase-explain: true")

        problem = msgspec.json.decode(reply.body)
        assert (reply.status, problem["code"], problem["rule"]) == (404, "document_not_found", "get")
        assert problem["trace"][-1]["value"] is False
        assert lane.hot.taken == taken


async def test_a_document_with_hidden_fields_has_another_etag_than_the_whole_document(tmp_path: Path) -> None:
    """A cache that revalidates must not serve one reader's view to another."""
    bearer = f"authorization: Bearer {FakeTenantAuth().token()}"
    for fast in (True, False):
        async with (
            served(tmp_path / str(fast), GatewaySettings(fast_lane=fast)) as lane,
            lane.connected() as connection,
        ):
            await fill(lane)
            whole = await connection.ask(f"GET {POSTS}/open", KEY)
            masked = await connection.ask(f"GET {POSTS}/open", PUBLIC)
            owners = await connection.ask(f"GET {POSTS}/mine", PUBLIC, bearer)
            crossed = await connection.ask(f"GET {POSTS}/open", PUBLIC, f"if-none-match: {whole.header('etag')}")
            own = await connection.ask(f"GET {POSTS}/open", PUBLIC, f"if-none-match: {masked.header('etag')}")
            patched = await connection.ask(
                f"PATCH {POSTS}/open", KEY, f"if-match: {masked.header('etag')}", body=b'{"n":2}'
            )
            again = await connection.ask(f"GET {POSTS}/open", PUBLIC, f"if-none-match: {masked.header('etag')}")

        assert whole.header("etag") == owners.header("etag") == '"1"'
        assert masked.header("etag").startswith('"1-')
        assert b"note" not in masked.body
        assert (crossed.status, crossed.body) == (200, masked.body)
        assert (own.status, own.header("etag")) == (304, masked.header("etag"))
        assert (patched.status, patched.header("etag")) == (200, '"2"')
        assert again.status == 200
        for reply in (whole, masked, own):
            assert reply.header("cache-control") == "private, no-cache"
            assert (
                reply.header("vary") == "Authorization, Cookie, Origin, X-Bunbase-As, X-Bunbase-Key, X-Bunbase-Project"
            )
