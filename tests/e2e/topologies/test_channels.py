"""Channels and presence over a live connection, with all rooms in one process and in five."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.instance import Instance, poll
from tests.e2e.live_client import LiveClient
from tests.e2e.topologies.conftest import ROOT

MEMBERSHIP = "auth != null && exists('members', params.room + '_' + auth.uid)"
CHANNELS = {
    "open/{room}": {
        "rules": {"subscribe": "true", "publish": "auth != null", "presence": "true"},
        "history": {"messages": 3, "seconds": 300},
        "presence": True,
    },
    "rooms/{room}": {
        "rules": {"subscribe": MEMBERSHIP, "publish": MEMBERSHIP, "presence": MEMBERSHIP},
        "history": {"messages": 100, "seconds": 300},
        "presence": True,
    },
}
PASSWORD = "correct horse battery"
FUNCTION = """
export default async (request, ctx) => {
  const key = "once";
  await ctx.channels.publish("open/functions", { from: ctx.function.name }, { key });
  return ctx.channels.publish("open/functions", { from: ctx.function.name }, { key });
};
"""


@dataclass
class Project:
    instance: Instance
    id: str
    secret: str
    publishable: str
    developer: dict[str, str]

    def send(self, method: str, path: str, key: str = "", token: str = "", **options: Any) -> Any:
        headers = {"X-Bunbase-Key": key or self.secret, **options.pop("headers", {})}
        headers |= {"Authorization": f"Bearer {token}"} if token else {}
        return self.instance.http.request(method, path, headers=headers, **options)

    def publish(self, channel: str, *data: Any) -> list[int]:
        messages = [{"channel": channel, "data": one} for one in data]
        reply = self.send("POST", "/v1/channels/publish", json={"messages": messages}).raise_for_status()
        return [one["offset"] for one in reply.json()["items"]]

    def user(self, name: str) -> dict[str, Any]:
        body = {"email": f"{name}@example.com", "password": PASSWORD}
        answer: dict[str, Any] = self.send("POST", "/v1/auth/signup", self.publishable, json=body).json()
        return answer


@pytest.fixture(scope="module")
def project(instance: Instance) -> Project:
    login = instance.http.post("/api/auth/login", json=ROOT).raise_for_status().json()
    developer = {"Authorization": f"Bearer {login['access_token']}"}
    made = instance.http.post("/api/projects", json={"name": "Channels"}, headers=developer).raise_for_status().json()
    keys = {key["kind"]: key["key"] for key in made["keys"]}
    project = Project(instance, made["id"], keys["secret"], keys["publishable"], developer)
    project.send("PUT", "/v1/collections/members", json={}).raise_for_status()
    project.send("PUT", "/v1/channels", json={"channels": CHANNELS}).raise_for_status()
    return project


class Member:
    """A connected client. `data`: the data of all messages; `offsets`: the offsets of each channel; `members`: the
    members of each channel.
    """

    def __init__(self, client: LiveClient) -> None:
        self.client = client
        self.names: dict[str, int] = {}
        self.data: dict[int, list[Any]] = {}
        self.offset: dict[int, int] = {}
        self.epoch: dict[int, str] = {}
        self.lost: dict[int, int] = {}
        self.members: dict[int, dict[str, Any]] = {}
        self.frames: list[dict[str, Any]] = []

    def join(self, id: int, channel: str, **more: Any) -> dict[str, Any]:
        self.client.send({"t": "join", "id": id, "channel": channel, **more})
        return self.joined(id)

    def joined(self, id: int) -> dict[str, Any]:
        joined = self.client.expect("joined", id=id)
        self.names[joined["c"]] = id
        self.epoch[id], self.offset[id] = joined["epoch"], joined["offset"]
        self.lost[id] = self.lost.get(id, 0) + joined["lost"]
        self.data.setdefault(id, []).extend(one["data"] for one in joined["messages"])
        self.members[id] = {one["m"]: one for one in joined.get("members", ())}
        return joined

    def got(self, true: Callable[[], Any], seconds: float = 20.0) -> None:
        def heard() -> Any:
            for message in [one for one in self.client.others if one["t"] in ("msg", "members")]:
                self.client.others.remove(message)
                self._take(self.names[message["c"]], message)
            return true()

        self.client.until(heard, seconds)

    def _take(self, id: int, message: dict[str, Any]) -> None:
        if message["t"] == "msg":
            assert message["offset"] == self.offset[id] + 1, "a message was left out"
            self.offset[id] = message["offset"]
            self.data[id].append(message["data"])
            return
        self.frames.append(message)
        for one in (*message.get("enter", ()), *message.get("update", ())):
            self.members[id][one["m"]] = one
        for m in message.get("leave", ()):
            self.members[id].pop(m, None)


Connect = Callable[..., Member]


@pytest.fixture
def connected(instance: Instance, project: Project) -> Iterator[Connect]:
    """Return a function that connects a client: with the secret key, or as the user of a token."""
    clients: list[LiveClient] = []

    def connect(token: str = "", resume: str = "") -> Member:
        client = LiveClient(instance.url)
        clients.append(client)
        client.sign_in(project.publishable if token else project.secret, token, resume=resume)
        client.hello = client.expect("hello")
        return Member(client)

    yield connect
    for client in clients:
        client.close()


def test_messages_of_all_senders_arrive_in_one_order(project: Project, connected: Connect) -> None:
    ada = project.user("ada-c1")
    near, far = connected(), connected(ada["access_token"])
    assert near.join(1, "open/1", since="start")["messages"] == []
    far.join(7, "open/1")

    assert project.publish("open/1", 1, {"a": [2]}) == [1, 2]
    far.client.send({"t": "publish", "id": 8, "channel": "open/1", "data": 3, "key": "k", "echo": False})
    far.client.send({"t": "publish", "id": 9, "channel": "open/1", "data": 3, "key": "k"})
    far.client.send({"t": "publish", "id": 10, "channel": "open/1", "data": 4})

    assert [far.client.expect("ok", id=id)["offset"] for id in (8, 9, 10)] == [3, 3, 4]
    near.got(lambda: near.data[1] == [1, {"a": [2]}, 3, 4])
    far.offset[7] = 2
    far.client.until(lambda: [one["data"] for one in far.client.others if one["t"] == "msg"] == [1, {"a": [2]}, 4])
    late = connected()
    joined = late.join(1, "open/1", since={"epoch": near.epoch[1], "offset": 1})
    assert ([one["data"] for one in joined["messages"]], joined["lost"]) == ([{"a": [2]}, 3, 4], False)
    assert joined["messages"][1]["from"] == ada["user"]["id"]
    joined = connected().join(1, "open/1", since={"epoch": near.epoch[1], "offset": 0})
    assert (len(joined["messages"]), joined["lost"]) == (3, True)


def test_errors_answer_one_message_and_the_connection_goes_on(project: Project, connected: Connect) -> None:
    one = connected(project.user("ada-c2")["access_token"])
    for id, message, expected in (
        (1, {"t": "join", "channel": "rooms/7"}, "rule_denied"),
        (2, {"t": "join", "channel": "unknown"}, "rule_denied"),
        (3, {"t": "join", "channel": ""}, "invalid_input"),
        (4, {"t": "publish", "channel": "rooms/7", "data": 1}, "rule_denied"),
        (5, {"t": "publish", "channel": "open/2", "data": "x" * (33 << 10)}, "message_too_large"),
        (6, {"t": "presence", "channel": "open/2", "data": 1}, "not_joined"),
        (7, {"t": "join", "channel": "open/2", "presence": "x" * 3000}, "message_too_large"),
        (8, {"t": "join", "channel": "open/2", "since": "end"}, "invalid_input"),
    ):
        one.client.send({"id": id, **message})
        assert one.client.expect("error", id=id)["problem"]["code"] == expected
    one.join(1, "open/2")
    one.client.send({"t": "join", "id": 2, "channel": "open/2"})
    assert one.client.expect("error", id=2)["problem"]["code"] == "already_joined"
    one.client.send({"t": "join", "id": 1, "channel": "open/3"})
    assert one.client.expect("error", id=1)["problem"]["code"] == "live_id_taken"
    one.client.send({"t": "leave", "id": 1})
    one.client.expect("ok", id=1)
    one.join(1, "open/2")


def test_complaint_7_a_deleted_membership_ends_the_channel_within_a_second(
    project: Project, connected: Connect
) -> None:
    ada = project.user("ada-c3")
    path = f"/v1/data/members/8_{ada['user']['id']}"
    project.send("PUT", path, json={}).raise_for_status()
    one, watcher = connected(ada["access_token"]), connected()
    one.join(1, "rooms/8", presence={"name": "Ada"})
    watcher.join(1, "rooms/8")

    project.send("DELETE", path).raise_for_status()
    began = time.monotonic()
    assert one.client.expect("end", id=1)["problem"]["code"] == "rule_denied"

    assert time.monotonic() - began < 5  # This takes a second on an idle machine.
    project.publish("rooms/8", "secret")
    watcher.got(lambda: watcher.data[1] == ["secret"] and watcher.members[1] == {})
    one.client.quiet(0.2)
    assert "secret" not in one.client.raw


def test_complaint_7_a_banned_user_hears_nothing_more_and_publishes_nothing_more(
    project: Project, connected: Connect
) -> None:
    eve = project.user("eve-c4")
    one, watcher = connected(eve["access_token"]), connected()
    one.join(1, "open/4", presence={})
    watcher.join(1, "open/4")
    assert len(watcher.members[1]) == 1

    reply = project.send("PATCH", f"/v1/auth/users/{eve['user']['id']}", json={"banned": True})
    reply.raise_for_status()
    one.client.expect("auth", why="revoked")
    one.client.send({"t": "publish", "id": 2, "channel": "open/4", "data": "from eve"})
    one.client.send({"t": "presence", "id": 3, "channel": "open/4", "data": {"n": 2}})
    project.publish("open/4", "secret")

    watcher.got(lambda: watcher.data[1] == ["secret"])
    one.client.quiet(0.3)
    assert "secret" not in one.client.raw
    watcher.got(lambda: watcher.members[1] == {}, 8)
    assert watcher.data[1] == ["secret"]
    ada = project.user("ada-c4")
    one.client.sign_in(project.publishable, ada["access_token"])
    assert one.client.expect("error", id=2)["problem"]["code"] == "user_changed"
    assert one.client.expect("end", id=1)["problem"]["code"] == "user_changed"
    assert project.publish("open/4", "last") == [2]


def test_a_message_after_a_revocation_is_published_with_the_next_token_of_the_user(
    project: Project, connected: Connect
) -> None:
    eve = project.user("eve-c9")
    one, watcher = connected(eve["access_token"]), connected()
    one.join(1, "open/9", presence={})
    watcher.join(1, "open/9")
    path, name = f"/v1/auth/users/{eve['user']['id']}", {"email": "eve-c9@example.com", "password": PASSWORD}

    project.send("PATCH", path, json={"role": "editor"}).raise_for_status()
    one.client.expect("auth", why="revoked")
    one.client.send({"t": "publish", "id": 2, "channel": "open/9", "data": "later"})
    project.publish("open/9", "first")
    again = project.send("POST", "/v1/auth/login", project.publishable, json=name).raise_for_status().json()
    one.client.sign_in(project.publishable, again["access_token"])

    assert one.client.expect("ok", id=2)["offset"] == 2
    watcher.got(lambda: watcher.data[1] == ["first", "later"])
    assert not any("leave" in one for one in watcher.frames)


def test_complaints_27_and_28_members_update_resume_and_leave(project: Project, connected: Connect) -> None:
    ada = project.user("ada-c5")
    watcher, one = connected(), connected(ada["access_token"])
    watcher.join(1, "open/5")
    m = one.join(1, "open/5", presence={"n": 1})["m"]
    watcher.got(lambda: watcher.members[1] == {m: {"m": m, "uid": ada["user"]["id"], "data": {"n": 1}}})

    one.client.send({"t": "presence", "id": 2, "channel": "open/5", "data": {"n": 2}})
    one.client.expect("ok", id=2)
    watcher.got(lambda: watcher.members[1][m]["data"] == {"n": 2})
    assert [set(one) - {"t", "c"} for one in watcher.frames] == [{"enter", "n"}, {"update", "n"}]

    one.client.socket.socket.close()  # This cuts the cable.
    again = connected(ada["access_token"], resume=one.client.hello["conn"])
    assert again.join(1, "open/5", presence={"n": 2})["m"] == m
    watcher.client.quiet(2.5)
    watcher.got(lambda: True)
    assert list(watcher.members[1]) == [m]
    assert not any("leave" in one for one in watcher.frames)

    again.client.socket.socket.close()
    watcher.got(lambda: watcher.members[1] == {}, 8)


def test_a_channel_that_is_left_and_joined_in_one_breath_has_the_client_once(
    project: Project, connected: Connect
) -> None:
    ada = project.user("ada-c9")
    watcher, one = connected(), connected(ada["access_token"])
    watcher.join(1, "open/9")
    one.join(1, "open/9", presence={"n": 0})

    for id in range(2, 12):
        one.client.send({"t": "leave", "id": id - 1})
        one.client.send({"t": "join", "id": id, "channel": "open/9", "presence": {"n": id}})
    last = one.joined(11)
    project.publish("open/9", "after")

    watcher.got(lambda: [member["data"] for member in watcher.members[1].values()] == [{"n": 11}])
    assert list(watcher.members[1]) == [last["m"]]
    one.got(lambda: one.data[11] == ["after"])


def test_another_user_on_the_connection_ends_its_channels(project: Project, connected: Connect) -> None:
    ada, eve = project.user("ada-c6"), project.user("eve-c6")
    one, watcher = connected(ada["access_token"]), connected()
    one.join(1, "open/6", presence={"name": "Ada"})
    watcher.join(1, "open/6")
    assert [member["uid"] for member in watcher.members[1].values()] == [ada["user"]["id"]]
    fresh = project.send(
        "POST", "/v1/auth/refresh", project.publishable, json={"refresh_token": ada["refresh_token"]}
    ).json()

    one.client.sign_in(project.publishable, fresh["access_token"])
    one.client.expect("hello")
    assert project.publish("open/6", 1) == [1]
    one.got(lambda: one.data[1] == [1])
    one.client.sign_in(project.publishable, eve["access_token"])

    assert one.client.expect("end", id=1)["problem"]["code"] == "user_changed"
    watcher.got(lambda: watcher.members[1] == {})
    one.join(2, "open/6", presence={"name": "Eve"})
    watcher.got(lambda: [member["uid"] for member in watcher.members[1].values()] == [eve["user"]["id"]])


def test_a_member_of_the_project_sees_why_a_user_is_refused(project: Project, instance: Instance) -> None:
    eve, client = project.user("eve-c10"), LiveClient(instance.url)
    token = project.developer["Authorization"].removeprefix("Bearer ")
    signed_in = {"t": "auth", "key": project.publishable, "token": eve["access_token"]}
    client.send({**signed_in, "explain": token})
    client.expect("hello")

    client.send({"t": "join", "id": 1, "channel": "rooms/10"})
    joined = client.expect("error", id=1)["problem"]
    client.send({"t": "watch", "id": 2, "query": {"collection": "members"}})
    watched = client.expect("error", id=2)["problem"]
    message = {"messages": [{"channel": "rooms/10", "data": 1}]}
    headers = {"X-Bunbase-Explain": token}
    path = "/v1/channels/publish"
    published = project.send("POST", path, project.publishable, eve["access_token"], json=message, headers=headers)

    for problem, rule in ((joined, "subscribe"), (published.json(), "publish")):
        assert (problem["code"], problem["rule"], problem["pattern"]) == ("rule_denied", rule, "rooms/{room}")
        assert {"expr": MEMBERSHIP.split(" && ")[1], "value": False, "line": 1, "column": 17} in problem["trace"]
    assert watched["trace"][0]["expr"] == "list"
    client.send({**signed_in, "explain": "the token of nobody"})
    assert client.expect("error", id=None)["problem"]["code"] == "invalid_token"
    client.close()


def test_a_function_publishes(project: Project, connected: Connect) -> None:
    one = connected()
    one.join(1, "open/functions")
    at = f"/api/projects/{project.id}/functions/publisher"
    files = {"bundle": ("f.js", FUNCTION.replace("export default", "module.exports.default =")), "config": (None, "{}")}
    project.instance.http.put(at, files=files, headers=project.developer).raise_for_status()

    reply = project.send("POST", "/v1/functions/publisher")

    assert reply.status_code == 200, reply.text
    assert reply.json()["offset"] == 1
    one.got(lambda: one.data[1] == [{"from": "publisher"}])


def test_new_rules_end_channels_and_a_call_is_published_once(project: Project, connected: Connect) -> None:
    one = connected(project.user("ada-c7")["access_token"])
    body = {"channels": {**CHANNELS, "short/{room}": {"rules": {"subscribe": "auth != null"}}}}
    project.send("PUT", "/v1/channels", json=body).raise_for_status()
    one.join(1, "short/7")
    sent = {"messages": [{"channel": "short/7", "data": 1}]}
    key = {"Idempotency-Key": "call-c7"}

    first = project.send("POST", "/v1/channels/publish", json=sent, headers=key)
    again = project.send("POST", "/v1/channels/publish", json=sent, headers=key)

    assert first.json() == again.json()
    assert (first.headers.get("idempotency-replayed"), again.headers["idempotency-replayed"]) == (None, "true")
    one.got(lambda: one.data[1] == [1])
    assert project.send("GET", "/v1/channels").json()["channels"].keys() == body["channels"].keys()
    project.send("PUT", "/v1/channels", json={"channels": CHANNELS}).raise_for_status()
    assert one.client.expect("end", id=1)["problem"]["code"] == "rule_denied"
    poll(lambda: project.publish("short/7", 1) == [0])
