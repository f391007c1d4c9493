"""The administrator signs in, deploys, invokes and more, with all rooms in one process and in five."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.instance import Instance, poll
from tests.e2e.probing import probe_like_a_balancer
from tests.e2e.topologies.conftest import ROOT


@pytest.fixture(scope="module")
def app(instance: Instance) -> Path:
    """Sign in, create a project and deploy a function. Return the folder of the application."""
    instance.bunbase("login", "--email", ROOT["email"])
    folder = instance.home / "journey"
    instance.bunbase("init", str(folder))
    instance.bunbase("projects", "create", "Shop", cwd=folder)
    instance.bunbase("deploy", cwd=folder)
    return folder


@pytest.fixture(scope="module")
def keys(instance: Instance, app: Path) -> dict[str, str]:
    """Return a secret and a publishable key."""
    kinds = ("secret", "publishable")
    keys = {kind: instance.bunbase_json("keys", "create", "--kind", kind, cwd=app)["key"] for kind in kinds}
    for name in ("posts", "notes"):
        begin_collection(instance, name, {"X-Bunbase-Key": keys["secret"]})
    return keys


def begin_collection(instance: Instance, name: str, secret: dict[str, str]) -> None:
    """Create a collection, which production requires before its first document."""
    instance.http.put(f"/v1/collections/{name}", json={"indexes": []}, headers=secret).raise_for_status()


def test_the_first_account_is_the_administrator(instance: Instance, app: Path) -> None:
    state = instance.http.get("/api/instance").json()
    me = instance.bunbase_json("whoami")

    assert state["setup_complete"]
    assert {"landlock", "seccomp", "rlimits"} <= set(state["sandbox"]["functions"])
    assert me["user"]["role"] == "admin"


def test_signing_out_ends_the_access_token_within_a_second(instance: Instance, app: Path) -> None:
    token = instance.http.post("/api/auth/login", json=ROOT).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    assert instance.http.get("/api/auth/me", headers=headers).status_code == 200

    assert instance.http.post("/api/auth/logout", headers=headers).status_code == 204

    poll(lambda: instance.http.get("/api/auth/me", headers=headers).status_code == 401, 1.0)
    assert instance.http.get("/api/projects", headers=headers).json()["code"] == "invalid_token"


def test_json_rpc_signs_in_and_verifies_the_token(instance: Instance, app: Path) -> None:
    login = {"jsonrpc": "2.0", "id": 1, "method": "auth.login", "params": ROOT}
    token = instance.http.post("/rpc", json=login).json()["result"]["access_token"]

    verify = {"jsonrpc": "2.0", "id": 2, "method": "auth.verify", "params": {"token": token}}
    answer = instance.http.post("/rpc", json=verify).json()

    assert answer["id"] == 2
    assert answer["result"]["valid"] is True
    assert answer["result"]["claims"]["email"] == ROOT["email"]


def test_an_end_user_signs_up_and_in_and_out(instance: Instance, keys: dict[str, str]) -> None:
    public = {"X-Bunbase-Key": keys["publishable"]}
    account = {"email": "eve@example.com", "password": "apples and pears"}

    signed_up = instance.http.post("/v1/auth/signup", json=account, headers=public)
    signed_in = instance.http.post("/v1/auth/login", json=account, headers=public).json()
    token = {"Authorization": f"Bearer {signed_in['access_token']}"}
    me = instance.http.get("/v1/auth/me", headers=public | token)

    assert signed_up.status_code == 201
    assert me.json()["user"]["id"] == signed_up.json()["user"]["id"]

    assert instance.http.post("/v1/auth/logout", headers=public | token).status_code == 204
    poll(lambda: instance.http.get("/v1/auth/me", headers=public | token).status_code == 401, 1.0)


def test_changes_of_a_user_by_a_server_take_effect_within_a_second(instance: Instance, keys: dict[str, str]) -> None:
    http, (secret, public) = instance.http, ({"X-Bunbase-Key": keys[kind]} for kind in ("secret", "publishable"))
    account = {"email": "bob@example.com", "password": "apples and pears"}
    user = http.post("/v1/auth/users", json=account, headers=secret).raise_for_status().json()
    at = f"/v1/auth/users/{user['id']}"
    assert http.get(at, headers=public).status_code == 403
    custom = http.post("/v1/auth/custom-token", json={"uid": user["id"]}, headers=secret).json()["token"]
    assert http.get("/v1/auth/me", headers=public | bearer(custom)).status_code == 401
    signed_in = http.post("/v1/auth/login/custom-token", json={"token": custom}, headers=public).json()
    rules = {"list": "auth.role == 'editor'"}
    http.put("/v1/collections/drafts", json={"rules": rules}, headers=secret).raise_for_status()

    def status(answer: dict[str, str]) -> int:
        return http.get("/v1/data/drafts", headers=public | bearer(answer["access_token"])).status_code

    assert status(signed_in) == 200
    http.patch(at, json={"role": "editor"}, headers=secret).raise_for_status()
    poll(lambda: status(signed_in) == 401, 1.0)
    sent = {"refresh_token": signed_in["refresh_token"]}
    refreshed = http.post("/v1/auth/refresh", json=sent, headers=public).json()
    assert (refreshed["user"]["role"], status(refreshed)) == ("editor", 200)

    http.patch(at, json={"banned": True}, headers=secret).raise_for_status()
    poll(lambda: status(refreshed) == 401, 1.0)
    login = http.post("/v1/auth/login", json=account, headers=public)
    assert (login.status_code, login.json()["code"]) == (403, "user_banned")
    http.patch(at, json={"banned": False}, headers=secret).raise_for_status()
    again = http.post("/v1/auth/login", json=account, headers=public).json()
    assert status(again) == 200

    assert http.delete(at, headers=secret).status_code == 204
    poll(lambda: status(again) == 401, 1.0)
    assert http.get(at, headers=secret).json()["code"] == "user_not_found"


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_an_end_user_reads_and_writes_what_rules_allow(instance: Instance, keys: dict[str, str]) -> None:
    secret, public = ({"X-Bunbase-Key": keys[kind]} for kind in ("secret", "publishable"))
    account = {"email": "owner@example.com", "password": "apples and pears"}
    user = instance.http.post("/v1/auth/signup", json=account, headers=public).json()
    signed_in = public | {"Authorization": f"Bearer {user['access_token']}"}
    owner, mine = "auth.uid == doc.owner", {"owner": user["user"]["id"]}
    rules = {"list": owner, "get": owner, "create": "auth.uid == next.owner", "hidden": {"note": "true"}}
    instance.http.put("/v1/collections/diary", json={"rules": rules}, headers=secret).raise_for_status()

    made = instance.http.post("/v1/data/diary", json=mine, headers=signed_in)
    theirs = instance.http.post("/v1/data/diary", json={"owner": "eve", "note": "n"}, headers=secret)
    refused = instance.http.post("/v1/data/diary", json={"owner": "eve"}, headers=signed_in)
    listed = instance.http.get("/v1/data/diary", headers=signed_in)
    denied = instance.http.get(theirs.headers["location"], headers=signed_in)
    explained = instance.http.get(theirs.headers["location"], headers=signed_in | {"X-Bunbase-Explain": "true"})

    assert made.status_code == 201
    assert (refused.status_code, refused.json()["code"]) == (403, "rule_denied")
    assert [item["_id"] for item in listed.json()["items"]] == [made.json()["_id"]]
    assert denied.status_code == 404
    assert "trace" not in denied.json()
    dev = instance.http.get("/api/instance").json()["mode"] == "dev"
    assert explained.status_code == (404 if dev else 401)  # In production, only a member may ask for explanations.
    assert ("trace" in explained.json()) == dev


def test_a_server_that_acts_as_a_user_gets_the_answers_of_this_user(instance: Instance, keys: dict[str, str]) -> None:
    secret, public = ({"X-Bunbase-Key": keys[kind]} for kind in ("secret", "publishable"))
    account = {"email": "acted@example.com", "password": "apples and pears"}
    user = instance.http.post("/v1/auth/signup", json=account, headers=public).json()
    uid, own = user["user"]["id"], public | bearer(user["access_token"])
    served, visiting = secret | {"X-Bunbase-As": uid}, secret | {"X-Bunbase-As": "-"}
    owner = "auth.uid == doc.owner"
    rules = {"list": owner, "get": owner, "create": "auth.uid == next.owner", "update": owner, "delete": owner}
    instance.http.put("/v1/collections/acted", json={"rules": rules}, headers=secret).raise_for_status()
    for id, who in (("mine", uid), ("theirs", "usr_other")):
        instance.http.put(f"/v1/data/acted/{id}", json={"owner": who}, headers=secret).raise_for_status()

    def answers(headers: dict[str, str]) -> list[Any]:
        at, http = "/v1/data/acted", instance.http
        commit = {"writes": [{"op": "patch", "collection": "acted", "id": "theirs", "data": {"a": 1}}]}
        sent = [
            http.get(f"{at}/mine", headers=headers),
            http.get(f"{at}/theirs", headers=headers),
            http.get(at, headers=headers),
            http.post(f"{at}/query", json={"count": True}, headers=headers),
            http.post(f"{at}/aggregate", json={"values": {"n": {"$count": True}}}, headers=headers),
            http.patch(f"{at}/theirs", json={"a": 1}, headers=headers),
            http.post("/v1/commit", json=commit, headers=headers),
            http.delete(f"{at}/theirs", headers=headers),
        ]
        return [(one.status_code, one.json() | {"request_id": None} if one.content else {}) for one in sent]

    assert answers(served) == answers(own)
    assert answers(visiting) == answers(public)
    assert answers(secret) != answers(own)
    instance.http.patch(f"/v1/auth/users/{uid}", json={"banned": True}, headers=secret).raise_for_status()
    banned = instance.http.get("/v1/data/acted/mine", headers=served)
    assert (banned.status_code, banned.json()["code"]) == (403, "user_banned")


def test_documents_are_written_read_patched_listed_and_deleted(instance: Instance, keys: dict[str, str]) -> None:
    secret, public = ({"X-Bunbase-Key": keys[kind]} for kind in ("secret", "publishable"))

    created = instance.http.post("/v1/data/posts", json={"title": "One", "tags": ["a"]}, headers=secret)
    path = f"/v1/data/posts/{created.json()['_id']}"
    patched = instance.http.patch(path, json={"title": "Two"}, headers=secret | {"If-Match": '"1"'})
    stale = instance.http.put(path, json={"title": "Three"}, headers=secret | {"If-Match": '"1"'})
    read = instance.http.get(path, headers=secret)
    unchanged = instance.http.get(path, headers=secret | {"If-None-Match": read.headers["etag"]})
    denied = instance.http.get(path, headers=public)
    listed = instance.http.get("/v1/data/posts", headers=secret).json()
    gone = instance.http.delete(path, headers=secret)

    assert created.status_code == 201
    assert created.headers["location"].endswith(path)
    assert patched.json()["_rev"] == 2
    assert (stale.status_code, stale.json()["code"]) == (412, "stale_revision")
    assert read.json() | {"title": "Two", "tags": ["a"]} == read.json()
    assert unchanged.status_code == 304
    assert (denied.status_code, denied.json()["code"]) == (404, "document_not_found")
    assert [item["title"] for item in listed["items"]] == ["Two"]
    assert gone.status_code == 204
    assert instance.http.get(path, headers=secret).json()["code"] == "document_not_found"


def test_queries_and_aggregates_return_the_right_documents_with_an_index(
    instance: Instance, keys: dict[str, str]
) -> None:
    secret = {"X-Bunbase-Key": keys["secret"]}
    begin_collection(instance, "orders", secret)
    for n in range(5):
        order = {"status": "open" if n % 2 else "done", "price": n}
        instance.http.put(f"/v1/data/orders/o{n}", json=order, headers=secret).raise_for_status()
    indexes = {"indexes": [{"fields": ["status", "-price"]}]}
    instance.http.put("/v1/collections/orders", json=indexes, headers=secret).raise_for_status()

    query = {"where": {"status": "done"}, "sort": ["-price"], "count": True, "select": ["price"]}
    page = instance.http.post("/v1/data/orders/query", json=query, headers=secret).json()
    sums = {"group": ["status"], "values": {"total": {"$sum": "price"}}}
    groups = instance.http.post("/v1/data/orders/aggregate", json=sums, headers=secret).json()["items"]

    assert [item["price"] for item in page["items"]] == [4, 2, 0]
    assert page["count"] == 3
    assert {group["status"]: group["total"] for group in groups} == {"done": 6, "open": 4}


def test_a_commit_is_all_or_nothing_and_appears_in_the_change_log(instance: Instance, keys: dict[str, str]) -> None:
    secret = {"X-Bunbase-Key": keys["secret"]}
    begin_collection(instance, "accounts", secret)
    both = [
        {"op": "create", "collection": "accounts", "id": "ada", "data": {"coins": 5}},
        {"op": "create", "collection": "accounts", "id": "eve", "data": {"coins": 0}},
    ]
    begun = instance.http.post("/v1/commit", json={"writes": both}, headers=secret).json()["seq"]
    move = [
        {"op": "patch", "collection": "accounts", "id": "ada", "data": {"$inc": {"coins": -2}}},
        {"op": "patch", "collection": "accounts", "id": "eve", "data": {"$inc": {"coins": 2}}, "if_rev": 1},
    ]

    moved = instance.http.post("/v1/commit", json={"writes": move}, headers=secret)
    again = instance.http.post("/v1/commit", json={"writes": move}, headers=secret)

    told = instance.http.get("/v1/changes", params={"since": begun}, headers=secret).json()
    assert moved.status_code == 200
    assert (again.status_code, again.json()["code"], again.json()["write"]) == (412, "stale_revision", 1)
    assert instance.http.get("/v1/data/accounts/ada", headers=secret).json()["coins"] == 3
    assert [(one["op"], one["id"]) for one in told["items"]] == [("update", "ada"), ("update", "eve")]


def test_the_console_output_of_an_invoked_function_is_in_the_log(instance: Instance, app: Path) -> None:
    answer = instance.bunbase("invoke", "hello", "--path", "/?name=Ada", cwd=app)

    assert answer == "Hello, Ada!\n"
    poll(lambda: "greeting Ada" in instance.bunbase("logs", "hello", cwd=app))


def test_a_variable_is_seen_by_the_next_call(instance: Instance, app: Path) -> None:
    instance.bunbase("env", "set", "GREETING=Ahoy", cwd=app)

    poll(lambda: instance.bunbase("invoke", "hello", cwd=app) == "Ahoy, world!\n", 2.0)
    assert "Ahoy" not in instance.bunbase("env", "list", cwd=app)


def test_frequent_readiness_probes_of_a_load_balancer_all_succeed(instance: Instance) -> None:
    """The processes accounts and functions need each other."""
    probe_like_a_balancer(instance)


def test_metrics_count_requests_logins_and_invocations(instance: Instance, app: Path) -> None:
    one = "dev" in instance.commands
    text = instance.http.get("/metrics").text if one else _internal_metrics(instance)

    for name in (
        "bunbase_http_requests_total",
        "bunbase_http_request_duration_seconds_bucket",
        "bunbase_bundoc_ops_total",
        "bunbase_kms_ops_total",
    ):
        assert f"{name}{{" in text, name
    assert 'bunbase_auth_login_total{outcome="ok",pool="users"}' in text
    assert 'bunbase_fn_invocations_total{outcome="ok"}' in text
    assert 'route="/v1/data/{collection' in text
    assert instance.http.get("/metrics").status_code == (200 if one else 404)


def test_documents_functions_variables_and_logs_survive_a_restart(
    instance: Instance, app: Path, keys: dict[str, str]
) -> None:
    secret = {"X-Bunbase-Key": keys["secret"]}
    instance.http.put("/v1/data/notes/kept", json={"text": "still here"}, headers=secret).raise_for_status()
    (app / "functions" / "hello.ts").write_text('export default () => new Response("second version");\n')
    instance.bunbase("deploy", cwd=app)
    instance.bunbase("env", "set", "KEPT=yes", cwd=app)

    instance.stop()
    instance.start()

    assert instance.http.get("/v1/data/notes/kept", headers=secret).json()["text"] == "still here"
    assert instance.bunbase("invoke", "hello", cwd=app) == "second version"
    assert [one["name"] for one in instance.bunbase_json("env", "list", cwd=app)["items"]] == ["GREETING", "KEPT"]
    assert "greeting Ada" in instance.bunbase("logs", "hello", cwd=app)


def test_a_deleted_project_stops_can_be_restored_and_with_now_loses_its_files(instance: Instance, app: Path) -> None:
    made = instance.bunbase_json("projects", "create", "Short-lived", cwd=instance.home)
    secret = {"X-Bunbase-Key": next(key["key"] for key in made["keys"] if key["kind"] == "secret")}
    begin_collection(instance, "notes", secret)
    instance.http.put("/v1/data/notes/n", json={"text": "soon gone"}, headers=secret).raise_for_status()

    confirmed = ("projects", "delete", made["slug"], "--confirm", made["slug"])
    instance.bunbase(*confirmed, cwd=instance.home)

    poll(lambda: instance.http.get("/v1/data/notes/n", headers=secret).status_code == 401, 1.0)
    instance.bunbase("projects", "restore", made["slug"], cwd=instance.home)
    poll(lambda: instance.http.get("/v1/data/notes/n", headers=secret).status_code == 200)

    instance.bunbase(*confirmed, cwd=instance.home)
    instance.bunbase(*confirmed, "--now", cwd=instance.home)

    poll(lambda: instance.http.get("/v1/data/notes/n", headers=secret).status_code == 401, 1.0)
    files = [place for place in instance.home.glob("data*/bundoc/*") if place.name == made["id"]]
    poll(lambda: not any(place.exists() for place in files), 10.0, "the project's files are deleted")


def _internal_metrics(instance: Instance) -> str:
    ports = [settings["BUNBASE_HOUSE__INTERNAL_PORT"] for _, settings in instance.commands.values()]
    return "".join(httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text for port in ports)
