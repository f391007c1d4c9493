"""General clients, which were not written for BunBase, follow a live query with docs/live-protocol.md alone."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from httpx_sse import SSEError, aconnect_sse
from playwright.sync_api import Browser
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.e2e.browser import chromium
from tests.e2e.instance import Instance, poll
from tests.e2e.live.running import PROGRAMS, running
from tests.e2e.live_client import SUBPROTOCOL, Result
from tests.e2e.topologies.test_live import Project, project
from tests.e2e.topologies.test_live_http import in_url

__all__ = ("project",)
pytestmark = pytest.mark.usefixtures("in_one_process")
FOLLOW = (PROGRAMS / "follow.js").read_text()


def watches(topic: str) -> list[dict[str, Any]]:
    """Return two messages: a query that everybody may watch, and a query that the rules refuse."""
    return [
        {"t": "watch", "id": 1, "query": {"collection": "posts", "where": {"topic": topic}, "sort": ["n"]}},
        {"t": "watch", "id": 2, "query": {"collection": "hidden"}},
    ]


def follows(project: Project, topic: str, said: Callable[[], list[str]]) -> None:
    """Change the result of a client. `said`: the lines that the client has printed until now."""
    poll(lambda: "holds " in said() and "refused 2 rule_denied" in said(), 20, f"{said()}")
    project.put("posts", f"{topic}-b", topic=topic, n=2)
    poll(lambda: f"holds {topic}-b" in said(), 20, f"{said()}")
    project.put("posts", f"{topic}-a", topic=topic, n=1)
    poll(lambda: f"holds {topic}-a,{topic}-b" in said(), 20, f"{said()}")
    project.delete("posts", f"{topic}-b")
    poll(lambda: said()[-1] == f"holds {topic}-a", 20, f"{said()}")


class Follower:
    """The messages of the protocol, as a few lines of Python. `said` means the same as in programs/follow.js."""

    def __init__(self) -> None:
        self.results: dict[int, Result] = {}
        self.said: list[str] = []

    def take(self, text: str | bytes) -> None:
        found = json.loads(text)
        for message in found if isinstance(found, list) else [found]:
            match message["t"]:
                case "now":
                    self.results[message["id"]] = Result(message["g"], message["turn"], message["docs"])
                case "diff":
                    for result in self.results.values():
                        if result.g == message["g"] and message["turn"] > result.turn:
                            result.apply(message)
                case "at":
                    self.said.append("holds " + " ".join(",".join(one.ids) for one in self.results.values()))
                case "error":
                    self.said.append(f"refused {message['id']} {message['problem']['code']}")
                case "bye":
                    self.said.append(f"bye {message['code']} {message['problem']['code']}")


async def _socket(url: str, key: str, asked: list[dict[str, Any]], follower: Follower) -> None:
    async with connect(url.replace("http", "ws") + "/v1/live", subprotocols=[SUBPROTOCOL], proxy=None) as socket:
        for message in ({"t": "auth", "key": key}, *asked):
            await socket.send(json.dumps(message))
        try:
            async for text in socket:
                follower.take(text)
        except ConnectionClosed as closed:
            follower.said.append(f"closed {closed.rcvd.code if closed.rcvd else None}")


async def _events(url: str, key: str, asked: list[dict[str, Any]], follower: Follower) -> None:
    async with (
        httpx.AsyncClient(trust_env=False, timeout=60) as http,
        aconnect_sse(http, "POST", f"{url}/v1/live", json={"send": asked}, headers={"X-Bunbase-Key": key}) as source,
    ):
        try:
            async for event in source.aiter_sse():
                follower.take(event.data)
        except SSEError:
            problem = json.loads(await source.response.aread())
            follower.said.append(f"closed {source.response.status_code} {problem['code']}")


PYTHON = {
    "websockets": (_socket, ["bye auth invalid_key", "closed 4401"]),
    "httpx-sse": (_events, ["closed 401 invalid_key"]),
}


@contextmanager
def beside(work: Any) -> Iterator[None]:
    """Run a coroutine in a thread during the block."""
    loop = asyncio.new_event_loop()
    task = loop.create_task(work)
    thread = threading.Thread(target=lambda: loop.run_until_complete(asyncio.wait([task])))
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join()
        loop.close()
    assert task.cancelled() or task.exception() is None, task.exception()


@pytest.mark.parametrize("library", PYTHON)
def test_a_library_for_python_follows_a_query(project: Project, library: str) -> None:
    client, refused = PYTHON[library]
    follower, stranger = Follower(), Follower()

    with beside(client(project.instance.url, project.publishable, watches(library), follower)):
        follows(project, library, lambda: follower.said)
    with beside(client(project.instance.url, "pk_unknown", watches(library), stranger)):
        poll(lambda: stranger.said == refused, 20, f"{stranger.said}")


@pytest.mark.parametrize(
    ("library", "refused"), [("ws", ["bye auth invalid_key", "closed 4401"]), ("eventsource", ["closed"])]
)
def test_a_library_for_node_follows_a_query(project: Project, library: str, refused: list[str]) -> None:
    url, asked = project.instance.url, json.dumps(watches(library))

    with running("node", "node.mjs", library, url, project.publishable, asked) as said:
        follows(project, library, lambda: said)
    with running("node", "node.mjs", library, url, "pk_unknown", asked) as said:
        poll(lambda: said == refused, 20, f"{said}")


def test_curl_follows_a_query(project: Project) -> None:
    command = ["curl", "-sN", "-H", "Accept: text/event-stream", "-H", "Content-Type: application/json"]
    asked = ["-d", json.dumps({"send": watches("curl")}), f"{project.instance.url}/v1/live"]
    follower, taken = Follower(), 0

    with running(*command, "-H", f"X-Bunbase-Key: {project.publishable}", *asked) as lines:

        def said() -> list[str]:
            nonlocal taken
            new = lines[taken:]
            taken += len(new)
            for line in new:
                if line.startswith("data: "):
                    follower.take(line[6:])
            return follower.said

        follows(project, "curl", said)
    with running(*command, "-H", "X-Bunbase-Key: pk_unknown", *asked) as lines:
        poll(lambda: lines and json.loads(lines[0])["code"] == "invalid_key", 20, f"{lines}")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.mark.parametrize(
    ("library", "refused"), [("WebSocket", ["bye auth invalid_key", "closed 4401"]), ("EventSource", ["closed"])]
)
def test_a_page_without_a_library_follows_a_query(
    instance: Instance, project: Project, browser: Browser, library: str, refused: list[str]
) -> None:
    page = browser.new_context().new_page()
    page.goto(f"{instance.url}/api/health")  # An empty page of this origin would also work.
    page.evaluate(f"() => {{ {FOLLOW} }}")
    follow = "followSocket" if library == "WebSocket" else "followEvents"
    tell = "(line) => said.push(line)"
    begin = f"([key, watches]) => {{ window.said = []; {follow}({library}, location.origin, key, watches, {tell}); }}"

    page.evaluate(begin, [project.publishable, watches(library)])
    follows(project, library, lambda: page.evaluate("() => said"))
    page.evaluate(begin, ["pk_unknown", watches(library)])
    poll(lambda: page.evaluate("() => said") == refused, 20, f"{page.evaluate('() => said')}")
    page.close()


def test_an_event_source_reads_as_a_user_with_a_ticket(instance: Instance, project: Project) -> None:
    """The end of the URL is the same as in the guide: `ticket` and `q`, and no key."""
    ada = project.user("ada-stock")
    headers = {"X-Bunbase-Key": project.publishable, "Authorization": f"Bearer {ada['access_token']}"}
    ticket = instance.http.post("/v1/live/ticket", headers=headers).raise_for_status().json()["ticket"]
    project.put("notes", "stock", owner=ada["user"]["id"])

    asked = in_url({"t": "watch", "id": 1, "query": {"collection": "notes"}})
    url = f"{instance.url}/v1/live?ticket={ticket}&q={asked}"
    script = (
        'import { EventSource } from "eventsource";'
        "const events = new EventSource(process.argv[1]);"
        "events.onmessage = ({ data }) => [JSON.parse(data)].flat().forEach("
        '(one) => one.t === "now" && console.log(one.docs[0]._id));'
    )
    with running("node", "--input-type=module", "-e", script, url) as said:
        poll(lambda: said == ["stock"], 20, f"{said}")
