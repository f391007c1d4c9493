"""Members of a project reach its documents through both lanes, and each of their writes is in the audit log."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bunbase.contracts.caller import Role
from bunbase.contracts.platform import Membership
from bunbase.gateway.settings import GatewaySettings
from tests.gateway.lanes import KEY, Connection, Reply, Served, served
from tests.gateway.others import ADA, BAKERY, FakeBunAuth

D1 = "/v1/data/posts/d1"
TOKEN = f"authorization: Bearer {FakeBunAuth().token(seconds=86400)}"  # The token lives longer than a run of all tests.
MEMBER = (TOKEN, f"x-bunbase-project: {BAKERY}")


@pytest.fixture(params=["both lanes", "the ordinary lane"])
async def gateway(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path, GatewaySettings(fast_lane=request.param == "both lanes")) as one:
        await one.warm()
        yield one


async def asked(gateway: Served, line: str, *headers: str, body: bytes = b"") -> Reply:
    async with gateway.connected() as connection:
        return await ask(connection, line, *headers, body=body)


async def ask(connection: Connection, line: str, *headers: str, body: bytes) -> Reply:
    return await connection.ask(line, *headers, body=body)


@pytest.mark.parametrize("query", ["", "?project=bakery"])
async def test_a_member_gets_the_same_answer_as_the_secret_key(gateway: Served, query: str) -> None:
    headers = (TOKEN,) if query else MEMBER

    member = await asked(gateway, f"GET {D1}{query}", *headers)
    server = await asked(gateway, f"GET {D1}", KEY)

    assert member.settled() == server.settled()
    assert member.status == 200


async def test_each_write_of_a_member_is_in_the_audit_log_without_its_values(gateway: Served) -> None:
    for line, body in (
        ("POST /v1/data/posts", b'{"_id":"new","secret":"apples"}'),
        (f"PUT {D1}", b'{"secret":"apples"}'),
        (f"PATCH {D1}", b'{"$set":{"other":"pears"}}'),
        ("POST /v1/commit", b'{"writes":[{"op":"delete","collection":"posts","id":"new"}]}'),
        (f"DELETE {D1}", b""),
    ):
        reply = await asked(gateway, line, *MEMBER, body=body)
        assert reply.status < 300, reply

    assert [
        (caller.developer.id, act.action, act.target or end.target, end.after)
        for caller, act, end in gateway.platform.entries
    ] == [
        (ADA, "document.write", "posts/new", {"op": "create", "rev": 1, "fields": ["secret"]}),
        (ADA, "document.write", "posts/d1", {"op": "put", "rev": 2, "fields": ["secret"]}),
        (ADA, "document.write", "posts/d1", {"op": "patch", "rev": 3, "fields": ["other"]}),
        (
            ADA,
            "document.write",
            "",
            {"op": "commit", "count": 1, "writes": [{"op": "delete", "collection": "posts", "id": "new", "rev": 0}]},
        ),
        (ADA, "document.write", "posts/d1", {"op": "delete"}),
    ]


async def test_reads_of_a_member_are_not_in_the_audit_log(gateway: Served) -> None:
    await asked(gateway, f"GET {D1}", *MEMBER)
    await asked(gateway, "POST /v1/data/posts/query", *MEMBER, body=b"{}")

    assert gateway.platform.entries == []


async def test_a_viewer_may_not_write_and_its_attempt_is_in_the_audit_log(gateway: Served) -> None:
    gateway.platform.roles[ADA, BAKERY] = Membership(ADA, BAKERY, "bakery", Role.VIEWER)

    refused = await asked(gateway, f"PUT {D1}", *MEMBER, body=b"{}")
    read = await asked(gateway, f"GET {D1}", *MEMBER)

    assert (refused.status, read.status) == (403, 200)
    assert [(act.action, act.target) for _, act, _ in gateway.platform.refusals] == [("document.write", "posts/d1")]


async def test_a_developer_who_is_no_member_does_not_find_the_project(gateway: Served) -> None:
    reply = await asked(gateway, f"GET {D1}", TOKEN, "x-bunbase-project: prj_library")

    assert reply.status == 404
    assert b"project_not_found" in reply.body


async def test_a_request_without_key_and_without_project_learns_what_to_send(gateway: Served) -> None:
    reply = await asked(gateway, f"GET {D1}", TOKEN)

    assert reply.status == 401
    assert b"X-Bunbase-Key" in reply.body
    assert b"X-Bunbase-Project" in reply.body


async def test_beside_a_key_the_named_project_does_not_count(gateway: Served) -> None:
    reply = await asked(gateway, f"GET {D1}?project=prj_library", KEY)

    assert reply.status == 200
