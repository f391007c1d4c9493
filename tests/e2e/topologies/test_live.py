"""Live queries over WebSocket, with all rooms in one process and in five."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.e2e.instance import Instance, poll
from tests.e2e.live_client import LiveClient
from tests.e2e.topologies.conftest import ROOT

OWNED = {"list": "auth != null && doc.owner == auth.uid", "get": "auth != null && doc.owner == auth.uid"}
OPEN = {"list": "true", "get": "true"}


@dataclass
class Project:
    """A project with the collections `posts`, which everybody may read, and `notes`, which belong to their owners."""

    instance: Instance
    id: str
    secret: str
    publishable: str
    secret_id: str = ""

    def __post_init__(self) -> None:
        self.headers = {"X-Bunbase-Key": self.secret}

    def put(self, collection: str, id: str, **document: Any) -> httpx.Response:
        reply = self.instance.http.put(f"/v1/data/{collection}/{id}", json=document, headers=self.headers)
        return reply.raise_for_status()

    def delete(self, collection: str, id: str) -> None:
        self.instance.http.delete(f"/v1/data/{collection}/{id}", headers=self.headers).raise_for_status()

    def rules(self, collection: str, rules: dict[str, str]) -> None:
        reply = self.instance.http.put(f"/v1/collections/{collection}", json={"rules": rules}, headers=self.headers)
        reply.raise_for_status()

    def user(self, name: str) -> dict[str, Any]:
        """Sign a new user up. Return the answer, with tokens."""
        reply = self.instance.http.post(
            "/v1/auth/signup",
            json={"email": f"{name}@example.com", "password": "correct horse battery"},
            headers={"X-Bunbase-Key": self.publishable},
        )
        answer: dict[str, Any] = reply.raise_for_status().json()
        return answer


@pytest.fixture(scope="module")
def project(instance: Instance) -> Project:
    login = instance.http.post("/api/auth/login", json=ROOT).raise_for_status().json()
    developer = {"Authorization": f"Bearer {login['access_token']}"}
    made = instance.http.post("/api/projects", json={"name": "Live"}, headers=developer).raise_for_status().json()
    keys = {key["kind"]: key for key in made["keys"]}
    project = Project(instance, made["id"], keys["secret"]["key"], keys["publishable"]["key"], keys["secret"]["id"])
    project.rules("posts", OPEN)
    project.rules("notes", OWNED)
    return project


Connect = Callable[..., LiveClient]


@pytest.fixture
def connected(instance: Instance, project: Project) -> Iterator[Connect]:
    """Return a function that connects a client: with the secret key, or as the user of a token."""
    clients: list[LiveClient] = []

    def connect(token: str = "", key: str = "", **options: Any) -> LiveClient:
        key = key or (project.publishable if token else project.secret)
        clients.append(LiveClient(instance.url, key, token, **options))
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


def test_a_client_holds_the_result_of_its_query_after_each_write(project: Project, connected: Connect) -> None:
    project.put("posts", "a", n=1, topic="x")
    project.put("posts", "b", n=2, topic="x")
    client = connected()
    result = client.watch(1, "posts", where={"topic": "x"}, sort=["-n"], limit=2, count=True)
    assert (result.ids, result.n) == (["b", "a"], 2)

    project.put("posts", "c", n=3, topic="x")
    client.until(lambda: result.n == 3)

    assert result.ids == ["c", "b"]
    project.delete("posts", "c")
    client.until(lambda: result.ids == ["b", "a"])
    project.put("posts", "b", n=2, topic="y")
    client.until(lambda: result.ids == ["a"])
    assert client.barriers >= 4


def test_complaint_3_a_stranger_hears_nothing_of_documents_that_the_rules_hide(
    project: Project, connected: Connect
) -> None:
    ada, eve = project.user("ada-3"), project.user("eve-3")
    watching, stranger = connected(ada["access_token"]), connected(eve["access_token"])
    mine, theirs = watching.watch(1, "notes"), stranger.watch(1, "notes")

    project.put("notes", "note-of-ada", owner=ada["user"]["id"], text="the secret of Ada")
    watching.until(lambda: mine.ids == ["note-of-ada"])
    project.delete("notes", "note-of-ada")
    watching.until(lambda: mine.ids == [])

    stranger.quiet(0.3)
    assert "note-of-ada" not in stranger.raw
    assert "secret" not in stranger.raw
    assert theirs.docs == []


def test_complaint_2_a_document_that_leaves_the_rule_is_removed(project: Project, connected: Connect) -> None:
    ada = project.user("ada-2")
    client = connected(ada["access_token"])
    project.put("notes", "n2", owner=ada["user"]["id"], text="mine")
    result = client.watch(1, "notes")
    assert result.ids == ["n2"]

    project.put("notes", "n2", owner="somebody", text="hidden from now on")

    client.until(lambda: result.ids == [])
    assert "hidden from now on" not in client.raw


def test_one_document_is_watched_under_the_rule_get(project: Project, connected: Connect) -> None:
    client = connected()
    client.send({"t": "watch", "id": 7, "doc": {"collection": "posts", "id": "one"}})
    result = client.started(7)
    assert result.docs == []

    project.put("posts", "one", text="hello")
    client.until(lambda: result.docs)

    assert result.docs[0]["text"] == "hello"


def test_complaint_14_the_same_query_twice_costs_one_diff(project: Project, connected: Connect) -> None:
    client = connected()
    first = client.watch(1, "posts", where={"topic": "twice"})
    second = client.watch(2, "posts", where={"topic": "twice"})
    assert first.g == second.g

    project.put("posts", "twice", topic="twice", text="only once on the wire")
    client.until(lambda: first.ids == ["twice"] and second.ids == ["twice"])

    assert client.raw.count("only once on the wire") == 1


def test_complaint_16_one_commit_appears_in_all_queries_at_one_barrier(project: Project, connected: Connect) -> None:
    client = connected()
    results = [client.watch(number, "posts", where={"topic": f"t{number}"}) for number in (1, 2, 3)]
    before = client.barriers

    writes = [{"op": "put", "collection": "posts", "id": f"c{n}", "data": {"topic": f"t{n}"}} for n in (1, 2, 3)]
    reply = project.instance.http.post("/v1/commit", json={"writes": writes}, headers=project.headers)
    reply.raise_for_status()
    client.until(lambda: client.barriers > before)

    assert [result.ids for result in results] == [["c1"], ["c2"], ["c3"]]


def test_complaint_33_a_resume_sends_only_what_has_changed(project: Project, connected: Connect) -> None:
    for number in range(5):
        project.put("posts", f"r{number}", topic="resume", n=number)
    client = connected()
    held = client.watch(1, "posts", where={"topic": "resume"}, sort=["n"])
    at = client.at
    client.close()
    project.delete("posts", "r1")
    project.put("posts", "r3", topic="resume", n=-1)

    again = connected()
    again.results[1] = held
    query = {"collection": "posts", "where": {"topic": "resume"}, "sort": ["n"]}
    again.send({"t": "watch", "id": 1, "query": query, "at": at, "g": held.g, "have": held.ids})
    again.until(lambda: again.at)

    assert held.ids == ["r3", "r0", "r2", "r4"]
    assert '"resumed":true' in again.raw
    assert '"r0"' not in again.raw


def test_complaint_31_an_error_answers_one_message_and_the_rest_goes_on(project: Project, connected: Connect) -> None:
    client = connected()
    result = client.watch(1, "posts", where={"topic": "go-on"})

    for message, code in (
        ({"t": "watch", "id": 1, "query": {"collection": "posts"}}, "live_id_taken"),
        ({"t": "watch", "id": 2, "query": {"collection": "posts", "where": {"$search": "x"}}}, "not_live"),
        ({"t": "watch", "id": 2, "query": {"collection": "posts", "expand": ["author"]}}, "not_live"),
        ({"t": "watch", "id": 2, "query": {"collection": "posts", "limit": 501}}, "invalid_input"),
        ({"t": "watch", "id": 2, "query": {"collection": "posts", "colour": 1}}, "invalid_input"),
        ({"t": "watch", "id": 2}, "invalid_input"),
        ({"t": "watch", "id": 2, "doc": {"collection": "../x", "id": "y"}}, "invalid_input"),
        ({"t": "dance", "id": 2}, "unknown_message"),
        ({"t": "sync", "id": 2, "at": "never"}, "invalid_input"),
    ):
        client.send(message)
        error = client.expect("error")
        assert (error["id"], error["problem"]["code"]) == (message["id"], code), message

    project.put("posts", "go-on", topic="go-on")
    client.until(lambda: result.ids == ["go-on"])


def test_a_watch_that_the_client_has_ended_sends_nothing_more(project: Project, connected: Connect) -> None:
    client = connected()
    client.watch(1, "posts", where={"topic": "ended"})
    client.send({"t": "unwatch", "id": 1})
    client.expect("ok", id=1)

    project.put("posts", "ended", topic="ended")

    assert "ended" not in client.quiet(0.3)


def test_a_client_learns_when_its_results_contain_its_own_write(project: Project, connected: Connect) -> None:
    client = connected()
    result = client.watch(1, "posts", where={"topic": "own"})

    state = project.put("posts", "own", topic="own").headers["x-bunbase-seq"]
    client.send({"t": "sync", "id": 9, "at": state})
    client.expect("ok", id=9)

    assert result.ids == ["own"]


def test_complaint_7_a_session_that_ends_silences_its_connection(project: Project, connected: Connect) -> None:
    ada = project.user("ada-7")
    client = connected(ada["access_token"])
    client.watch(1, "notes")

    headers = {"X-Bunbase-Key": project.publishable, "Authorization": f"Bearer {ada['access_token']}"}
    body = {"refresh_token": ada["refresh_token"]}
    project.instance.http.post("/v1/auth/logout", json=body, headers=headers).raise_for_status()
    assert client.expect("auth")["why"] == "revoked"
    project.put("notes", "n7", owner=ada["user"]["id"], text="too late")

    assert "too late" not in client.quiet(0.5)


def test_complaint_7_a_ban_silences_the_connection(project: Project, connected: Connect) -> None:
    ada = project.user("ada-7b")
    client = connected(ada["access_token"])
    client.watch(1, "notes")

    reply = project.instance.http.patch(
        f"/v1/auth/users/{ada['user']['id']}", json={"banned": True}, headers=project.headers
    )
    reply.raise_for_status()
    assert client.expect("auth")["why"] == "revoked"
    project.put("notes", "n7b", owner=ada["user"]["id"], text="too late")

    assert "too late" not in client.quiet(0.5)


def test_complaint_8_a_renewed_token_keeps_the_watches(project: Project, connected: Connect) -> None:
    ada = project.user("ada-8")
    client = connected(ada["access_token"])
    result = client.watch(1, "notes")

    renewed = project.instance.http.post(
        "/v1/auth/refresh",
        json={"refresh_token": ada["refresh_token"]},
        headers={"X-Bunbase-Key": project.publishable},
    )
    client.sign_in(project.publishable, renewed.raise_for_status().json()["access_token"])
    client.expect("hello")
    project.put("notes", "n8", owner=ada["user"]["id"])
    client.until(lambda: result.ids == ["n8"])

    assert result.told == 2, "the result was sent again"


def test_complaint_9_another_user_ends_all_watches(project: Project, connected: Connect) -> None:
    ada, eve = project.user("ada-9"), project.user("eve-9")
    client = connected(ada["access_token"])
    client.watch(1, "notes")

    client.sign_in(project.publishable, eve["access_token"])
    assert client.expect("end", id=1)["problem"]["code"] == "user_changed"
    client.expect("hello")
    project.put("notes", "n9", owner=ada["user"]["id"], text="for Ada alone")

    assert "for Ada alone" not in client.quiet(0.4)


def test_an_invalid_key_closes_the_connection_with_the_reason(instance: Instance) -> None:
    client = LiveClient(instance.url)
    client.sign_in("pk_nobody")

    bye = client.expect("bye")
    assert (bye["code"], bye["problem"]["code"]) == ("auth", "invalid_key")
    assert client.wait_closed() == (4401, "auth")


def test_a_connection_without_a_key_ends(instance: Instance) -> None:
    client = LiveClient(instance.url)
    client.send({"t": "watch", "id": 1, "query": {"collection": "posts"}})

    assert client.expect("bye")["problem"]["code"] == "no_live_sign_in"
    assert client.wait_closed() == (4401, "auth")


def test_something_that_is_no_message_closes_the_connection(connected: Connect) -> None:
    for wrong, code in (("[]", 1008), ("hello", 1008), (b"\x00", 1008), (json.dumps({"t": "x" * 70_000}), 1009)):
        client = connected()
        client.send(wrong)
        assert client.wait_closed()[0] == code, wrong


def test_a_secret_key_in_a_page_is_refused(instance: Instance, project: Project) -> None:
    client = LiveClient(instance.url, origin=instance.url)
    client.sign_in(project.secret)

    assert client.expect("bye")["problem"]["code"] == "secret_key_in_browser"
    client.close()


def test_a_request_without_an_upgrade_is_told_so(instance: Instance) -> None:
    reply = instance.http.get("/v1/live")

    assert (reply.status_code, reply.json()["code"]) == (426, "upgrade_required")
    assert reply.headers["upgrade"] == "websocket"


def test_a_client_of_another_protocol_is_refused(instance: Instance) -> None:
    with pytest.raises(InvalidStatus) as refused:
        LiveClient(instance.url, subprotocols=["graphql-ws"])

    assert refused.value.response.status_code == 400


def test_too_many_messages_close_the_connection(connected: Connect) -> None:
    client = connected()
    with suppress(ConnectionClosed):  # The connection may close before all messages are sent.
        for _ in range(150):
            client.send({"t": "pong"})

    assert client.expect("bye")["code"] == "quota"
    assert client.wait_closed()[0] == 4429


def test_bundoc_that_restarts_costs_no_change(instance: Instance, project: Project, connected: Connect) -> None:
    if "data" not in instance.processes:
        pytest.skip("all rooms are in one process")
    client = connected()
    result = client.watch(1, "posts", where={"topic": "restart"})

    instance.kill_and_restart("data")

    def written() -> bool:  # The gateway may not have noticed yet that the room was away.
        with suppress(httpx.HTTPStatusError):
            return project.put("posts", "restart", topic="restart").is_success
        return False

    poll(written, 30.0)

    client.until(lambda: client.results[1].ids == ["restart"])
    assert result is not client.results[1]
