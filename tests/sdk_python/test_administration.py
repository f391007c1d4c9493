"""Users, collections, functions, jobs, logs, exports and changes, through both faces, on a real server."""

from __future__ import annotations

import threading
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from bunbase_sdk import Conflict, NotFound, Problem
from tests.e2e.instance import poll
from tests.sdk_js.fault_proxy import serving
from tests.sdk_python.conftest import Connect
from tests.sdk_python.cutting_proxy import CuttingProxy
from tests.sdk_python.site import Site

LOGGING = """
exports.default = async (request) => {
  const { text } = await request.json();
  console.log(text);
  return { text };
};
"""


def address() -> str:
    return f"{uuid.uuid4().hex}@example.com"


def test_a_user_is_created_found_changed_and_deleted(client: Any) -> None:
    email = address()
    user = client.users.create(email=email, role="editor", claims={"team": "one"}, data={"n": 2**60})

    assert client.users.get(user["id"]) == client.users.get_by_email(email) == user
    assert user["data"] == {"n": 2**60}
    assert client.users.list(email=email).items == [user]
    with pytest.raises(Conflict) as taken:
        client.users.create(email=email)
    assert taken.value.code == "email_taken"
    end = datetime.now(UTC) + timedelta(days=1)
    banned = client.users.update(user["id"], banned_until=end, role="guest")
    assert (banned["banned"], banned["role"]) == (True, "guest")
    assert [one["id"] for one in client.users.all(banned=True, role="guest")] == [user["id"]]
    assert client.users.update(user["id"], banned=False)["banned"] is False
    client.users.delete(user["id"])
    for missing, value in ((client.users.get, user["id"]), (client.users.get_by_email, email)):
        with pytest.raises(NotFound) as gone:
            missing(value)
        assert gone.value.code == "user_not_found"


def test_sessions_activity_links_and_impersonation_of_a_user(client: Any) -> None:
    user = client.users.create(email=address(), email_verified=True)

    session = client.users.impersonate(user["id"], reason="ticket 4711")
    assert [one["id"] for one in client.users.sessions(user["id"])] == [session["session"]]
    assert client.auth.verify(session["access_token"])["sub"] == user["id"]
    assert [entry["user"] for entry in client.users.activity(user["id"])][:1] == [user["id"]]
    assert client.users.create_link(user["id"], "password_reset")["url"].startswith("http")
    client.users.reset_factors(user["id"])
    client.users.sign_out(user["id"])
    assert list(client.users.sessions(user["id"])) == []
    assert client.auth.custom_token(user["id"], {"device": "tv"}).count(".") == 2


def test_many_users_are_changed_exported_and_imported(client: Any) -> None:
    role = f"r{uuid.uuid4().hex[:8]}"
    users = [{"id": f"{role}_{number}", "email": address(), "role": role} for number in range(3)]

    result = client.users.import_(iter([*users, {"email": "nobody"}]))
    assert (result["imported"], result["failed"], result["errors"][0]["line"]) == (3, 1, 4)
    assert {one["id"] for one in client.users.export() if one["role"] == role} == {one["id"] for one in users}
    assert client.users.change_many("ban", filter={"role": role})["done"] == 3
    assert client.users.change_many("delete", ids=[one["id"] for one in users])["done"] == 3


def test_people_are_invited_and_invitations_withdrawn(client: Any) -> None:
    email = address()

    invite = client.users.invites.create(email, role="editor")
    assert email in [one["email"] for one in client.users.invites.list()]
    client.users.invites.withdraw(invite["id"])
    assert email not in [one["email"] for one in client.users.invites.list()]


def test_collections_are_made_checked_and_dropped(client: Any) -> None:
    name = f"c{uuid.uuid4().hex[:8]}"

    spec = {"indexes": [{"fields": ["author"]}], "rules": {"get": "auth.uid == doc.author"}}
    assert client.collections.put(name, spec)["indexes"][0]["ready"]
    client.data.collection(name).create({"_id": "one", "author": 1})
    assert client.collections.get(name)["documents"] == 1
    assert name in [one["name"] for one in client.collections.list()]
    misfits = list(client.collections.misfits(name, schema={"properties": {"author": {"type": "string"}}}))
    assert [one["id"] for one in misfits] == ["one"]
    case = {"collection": name, "op": "get", "auth": {"uid": "eve"}, "doc": {"author": "eve"}}
    assert client.rules.test(case)["allowed"]
    decisions = client.rules.test_many([case, {**case, "auth": None}])
    assert [one["allowed"] for one in decisions["items"]] == [True, False]
    client.collections.drop(name)
    with pytest.raises(NotFound):
        client.collections.get(name)


