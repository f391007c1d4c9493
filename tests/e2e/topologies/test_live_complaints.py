"""Complaints about other live servers that need a whole BunBase. tests/e2e/live/complaints.py lists all of them."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import asyncpg
import httpx
import pytest
from websockets.exceptions import WebSocketException

from tests.bundoc.live.searches import SECONDS
from tests.e2e.instance import Instance
from tests.e2e.live.wire import LINES, Client, Gone, Held, Message
from tests.e2e.live_client import LiveClient, Result
from tests.e2e.topologies.conftest import ROOT
from tests.e2e.topologies.test_live import Project, connected, project
from tests.sdk_js.fault_proxy import serving
from tests.sdk_python.cutting_proxy import CuttingProxy

__all__ = ("connected", "project")
Connect = Callable[..., LiveClient]
# These tests show the protocol, which is the same in all topologies.
IN_ONE = pytest.mark.usefixtures("in_one_process")
IN_FIVE = pytest.mark.usefixtures("in_five_processes")


@pytest.fixture(scope="module")
def proxy(instance: Instance) -> Iterator[CuttingProxy]:
    with serving(CuttingProxy(instance.url)) as proxy:
        yield proxy


def commit(project: Project, *writes: dict[str, Any]) -> None:
    reply = project.instance.http.post("/v1/commit", json={"writes": writes}, headers=project.headers)
    reply.raise_for_status()


def put(collection: str, id: str, **data: Any) -> dict[str, Any]:
    return {"op": "put", "collection": collection, "id": id, "data": data}


@IN_ONE
def test_complaint_1_nothing_is_lost_when_the_connection_is_cut_at_any_byte(
    project: Project, proxy: CuttingProxy
) -> None:
    query = {"collection": "posts", "where": {"topic": "cut"}, "sort": ["n"], "limit": 3}
    draw, held, at, resumed = random.Random(1), Result(), "", 0

    for number in range(12):
        with proxy.lock:
            proxy.cuts, proxy.after_bytes = 1, draw.randrange(100, 1500)
        with suppress(OSError, WebSocketException, AssertionError):
            client = LiveClient(proxy.url)
            client.at, before = "", held.told
            client.results[1] = held
            client.sign_in(project.secret)
            resume = {"at": at, "g": held.g, "have": held.ids} if at else {}
            client.send({"t": "watch", "id": 1, "query": query, **resume})
            for n in range(4):
                project.put("posts", f"cut{draw.randrange(6)}", topic="cut", n=draw.randrange(5), step=[number, n])
                client.read(0.05)
            while client.read(0.2):
                pass
        client.close()
        held = client.results[1]
        resumed += held.told > before and bool(at)
        at = client.at or at

    client = LiveClient(project.instance.url, project.secret)
    client.results[1] = held
    client.send({"t": "watch", "id": 1, "query": query, "at": at, "g": held.g, "have": held.ids})
    client.until(lambda: client.at)
    asked = {name: value for name, value in query.items() if name != "collection"}
    wanted = project.instance.http.post("/v1/data/posts/query", json=asked, headers=project.headers)
    assert client.results[1].docs == wanted.raise_for_status().json()["items"]
    assert resumed > 2
    client.close()


@IN_ONE
def test_complaint_15_a_commit_of_five_hundred_writes_is_one_frame(project: Project, connected: Connect) -> None:
    client = connected()
    result = client.watch(1, "posts", where={"topic": "five hundred"}, limit=500, count=True)
    sizes = set[int]()

    def counted(n: int) -> bool:
        sizes.add(len(result.docs))
        return result.n == n

    commit(project, *[put("posts", f"f{n:03d}", topic="five hundred", n=n) for n in range(500)])
    client.until(lambda: counted(500))
    commit(project, *[{"op": "delete", "collection": "posts", "id": f"f{n:03d}"} for n in range(500)])
    client.until(lambda: counted(0))

    assert result.told == 3
    assert sizes == {0, 500}


@IN_FIVE
def test_complaint_16_one_commit_over_three_collections_moves_five_queries_at_one_barrier(
    project: Project, connected: Connect
) -> None:
    client, seen = connected(), set[tuple[int, ...]]()
    asked: list[tuple[str, dict[str, Any]]] = [
        ("posts", {"limit": 5}),
        ("posts", {"count": True}),
        ("notes", {}),
        ("tasks", {}),
        ("tasks", {"limit": 2}),
    ]
    project.rules("tasks", {"list": "true"})
    results = [
        client.watch(number, name, where={"topic": "pair"}, **more) for number, (name, more) in enumerate(asked, 1)
    ]

    for n in range(1, 6):
        before = client.barriers
        commit(project, *[put(name, f"pair{n}", topic="pair") for name in ("posts", "notes", "tasks")])
        client.until(partial(lambda at: client.barriers > at, before))
        seen.add(tuple(len(result.docs) for result in results))

    assert seen == {(n, n, n, n, min(n, 2)) for n in range(1, 6)}


@IN_ONE
def test_complaint_33_a_resume_of_a_thousand_documents_costs_what_has_changed(
    project: Project, connected: Connect
) -> None:
    ids = [f"k{n:03d}" for n in range(1000)]
    for part in (ids[:500], ids[500:]):
        commit(project, *[put("posts", id, topic="thousand", text="x" * 100) for id in part])
    query = {"collection": "posts", "where": {"topic": "thousand"}}
    client = connected()
    held = client.watch(1, "posts", where=query["where"])
    at, whole = client.at, len(client.raw)
    client.close()
    commit(project, *[{"op": "delete", "collection": "posts", "id": id} for id in ids[::10] + ids[1::10] + ids[2::10]])

    again = connected()
    again.results[1] = held
    again.send({"t": "watch", "id": 1, "query": query, "at": at, "g": held.g, "have": held.ids})
    again.until(lambda: again.at)

    assert held.ids == [id for n, id in enumerate(ids) if n % 10 > 2]
    assert '"put":[[' not in again.raw
    assert len(again.raw) < 300 * 10 + 500 < whole / 10


class Hearing(Client):
    """A client that keeps all messages."""

    said = ""

    def take(self, message: Message) -> None:
        self.said += json.dumps(message)
        super().take(message)

    @property
    def silenced(self) -> bool:
        return self.revoked or self.gone.is_set()


Act = Callable[[httpx.AsyncClient, dict[str, Any]], Awaitable[Any]]


async def log_out(http: httpx.AsyncClient, who: dict[str, Any]) -> None:
    headers = {"X-Bunbase-Key": who["key"], "Authorization": f"Bearer {who['token']}"}
    answer = await http.post("/v1/auth/logout", json={"refresh_token": who["refresh"]}, headers=headers)
    answer.raise_for_status()


async def ban(http: httpx.AsyncClient, who: dict[str, Any]) -> None:
    answer = await http.patch(f"/v1/auth/users/{who['uid']}", json={"banned": True}, headers=who["server"])
    answer.raise_for_status()


async def change_role(http: httpx.AsyncClient, who: dict[str, Any]) -> None:
    answer = await http.patch(f"/v1/auth/users/{who['uid']}", json={"role": "nobody"}, headers=who["server"])
    answer.raise_for_status()


async def delete_user(http: httpx.AsyncClient, who: dict[str, Any]) -> None:
    (await http.delete(f"/v1/auth/users/{who['uid']}", headers=who["server"])).raise_for_status()


async def revoke_key(http: httpx.AsyncClient, who: dict[str, Any]) -> None:
    path = f"/api/projects/{who['project']}/keys/{who['key_id']}"
    (await http.delete(path, headers=who["developer"])).raise_for_status()


@IN_FIVE
@pytest.mark.parametrize("act", [ban, change_role, revoke_key, *((log_out, delete_user) if SECONDS else ())])
def test_complaint_7_nothing_is_told_after_a_revocation_on_any_transport(
    instance: Instance, project: Project, act: Act
) -> None:
    asyncio.run(_is_silent_after(act, instance, project))


async def _is_silent_after(act: Act, instance: Instance, project: Project) -> None:
    name = act.__name__.replace("_", "-")
    async with httpx.AsyncClient(base_url=instance.url, timeout=40, trust_env=False) as http:
        login = (await http.post("/api/auth/login", json=ROOT)).raise_for_status().json()
        developer = {"Authorization": f"Bearer {login['access_token']}"}
        made = await http.post(
            f"/api/projects/{project.id}/keys", json={"kind": "publishable", "name": name}, headers=developer
        )
        key = made.raise_for_status().json()
        user = project.user(f"silent-{name}")
        who = {
            "project": project.id,
            "server": project.headers,
            "developer": developer,
            "key": key["key"],
            "key_id": key["id"],
            "uid": user["user"]["id"],
            "token": user["access_token"],
            "refresh": user["refresh_token"],
        }
        query = {"query": {"collection": "notes", "where": {"topic": name}}}
        auth = {"key": key["key"], "token": who["token"]}
        clients = [Hearing(LINES[transport](http), auth, lambda _client: None) for transport in LINES]
        control = Hearing(LINES["websocket"](http), {"key": project.secret}, lambda _client: None)
        try:
            for client in (*clients, control):
                await client.open()
                await client.watch(1, Held(query, []), {})
            await asyncio.to_thread(project.put, "notes", name, owner=who["uid"], topic=name, text="early")
            await _until(lambda: all("early" in client.said for client in (*clients, control)))

            await act(http, who)
            await _until(lambda: all(client.silenced for client in clients))
            await asyncio.to_thread(project.put, "notes", name, owner=who["uid"], topic=name, text="too late")
            await _until(lambda: "too late" in control.said)
            await asyncio.sleep(0.3)

            assert not [client.said for client in clients if "too late" in client.said]
            with suppress(Gone):
                await clients[0].watch(2, Held(query, []), {})
                await asyncio.sleep(0.2)
            assert "too late" not in clients[0].said
        finally:
            for client in (*clients, control):
                await client.cut()


async def _until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.02)


@IN_FIVE
def test_complaint_32_postgresql_is_not_notified_of_changes_and_messages(
    instance: Instance, project: Project, connected: Connect
) -> None:
    """A listener inside a transaction would make PostgreSQL keep all notifications; PostgreSQL reports their number."""
    client = connected()
    result = client.watch(1, "posts", where={"topic": "notified"}, count=True)
    messages = {"messages": [{"channel": "notified", "data": n} for n in range(100)]}
    address = instance.commands["front"][1]["DATABASE_URL"]

    def work() -> None:
        for n in range(100):
            project.put("posts", f"notified{n}", topic="notified")
            if n % 20 == 0:
                reply = instance.http.post("/v1/channels/publish", json=messages, headers=project.headers)
                reply.raise_for_status()
        client.until(lambda: result.n == 100)

    async def queued() -> tuple[float, float, float]:
        listening, other = await asyncpg.connect(address), await asyncpg.connect(address)
        try:
            await listening.execute("LISTEN nothing")
            await listening.execute("BEGIN")
            before = await other.fetchval("SELECT pg_notification_queue_usage()")
            await asyncio.to_thread(work)
            after = await other.fetchval("SELECT pg_notification_queue_usage()")
            await other.execute("SELECT pg_notify('anybody', repeat('x', 60) || n) FROM generate_series(1, 400) AS n")
            return before, after, await other.fetchval("SELECT pg_notification_queue_usage()")
        finally:
            await listening.close()
            await other.close()

    before, after, noticed = asyncio.run(queued())
    assert noticed > after
    assert after == before
