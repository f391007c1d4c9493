"""The audit log and the administration of the installation, over HTTP and with the command, in each topology."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import partial
from typing import Any

import httpx
import msgspec
import pytest

from bunbase.cli.audit_follow import MAX_HELD, Follower
from bunbase.cli.main import run
from bunbase.contracts.audit import AuditEntry, AuditOutcome, AuditPage
from bunbase.pkg.clock import rfc3339
from tests.e2e.instance import Instance, poll

PASSWORD = "correct horse battery"


class Person:
    """A developer with a session, and a project."""

    def __init__(self, http: httpx.Client, name: str, path: str = "/api/auth/register") -> None:
        account = {"email": f"{name}@example.com", "password": PASSWORD}
        signed_in = http.post(path, json=account).raise_for_status().json()
        self.id, self.token = signed_in["user"]["id"], signed_in["access_token"]
        self.headers = {"Authorization": f"Bearer {self.token}"}
        made = http.post("/api/projects", json={"name": name}, headers=self.headers).raise_for_status().json()
        self.project, self.slug = made["id"], made["slug"]
        self.keys = {key["kind"]: {"X-Bunbase-Key": key["key"]} for key in made["keys"]}
        self.at = f"/api/projects/{self.project}"


@pytest.fixture(scope="module")
def people(instance: Instance) -> tuple[Person, Person]:
    """Return the administrator of the installation, and another developer."""
    return Person(instance.http, "root", "/api/auth/login"), Person(instance.http, "bob")


@pytest.fixture
def command(
    instance: Instance, people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch, capsysbinary: Any
) -> Any:
    """Return a function that runs the command as the administrator, and returns what it prints."""
    monkeypatch.setenv("BUNBASE_URL", instance.url)
    monkeypatch.setenv("BUNBASE_TOKEN", people[0].token)
    monkeypatch.setenv("BUNBASE_CREDENTIALS", str(instance.home / "credentials.json"))

    def ran(*words: str) -> bytes:
        code = run(words)
        said = capsysbinary.readouterr()
        assert code in (0, None), said.err
        out: bytes = said.out
        return out

    return ran


def acts(http: httpx.Client, person: Person, **filter: str) -> list[dict[str, Any]]:
    answer = http.get(f"{person.at}/audit", params=filter, headers=person.headers).raise_for_status()
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def test_the_log_of_a_project_shows_the_acts_of_members_and_keys(
    instance: Instance, people: tuple[Person, Person]
) -> None:
    http, (_, bob) = instance.http, people
    key = http.post(f"{bob.at}/keys", json={"kind": "secret", "name": "ci"}, headers=bob.headers).json()
    http.patch(bob.at, json={"name": "Bob's"}, headers=bob.headers).raise_for_status()
    http.put("/v1/collections/posts", json={}, headers=bob.keys["secret"]).raise_for_status()
    member = bob.headers | {"X-Bunbase-Project": bob.project}
    http.put("/v1/data/posts/rye", json={"title": "Rye"}, headers=member).raise_for_status()

    document, collection, update, create, project = acts(http, bob)

    assert (document["action"], document["target"]) == ("document.write", "posts/rye")
    assert document["after"] == {"op": "put", "rev": 1, "fields": ["title"]}
    assert (collection["actor"]["kind"], collection["target"]) == ("key", "posts")
    assert (update["before"], update["after"]) == ({"name": "bob"}, {"name": "Bob's"})
    assert (create["target"], create["after"]["hint"], create["outcome"]) == (key["id"], key["hint"], "done")
    assert (project["action"], project["target"]) == ("project.create", bob.project)
    assert project["actor"]["email"] == "bob@example.com"
    assert key["key"] not in http.get(f"{bob.at}/audit/export", headers=bob.headers).text
    nothing = http.get(f"{bob.at}/audit/export", params={"actor": "usr_nobody"}, headers=bob.headers)
    assert (nothing.status_code, nothing.content) == (200, b""), "an export without entries is an empty file"


def test_an_act_that_was_killed_is_shown_and_followed_with_an_unknown_outcome(dev: Instance) -> None:
    dev.start()
    ada = Person(dev.http, "ada")

    def asked(since: datetime | None) -> tuple[AuditEntry, ...]:
        params = {"limit": "500"} | ({"since": rfc3339(since)} if since else {})
        answer = dev.http.get(f"{ada.at}/audit", params=params, headers=ada.headers).raise_for_status()
        return msgspec.json.decode(answer.content, type=AuditPage).items

    follower = Follower(asked, asked(None)[0])
    slow = {
        "bundle": ("f.js", b"module.exports.default = () => new Response('')"),
        "config": (None, b"{}"),
    }

    def interrupted() -> bool:
        """Kill the server while it deploys. True if the kill came before the answer."""
        with httpx.Client(base_url=dev.url, timeout=10, trust_env=False) as http:
            request = http.build_request("PUT", f"{ada.at}/functions/f", files=slow, headers=ada.headers)
            body = request.read()
            request.stream = KillingStream(dev, body)
            try:
                http.send(request)
            except httpx.TransportError:
                return True
        return False

    assert interrupted()
    dev.start()

    latest = acts(dev.http, ada)[0]
    assert (latest["action"], latest["target"], latest["outcome"]) == ("function.deploy", "f", "unknown")
    assert "status" not in latest
    followed = [entry for _ in range(MAX_HELD + 1) for entry in follower.new_entries()]
    assert [(entry.action, entry.outcome) for entry in followed] == [("function.deploy", AuditOutcome.UNKNOWN)]


class KillingStream(httpx.SyncByteStream):
    """A body whose second half never comes, because the server is killed when its audit log has the entry."""

    def __init__(self, instance: Instance, body: bytes) -> None:
        self.instance = instance
        self.body = body

    def __iter__(self) -> Iterator[bytes]:
        yield self.body[: len(self.body) // 2]
        with httpx.Client(base_url=self.instance.url, trust_env=False) as http:
            account = {"email": "ada@example.com", "password": PASSWORD}
            token = http.post("/api/auth/login", json=account).raise_for_status().json()["access_token"]

            def has_begun() -> bool:
                log = http.get("/api/admin/audit?action=function.deploy", headers={"Authorization": f"Bearer {token}"})
                return bool(log.raise_for_status().json()["items"])

            poll(has_begun)
        self.instance.kill()
        yield self.body[len(self.body) // 2 :]


def test_the_command_lists_and_exports_the_log(instance: Instance, people: tuple[Person, Person], command: Any) -> None:
    root, bob = people

    own = msgspec.json.decode(command("audit", "list", "--project", root.slug, "--json"))
    table = command("audit", "list", "--project", root.slug)
    lines = command("audit", "export", "--installation", "--actor", bob.id).splitlines()

    assert [entry["action"] for entry in own["items"]] == ["project.create"]
    assert b"root@example.com" in table
    assert {msgspec.json.decode(line)["actor"]["id"] for line in lines} == {bob.id}


def test_a_suspended_project_refuses_keys_and_changes_and_its_members_still_read(
    instance: Instance, people: tuple[Person, Person], command: Any
) -> None:
    http, (_, bob) = instance.http, people
    document = "/v1/data/posts/rye"

    def code(headers: dict[str, str], method: str = "GET", path: str = document) -> Any:
        reply = http.request(method, path, headers=headers)
        return reply.json()["code"] if reply.status_code >= 400 else reply.status_code

    assert code(bob.keys["secret"]) == 200
    command("admin", "suspend", bob.slug, "--yes")

    poll(lambda: code(bob.keys["secret"]) == "project_suspended")
    poll(lambda: code(bob.keys["publishable"]) == "project_suspended")
    member = bob.headers | {"X-Bunbase-Project": bob.project}
    poll(lambda: code(member, "DELETE") == "project_suspended")
    assert code(member) == 200
    assert code(bob.headers, path=f"{bob.at}/export") == 200 if http.get(f"{bob.at}", headers=bob.headers) else True
    command("admin", "resume", bob.slug)
    poll(lambda: code(bob.keys["secret"]) == 200)


def test_an_administrator_reads_a_project_and_its_owner_sees_that(
    instance: Instance, people: tuple[Person, Person]
) -> None:
    http, (root, bob) = instance.http, people

    read = http.get("/v1/data/posts/rye", headers=root.headers | {"X-Bunbase-Project": bob.slug})
    write = http.delete("/v1/data/posts/rye", headers=root.headers | {"X-Bunbase-Project": bob.slug})

    assert (read.status_code, write.status_code) == (200, 404)
    (entry,) = acts(http, bob, action="project.inspect")
    assert (entry["actor"]["id"], entry["target"]) == (root.id, "document.read posts/rye")


def test_the_sessions_and_tokens_of_a_suspended_account_end(
    instance: Instance, people: tuple[Person, Person], command: Any
) -> None:
    http, (_, bob) = instance.http, people
    made = http.post("/api/auth/tokens", json={"name": "ci", "scopes": ["read"]}, headers=bob.headers)
    token = {"Authorization": f"Bearer {made.raise_for_status().json()['token']}"}
    assert http.get(bob.at, headers=token).status_code == 200

    command("admin", "suspend", bob.id, "--yes")

    def is_refused(headers: dict[str, str]) -> bool:
        return http.get(bob.at, headers=headers).status_code == 401

    poll(partial(is_refused, token))
    poll(partial(is_refused, bob.headers))
    account = {"email": "bob@example.com", "password": PASSWORD}
    assert http.post("/api/auth/login", json=account).json()["code"] == "account_suspended"
    listed = msgspec.json.decode(command("admin", "accounts", "bob@example", "--json"))
    assert [(one["email"], one["suspended_at"] is not None) for one in listed["items"]] == [("bob@example.com", True)]
    command("admin", "resume", bob.id)
    assert http.post("/api/auth/login", json=account).status_code == 200


def test_the_command_shows_projects_with_their_size(
    instance: Instance, people: tuple[Person, Person], command: Any
) -> None:
    _, bob = people

    listed = msgspec.json.decode(command("admin", "projects", bob.slug, "--json"))["items"]

    assert [(one["id"], one["owners"], one["bytes"] > 0) for one in listed] == [(bob.project, [bob.id], True)]
    everybodys = msgspec.json.decode(command("admin", "projects", "--json"))["items"]
    assert msgspec.json.decode(command("admin", "usage", "--json"))["projects"] == len(everybodys) > 1


def test_the_log_of_a_project_shows_who_was_invited_joined_was_changed_and_left(instance: Instance) -> None:
    http, ivy, eve = instance.http, Person(instance.http, "ivy"), Person(instance.http, "eve")
    invite = {"email": "eve@example.com", "role": "viewer"}
    url = http.post(f"{ivy.at}/invites", json=invite, headers=ivy.headers).raise_for_status().json()["url"]
    token = url.partition("token=")[2]
    http.post("/api/invites/accept", json={"token": token}, headers=eve.headers).raise_for_status()
    at = f"{ivy.at}/members/{eve.id}"
    http.patch(at, json={"role": "developer"}, headers=ivy.headers).raise_for_status()
    http.delete(at, headers=eve.headers).raise_for_status()

    left, changed, joined, invited = acts(http, ivy)[:4]

    assert (left["action"], left["actor"]["id"], left["target"]) == ("member.leave", eve.id, eve.id)
    assert left["before"] == {"role": "developer", "email": "eve@example.com"}
    assert (changed["action"], changed["before"], changed["after"]) == (
        "member.update",
        {"role": "viewer", "email": "eve@example.com"},
        {"role": "developer"},
    )
    assert (joined["action"], joined["actor"]["id"], joined["after"]) == ("invite.accept", eve.id, {"role": "viewer"})
    assert (invited["action"], invited["after"]) == ("invite.create", invite)
    assert token not in str(acts(http, ivy))


def test_acts_without_credentials_reach_the_log_of_the_installation_and_the_owner_sees_them(
    instance: Instance, people: tuple[Person, Person]
) -> None:
    http, (root, _), zoe = instance.http, people, Person(instance.http, "zoe")
    account = {"email": "zoe@example.com", "password": PASSWORD}
    assert http.post("/api/auth/login", json=account | {"password": "wrong horse battery"}).status_code == 401

    def called(method: str, params: dict[str, str]) -> Any:
        call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return http.post("/rpc", json=call).raise_for_status().json()["result"]

    called("auth.logout", {"access_token": called("auth.login", account)["access_token"]})

    def seen() -> list[tuple[str, str | None, str]]:
        items = http.get("/api/auth/activity", headers=zoe.headers).raise_for_status().json()["items"]
        return [(one["action"], one.get("method"), one["outcome"]) for one in items]

    def audited() -> list[Any]:
        log = http.get("/api/admin/audit?action=account.sign_out", headers=root.headers)
        return [one["after"] for one in log.raise_for_status().json()["items"] if one["actor"]["id"] == zoe.id]

    poll(lambda: len(seen()) == 4)
    assert set(seen()) == {
        ("account.sign_in", "registration", "done"),
        ("account.sign_in", "password", "refused"),
        ("account.sign_in", "json_rpc", "done"),
        ("account.sign_out", "json_rpc", "done"),
    }
    poll(lambda: audited() == [{"method": "json_rpc"}])