def test_functions_answer_with_json_texts_and_problems(client: Any) -> None:
    functions = client.functions

    shown = functions.invoke("echo", {"at": datetime(2026, 1, 5, tzinfo=UTC)}, method="PUT", path="/a?b=c")
    assert (shown["method"], shown["path"], shown["body"]) == ("PUT", "/a?b=c", '{"at":"2026-01-05T00:00:00.000Z"}')
    assert shown["big"] == 2**63 - 1
    assert functions.invoke("echo", path="/text") == "plain"
    assert functions.invoke("echo", path="/empty") is None
    with pytest.raises(Problem) as teapot:
        functions.invoke("echo", path="/teapot")
    assert (teapot.value.code, teapot.value.status) == ("function_answer", 418)
    assert teapot.value.body["answer"] == "short and stout"
    with pytest.raises(Conflict) as sold:
        functions.invoke("echo", path="/problem")
    assert (sold.value.code, sold.value.detail) == ("function_answer", "Nothing is left.")
    assert sold.value.body["code"] == "sold_out"
    answer = functions.fetch("echo", path="/teapot")
    assert (answer.status, answer.text) == (418, "short and stout")
    assert functions.fetch("echo", method="POST", content="raw", headers={"Content-Type": "text/plain"}).json()
    assert b"".join(functions.stream("echo", path="/text")) == b"plain"
    with pytest.raises(Problem):
        list(functions.stream("echo", path="/teapot"))
    for path in ("/a b", "/ä", "/#"):
        with pytest.raises(Problem, match="Escape the path"):
            functions.invoke("echo", path=path)


def test_functions_are_deployed_listed_rolled_back_and_deleted(developer: Any) -> None:
    name = f"f{uuid.uuid4().hex[:8]}"
    functions = developer.functions

    first = functions.deploy(name, LOGGING, config={"access": "key", "timeout_ms": 5000})
    second = functions.deploy(name, LOGGING + "// two", config={"access": "key"})
    assert functions.bundle(name, first["version"]) == LOGGING.encode()
    assert [one["version"] for one in functions.versions(name)] == [second["version"], first["version"]]
    assert functions.rollback(name)["version"] == first["version"] == functions.get(name)["version"]
    assert functions.rollback(name, second["version"])["active"]
    assert name in [one["name"] for one in functions.list()]
    assert list(functions.runs(name)) == []
    assert functions.stats(name, hours=1)["calls"] == 0
    assert list(developer.schedules.list()) == []
    functions.delete(name)
    with pytest.raises(NotFound):
        functions.get(name)


def test_variables_of_functions_are_set_listed_and_deleted(developer: Any) -> None:
    name = f"V{uuid.uuid4().hex[:8].upper()}"

    assert developer.env.set(name, "Ahoy")["name"] == name
    assert {one["name"]: one["value"] for one in developer.env.list(reveal=True)}[name] == "Ahoy"
    developer.env.delete(name)
    assert name not in [one["name"] for one in developer.env.list()]


def test_backups_are_made_verified_restored_and_deleted(connect: Connect, site: Site) -> None:
    # The test has its own project, because a restore begins a new history.
    where, name = f"{site.url}/api/projects", {"name": "Restored"}
    project = httpx.post(where, json=name, headers=site.developer).raise_for_status().json()
    client = connect(site.url, next(key["key"] for key in project["keys"] if key["kind"] == "secret"))
    backups = connect(site.url, site.token, project=project["id"]).backups
    moved = client.data.collection("moved")
    moved.put("kept", {"n": 1})

    made = backups.wait(backups.create()["id"])
    assert (made["state"], made["problem"]) == ("done", None)
    assert made["backup"] in [one["id"] for one in backups.list()]
    assert backups.wait(backups.verify(made["backup"])["id"])["state"] == "done"
    moved.delete("kept")
    restored = backups.wait(backups.restore(made["backup"])["id"])
    assert restored["state"] == "done"
    assert moved.get("kept")["n"] == 1
    with pytest.raises(Problem, match="read your collections again") as resync:
        list(client.changes())
    assert resync.value.code == "resync_required"
    moved.put("after", {})
    assert [change["id"] for change in client.changes(since=resync.value.body["last"])] == ["after"]
    for backup in (made["backup"], restored["safety_backup"]):
        backups.delete(backup)
    with pytest.raises(NotFound):
        backups.get(made["backup"])
    assert backups.set_schedule(every_hours=6, kept=3)["own"]
    assert not backups.reset_schedule()["own"]
    assert backups.schedule()["kept"] == 7


def test_jobs_are_added_read_and_deleted(client: Any, developer: Any) -> None:
    at = datetime.now(UTC) + timedelta(hours=1)

    job = client.jobs.enqueue("echo", {"n": 1}, run_at=at, key="one", attempts=3)

    assert developer.jobs.get(job["id"])["payload"] == {"n": 1}
    assert job["id"] in [one["id"] for one in developer.jobs.list(state="waiting")]
    with pytest.raises(Problem):
        developer.jobs.replay(job["id"])
    developer.jobs.delete(job["id"])


