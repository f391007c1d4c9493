"""Live connections of developers, services and scoped keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.instance import Instance, poll
from tests.e2e.live_client import LiveClient
from tests.e2e.topologies.conftest import ROOT

OWNED = {"list": "auth != null && doc.owner == auth.uid"}


class Site:
    """A project with the collection `notes`, whose rules hide it from developers' users."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        login = instance.http.post("/api/auth/login", json=ROOT).raise_for_status().json()
        self.token: str = login["access_token"]
        self.headers = {"Authorization": f"Bearer {self.token}"}
        made = instance.http.post("/api/projects", json={"name": "Live members"}, headers=self.headers).json()
        self.id: str = made["id"]
        self.slug: str = made["slug"]
        self.secret = next(key["key"] for key in made["keys"] if key["kind"] == "secret")
        body = {"rules": OWNED}
        instance.http.put("/v1/collections/notes", json=body, headers={"X-Bunbase-Key": self.secret}).raise_for_status()

    def put(self, id: str, **document: Any) -> None:
        headers = {"X-Bunbase-Key": self.secret}
        self.instance.http.put(f"/v1/data/notes/{id}", json=document, headers=headers).raise_for_status()

    def key_with(self, *scopes: str) -> str:
        body = {"kind": "secret", "name": "scoped", "scopes": scopes}
        answer = self.instance.http.post(f"/api/projects/{self.id}/keys", json=body, headers=self.headers)
        return str(answer.raise_for_status().json()["key"])


@pytest.fixture(scope="module")
def site(instance: Instance) -> Site:
    return Site(instance)


@pytest.fixture
def client(instance: Instance) -> Iterator[LiveClient]:
    client = LiveClient(instance.url)
    yield client
    client.close()


def test_a_member_watches_a_project_with_an_access_token(site: Site, client: LiveClient) -> None:
    client.send({"t": "auth", "token": site.token, "project": site.id})
    assert client.expect("hello")["expires_in"] > 0
    result = client.watch(1, "notes")

    site.put("seen", owner="somebody")

    client.until(lambda: "seen" in result.ids)


def test_a_personal_token_that_is_revoked_silences_its_connection(site: Site, client: LiveClient) -> None:
    http, body = site.instance.http, {"name": "live", "scopes": ["read"]}
    made = http.post("/api/auth/tokens", json=body, headers=site.headers).raise_for_status().json()
    client.send({"t": "auth", "token": made["token"], "project": site.id})
    client.expect("hello")
    client.watch(1, "notes")

    http.delete(f"/api/auth/tokens/{made['id']}", headers=site.headers).raise_for_status()
    assert client.expect("auth")["why"] == "revoked"
    site.put("late", text="too late")

    assert "too late" not in client.quiet(0.5)


def test_a_deleted_project_silences_its_members(instance: Instance, client: LiveClient) -> None:
    site = Site(instance)
    client.send({"t": "auth", "token": site.token, "project": site.id})
    client.expect("hello")
    client.watch(1, "notes")

    body = {"confirm": site.slug}
    instance.http.request("DELETE", f"/api/projects/{site.id}", json=body, headers=site.headers).raise_for_status()

    poll(lambda: client.read(0.1) and '"why":"revoked"' in client.raw, 10.0, "the project is deleted")


def test_a_key_without_the_scope_watches_nothing(site: Site, client: LiveClient) -> None:
    client.sign_in(site.key_with("functions:invoke"))
    client.expect("hello")
    client.send({"t": "watch", "id": 1, "query": {"collection": "notes"}})
    assert client.expect("error", id=1)["problem"]["code"] == "insufficient_scope"

    client.sign_in(site.key_with("data:notes:read"))
    client.expect("hello")
    assert client.watch(2, "notes").docs is not None


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ({}, "no_live_sign_in"),
        ({"token": "a.b.c"}, "no_live_sign_in"),
        ({"token": "bpt_unknown", "project": "prj_none"}, "invalid_token"),
    ],
)
def test_a_sign_in_that_lacks_something_says_what(client: LiveClient, sent: dict[str, str], code: str) -> None:
    client.send({"t": "auth", **sent})

    assert client.expect("bye")["problem"]["code"] == code


def test_a_project_of_others_is_not_found(site: Site, client: LiveClient) -> None:
    client.send({"t": "auth", "token": site.token, "project": "prj_00000000000000000000"})

    assert client.expect("bye")["problem"]["code"] == "project_not_found"
