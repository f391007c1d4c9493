"""The usage of live queries and channels reaches the usage of the project, in one process and in five."""

from __future__ import annotations

from typing import Any

from tests.e2e.instance import Instance, poll
from tests.e2e.live_client import LiveClient
from tests.e2e.topologies.conftest import ROOT


def test_a_project_sees_the_time_of_its_live_connections_and_their_messages(instance: Instance) -> None:
    login = instance.http.post("/api/auth/login", json=ROOT).raise_for_status().json()
    developer = {"Authorization": f"Bearer {login['access_token']}"}
    made = instance.http.post("/api/projects", json={"name": "Measured"}, headers=developer).raise_for_status().json()
    secret = next(key["key"] for key in made["keys"] if key["kind"] == "secret")
    server = {"X-Bunbase-Key": secret}
    instance.http.put("/v1/collections/posts", json={}, headers=server).raise_for_status()
    listener, publisher = LiveClient(instance.url, secret), LiveClient(instance.url, secret)

    def usage() -> Any:
        path = f"/api/projects/{made['id']}/usage"
        return instance.http.get(path, headers=developer).raise_for_status().json()

    assert usage()["live_messages_published"] == 0
    listener.send({"t": "join", "id": 1, "channel": "room"})
    listener.expect("joined", id=1)
    posts = listener.watch(2, "posts")
    instance.http.put("/v1/data/posts/first", json={"title": "Hello"}, headers=server).raise_for_status()
    listener.until(lambda: posts.ids == ["first"])
    publisher.send({"t": "publish", "id": 1, "channel": "room", "data": 1})
    listener.expect("msg")
    messages = {"messages": [{"channel": "room", "data": number} for number in (2, 3)]}
    instance.http.post("/v1/channels/publish", json=messages, headers=server).raise_for_status()
    listener.expect("msg")
    listener.expect("msg")

    def counted() -> Any:
        found = usage()
        return found if found["live_messages_delivered"] == 6 and found["live_connection_seconds"] >= 2 else None

    found = poll(counted, seconds=30)
    assert found["live_messages_published"] == 3
    assert sum(hour["live_messages_delivered"] for hour in found["hours"]) == 6
    assert sum(hour["live_connection_seconds"] for hour in found["hours"]) == found["live_connection_seconds"]
    listener.close()
    publisher.close()