def test_a_developer_exports_imports_and_adds_jobs_with_a_personal_access_token(developer: Any) -> None:
    assert developer.import_([{"_id": "of-ada", "n": 1}], "moved", mode="replace")["imported"] == 1
    assert "of-ada" in [document["_id"] for document in developer.export("moved")]
    job = developer.jobs.enqueue("echo", delay_seconds=3600)
    developer.jobs.delete(job["id"])
    assert developer.data.collection("moved").get("of-ada")["n"] == 1
    for refused, value in ((developer.functions.invoke, "echo"), (developer.token, ["read"])):
        with pytest.raises(Problem) as problem:
            refused(value)
        assert problem.value.code == "invalid_value"


def test_acts_of_developers_are_refused_before_anything_is_sent(connect: Connect, site: Site) -> None:
    clients = [connect("http://127.0.0.1:1", key) for key in (site.secret, site.account)]

    for call in (
        lambda client: client.functions.get("echo"),
        lambda client: client.functions.deploy("echo", b""),
        lambda client: list(client.functions.logs()),
        lambda client: list(client.jobs.list()),
        lambda client: list(client.schedules.list()),
    ):
        for client in clients:
            with pytest.raises(Problem, match="personal access token") as problem:
                call(client)
            assert problem.value.code == "invalid_value"


def test_documents_are_exported_and_imported(client: Any) -> None:
    moved = client.data.collection("moved")
    documents = [{"_id": f"d{number}", "n": number} for number in range(3)]

    assert client.import_(documents, "moved", mode="replace")["imported"] == 3
    exported = [document for document in client.export("moved") if document["_id"].startswith("d")]
    assert [document["n"] for document in exported] == [0, 1, 2]
    again = client.import_((one for one in exported), "moved", mode="create")
    assert (again["failed"], again["errors"][0]["code"]) == (3, "document_exists")
    assert client.import_(client.export("moved"), "moved", mode="skip")["skipped"] >= 3
    lines = [line for line in client.export() if line["document"]["_id"] == "d1"]
    moved.delete("d1")
    assert client.import_(lines)["imported"] == 1
    with pytest.raises(Problem) as refused:
        client.import_([{"_id": "d9"}, {"_id": "d8", "n": float("nan")}], "moved")
    assert refused.value.errors[0]["path"] == "line 2/n"


def test_changes_have_no_gaps_and_are_followed_over_lost_connections(connect: Connect, site: Site, client: Any) -> None:
    posts = client.data.collection("posts")
    posts.put("change", {"n": 0})
    write = {"op": "patch", "collection": "posts", "id": "change", "data": {"n": 0}}
    last = client.data.commit([write])["seq"]

    with serving(CuttingProxy(site.url)) as cutting:
        found, done = [], threading.Event()

        def follow() -> None:
            for change in connect(cutting.url, site.secret).changes(since=last, follow=True, stop_after=60):
                found.append(change["seq"])
                if len(found) == 6:
                    break
            done.set()

        thread = threading.Thread(target=follow)
        thread.start()
        for number in range(6):
            posts.patch("change", {"n": number + 1})
            if number == 2:
                poll(lambda: len(found) == 3, 30)
                cutting.cut_all()
        assert done.wait(60)
        thread.join()

    assert found == [last + number for number in range(1, 7)]
    assert list(client.changes(since=last + 6, follow=True, stop_after=0.2)) == []


def test_log_lines_are_followed_and_each_is_seen_once(
    connect: Connect, site: Site, client: Any, developer: Any
) -> None:
    name = f"f{uuid.uuid4().hex[:8]}"
    developer.functions.deploy(name, LOGGING)
    client.functions.invoke(name, {"text": "before"})
    poll(lambda: [line["text"] for line in developer.functions.logs(name)] == ["before"], 30)
    last = next(iter(developer.functions.logs(name)))["seq"]
    assert list(developer.functions.logs(name, follow=True, stop_after=0.2)) == []

    with serving(CuttingProxy(site.url)) as cutting:
        found: list[str] = []

        def follow() -> None:
            through = connect(cutting.url, site.token, project=site.project)
            for line in through.functions.logs(name, follow=True, after=last, stop_after=60):
                found.append(line["text"])
                if len(found) == 4:
                    break

        thread = threading.Thread(target=follow)
        thread.start()
        for number in range(4):
            client.functions.invoke(name, {"text": f"line {number}"})
            poll(lambda: len(found) > number, 30)  # noqa: B023  asked at once
            cutting.cut_all()
        thread.join(60)

    assert found == [f"line {number}" for number in range(4)]
    developer.functions.delete(name)
