"""After kill -9, nobody stays in a channel's list of members by mistake, and clients hear of losses."""

from __future__ import annotations

import os
import time

import pytest

from tests.e2e.conftest import instance_of
from tests.e2e.instance import SETUP_TOKEN, Instance
from tests.e2e.live_client import LiveClient
from tests.e2e.topologies.conftest import ROOT
from tests.e2e.topologies.test_channels import CHANNELS, Member, Project

pytestmark = pytest.mark.skipif("BUNBASE_CHANNEL_KILLS" not in os.environ, reason="a part of make soak")


def project_of(instance: Instance) -> Project:
    instance.http.post("/api/auth/register", json=ROOT | {"setup_token": SETUP_TOKEN}).raise_for_status()
    login = instance.http.post("/api/auth/login", json=ROOT).raise_for_status().json()
    developer = {"Authorization": f"Bearer {login['access_token']}"}
    made = instance.http.post("/api/projects", json={"name": "Channels"}, headers=developer).raise_for_status().json()
    keys = {key["kind"]: key["key"] for key in made["keys"]}
    project = Project(instance, made["id"], keys["secret"], keys["publishable"], developer)
    project.send("PUT", "/v1/channels", json={"channels": CHANNELS}).raise_for_status()
    return project


def connected(instance: Instance, project: Project) -> Member:
    client = LiveClient(instance.url)
    client.sign_in(project.secret)
    client.hello = client.expect("hello")
    return Member(client)


def test_complaints_28_and_29_the_home_and_an_edge_are_killed(postgres: str) -> None:
    with instance_of("five", postgres) as instance:
        project = project_of(instance.start())
        one, other = connected(instance, project), connected(instance, project)
        m = one.join(1, "open/1", presence={"n": 1})["m"]
        other.join(1, "open/1")
        assert project.publish("open/1", "before") == [1]
        one.got(lambda: one.data[1] == ["before"])
        other.got(lambda: other.data[1] == ["before"])

        instance.kill_and_restart("accounts")
        again = one.joined(1)
        assert again["lost"] is True
        assert other.joined(1)["lost"] is True
        assert project.publish("open/1", "after") == [1]
        one.got(lambda: one.data[1] == ["before", "after"])
        other.got(lambda: other.data[1] == ["before", "after"] and len(other.members[1]) == 1, 10)
        assert again["m"] in other.members[1]
        assert m

        instance.kill_and_restart("front")
        began = time.monotonic()
        late = connected(instance, project)
        late.join(1, "open/1", since={"epoch": again["epoch"], "offset": 0})
        assert late.data[1] == ["after"]
        assert late.lost[1] == 0
        late.got(lambda: late.members[1] == {}, 8)
        assert time.monotonic() - began < 8
