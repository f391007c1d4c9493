"""A project can never read or change the data of another project, through any route."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec
import pytest

from tests.e2e.instance import SETUP_TOKEN, Instance, poll
from tests.e2e.isolation import FUNCTION, MARKER, Project, tries
from tests.shared_openapi import openapi_document

OPEN_TO_ALL = (
    "/api/health",
    "/api/ready",
    "/api/instance",
    "/rpc",
    "/api/auth/",
    "/api/admin/",
    "/api/invites",
    "/.well-known/",
    "/oauth/",
)


@pytest.fixture(scope="module")
def projects(instance: Instance) -> tuple[Project, Project]:
    """Return two projects: the owner's, with the marker in all its data, and the stranger's."""
    return _project(instance, "owner"), _project(instance, "stranger")


def test_no_route_shows_or_changes_data_of_another_project(
    instance: Instance, projects: tuple[Project, Project]
) -> None:
    owner, stranger = projects
    for one in tries(owner):
        who = {"key": stranger.secret, "developer": stranger.developer, "nobody": {}}[one.as_who]

        reply = instance.http.request(
            one.method, one.path, json=one.json, files=one.files or None, headers=who | one.headers
        )

        assert reply.status_code in one.allowed, f"{one.method} {one.path}: {reply.status_code} {reply.text}"
        assert MARKER not in reply.text + str(reply.headers), f"{one.method} {one.path}"

    assert _everything(instance, owner) == OWNED


def test_a_backup_is_restored_only_by_members_of_both_projects(
    instance: Instance, projects: tuple[Project, Project]
) -> None:
    owner, stranger = projects

    for ref in (owner.id, owner.slug):
        asked = {"backup": owner.backup, "from_project": ref}
        at = f"/api/projects/{stranger.id}/backups/restore"
        assert instance.http.post(at, json=asked, headers=stranger.developer).status_code == 404

    asked = {"backup": owner.backup, "from_project": stranger.id}
    assert (
        instance.http.post(f"/api/projects/{owner.id}/backups/restore", json=asked, headers=owner.developer).status_code
        == 404
    )


def test_the_table_of_isolation_has_every_route_that_serves_a_project() -> None:
    document = msgspec.json.decode(openapi_document())
    served = {
        (method.upper(), path)
        for path, methods in document["paths"].items()
        for method in methods
        if not path.startswith(OPEN_TO_ALL)
    }
    nobody = Project("prj_x", "x", {}, {}, {}, {}, "", ("key_x",))

    tried = {(one.method, one.route) for one in tries(nobody)} | OF_THE_CALLER

    assert served - tried == set()


def test_a_developer_lists_only_their_own_projects(instance: Instance, projects: tuple[Project, Project]) -> None:
    _owner, stranger = projects

    seen = instance.http.get("/api/projects", headers=stranger.developer).json()["items"]

    assert [project["id"] for project in seen] == [stranger.id]


def test_a_key_or_token_of_one_kind_is_refused_as_another_kind(
    instance: Instance, projects: tuple[Project, Project]
) -> None:
    owner, _ = projects
    key = owner.secret["X-Bunbase-Key"]

    def status(path: str, **headers: str) -> int:
        return instance.http.get(path, headers=headers).status_code

    assert status("/api/projects", Authorization=owner.user["Authorization"]) == 401
    assert status("/api/projects", Authorization=f"Bearer {key}") == 401
    assert status(f"/api/projects/{owner.id}/keys", **owner.secret) == 401
    assert status("/v1/auth/me", **owner.public, Authorization=owner.developer["Authorization"]) == 401
    assert status("/v1/data/papers", **{"X-Bunbase-Key": owner.developer["Authorization"][7:]}) == 401
    assert status(f"/v1/data/papers?key={key}") == 401
    assert status("/v1/data/papers") == 401
    assert status("/v1/data/papers", **owner.public, **{"X-Bunbase-As": owner.user_id}) == 403


def test_a_server_acts_as_users_of_its_own_project_alone(instance: Instance, projects: tuple[Project, Project]) -> None:
    owner, stranger = projects
    at = "/v1/data/papers/paper"
    acting = stranger.secret | {"X-Bunbase-As": owner.user_id}

    read = instance.http.get(at, headers=acting)
    written = instance.http.put(at, json={"text": "mine"}, headers=acting)

    # Another test imports a user with this id into the stranger's project, where no rule lets that user do anything.
    assert (read.status_code, read.json()["code"]) in [(404, "user_not_found"), (404, "document_not_found")]
    assert (written.status_code, written.json()["code"]) in [(404, "user_not_found"), (403, "rule_denied")]
    assert instance.http.get(at, headers=owner.secret).json()["text"] == MARKER


ECHO = b"module.exports.default = (r) => ({ url: r.url, headers: Object.fromEntries(r.headers) })"


def test_no_credential_reaches_a_function(instance: Instance, projects: tuple[Project, Project]) -> None:
    """This holds in both lanes, and with Functions in the process of the gateway or in another."""
    _, stranger = projects
    at = f"/api/projects/{stranger.id}/functions/echo"
    files: dict[str, Any] = {"bundle": ("echo.js", ECHO), "config": (None, b'{"access": "public"}')}
    instance.http.put(at, files=files, headers=stranger.developer).raise_for_status()
    key, developer = stranger.secret["X-Bunbase-Key"], stranger.developer["Authorization"][7:]
    publishable = stranger.public["X-Bunbase-Key"]
    cookie = {"Cookie": f"bb_{stranger.id}=t0ken; __Host-bb_console=t0ken; own=1; prj_other.sid=t0ken"}
    ways: list[tuple[str, dict[str, str]]] = [
        ("/v1/functions/echo/a?x=1", stranger.secret),  # this request uses the fast lane
        ("/v1/functions/echo/a?x=1", stranger.secret | stranger.user),
        (f"/v1/functions/echo/a?key={publishable}&x=1", {}),
        (f"/v1/functions/echo/a?x=1&key={publishable}", stranger.public),
        ("/v1/functions/echo/a?x=1", stranger.secret | {"X-Bunbase-Explain": developer}),
        ("/v1/functions/echo/a?x=1", stranger.secret | {"X-Bunbase-Project": stranger.id, "X-Bunbase-Csrf": "1"}),
        ("/v1/functions/echo/a?x=1", stranger.secret | {"X-Bunbase-As": "-"}),
        (f"/v1/functions/echo/a?project={stranger.id}&x=1", stranger.developer | {"X-Bunbase-Trigger": "cron"}),
    ]

    for path, headers in ways:
        told = instance.http.get(path, headers=headers | cookie).raise_for_status()

        for secret in (key, publishable, developer, stranger.user["Authorization"][7:], "t0ken"):
            assert secret not in told.text, path
        seen = told.json()
        assert [name for name in seen["headers"] if name.startswith("x-bunbase-")] == []
        assert seen["headers"]["cookie"] == "own=1"
        assert "authorization" not in seen["headers"]
        assert seen["url"].endswith("x=1")


OF_THE_CALLER = {  # These routes name no project and no organisation.
    ("OPTIONS", "/v1/storage/tus"),  # this route shows what the server can do
    ("GET", "/api/invites"),  # these routes belong to the installation
    ("POST", "/api/invites"),
    ("DELETE", "/api/invites/{invite_id}"),
    ("GET", "/api/projects"),
    ("POST", "/api/projects"),
    ("GET", "/api/orgs"),
    ("POST", "/api/orgs"),
    ("POST", "/api/invites/accept"),
    ("POST", "/api/invites/register"),
}

OWNED = {
    "papers": ["other", "paper"],
    "text": MARKER,
    "name": "owner",
    "env": MARKER,
    "functions": [("shared", 1)],
    "answer": MARKER,
    "user": MARKER,
    "keys": 2,
    "backups": 1,
    "exported": 2,
    "jobs": [MARKER],
    "members": [("dev@owner.example", "owner")],
    "invites": ["friend@owner.example"],
    "org": ("guild of owner", [("dev@owner.example", "owner")], ["friend@owner.example"]),
}


def _everything(instance: Instance, owner: Project) -> dict[str, Any]:
    """Return all data of the project that the owner can read."""

    def get(path: str, headers: dict[str, str]) -> httpx.Response:
        return instance.http.get(path, headers=headers).raise_for_status()

    def members(place: str) -> list[tuple[str, str]]:
        items = get(f"{place}/members", owner.developer).json()["items"]
        return [(one["user"]["email"], one["role"]) for one in items]

    def invites(place: str) -> list[str]:
        return [one["email"] for one in get(f"{place}/invites", owner.developer).json()["items"]]

    at, org = f"/api/projects/{owner.id}", f"/api/orgs/{owner.org}"
    return {
        "members": members(at),
        "invites": invites(at),
        "org": (get(org, owner.developer).json()["name"], members(org), invites(org)),
        "papers": [item["_id"] for item in get("/v1/data/papers", owner.secret).json()["items"]],
        "text": get("/v1/data/papers/paper", owner.secret).json()["text"],
        "name": get(at, owner.developer).json()["name"],
        "env": get(f"{at}/env?reveal=true", owner.developer).json()["items"][0]["value"],
        "functions": [(f["name"], f["version"]) for f in get(f"{at}/functions", owner.developer).json()["items"]],
        "answer": get("/v1/functions/shared", owner.secret).text,
        "user": get("/v1/auth/me", owner.public | owner.user).json()["user"]["data"]["note"],
        "keys": len(get(f"{at}/keys", owner.developer).json()["items"]),
        "backups": len(get(f"{at}/backups", owner.developer).json()["items"]),
        "exported": get("/v1/export", owner.secret).text.count(MARKER),
        "jobs": [
            get(f"{at}/jobs/{job['id']}", owner.developer).json()["payload"]
            for job in get(f"{at}/jobs", owner.developer).json()["items"]
        ],
    }


def _project(instance: Instance, name: str) -> Project:
    """Register a developer and fill a project. Only the owner's project holds the marker."""
    note = MARKER if name == "owner" else "nothing"
    http = instance.http

    def post(path: str, headers: dict[str, str], body: Any) -> Any:
        return http.post(path, json=body, headers=headers).raise_for_status().json()

    new = {"email": f"dev@{name}.example", "password": "correct horse battery", "setup_token": SETUP_TOKEN}
    account = post("/api/auth/register", {}, new)
    developer = {"Authorization": f"Bearer {account['access_token']}"}
    made = post("/api/projects", developer, {"name": name})
    keys = {key["kind"]: {"X-Bunbase-Key": key["key"]} for key in made["keys"]}
    account_of_program = {"name": name, "scopes": ["read"]}
    service_account = post(f"/api/projects/{made['id']}/service-accounts", developer, account_of_program)
    credential = post(f"/api/projects/{made['id']}/storage/credentials", developer, {"name": note})
    user = post(
        "/v1/auth/signup",
        keys["publishable"],
        {"email": f"user@{name}.example", "password": "apples and pears", "data": {"note": note}},
    )
    http.put("/v1/collections/papers", json={"indexes": []}, headers=keys["secret"]).raise_for_status()
    queued_job = ""
    if name == "owner":
        for id in ("paper", "other"):
            post("/v1/data/papers", keys["secret"], {"_id": id, "text": note})
        at = f"/api/projects/{made['id']}"
        http.put(f"{at}/env/MARKER", json={"value": note}, headers=developer).raise_for_status()
        bundle = f"exports.default = {FUNCTION.removeprefix('export default ').rstrip().rstrip(';')};"
        files: dict[str, Any] = {"bundle": ("shared.js", bundle.encode()), "config": (None, b"{}")}
        http.put(f"{at}/functions/shared", files=files, headers=developer).raise_for_status()
        assert http.get("/v1/functions/shared", headers=keys["secret"]).text == MARKER
        logs = f"{at}/functions/shared/logs"
        waiting = {"function": "shared", "payload": note, "delay_seconds": 3600}
        queued_job = post(f"{at}/jobs", developer, waiting)["id"]
        poll(lambda: http.get(logs, headers=developer).json()["items"])
    job = http.post(f"/api/projects/{made['id']}/backups", headers=developer).raise_for_status()
    poll(lambda: http.get(job.headers["location"], headers=developer).json()["state"] == "done")
    org = post("/api/orgs", developer, {"name": f"guild of {name}"})["id"]
    friend = {"email": f"friend@{name}.example", "role": "developer"}
    return Project(
        id=made["id"],
        org=org,
        member=account["user"]["id"],
        invite=post(f"/api/projects/{made['id']}/invites", developer, friend)["id"],
        org_invite=post(f"/api/orgs/{org}/invites", developer, friend)["id"],
        slug=made["slug"],
        secret=keys["secret"],
        public=keys["publishable"],
        developer=developer,
        user={"Authorization": f"Bearer {user['access_token']}"},
        refresh_token=user["refresh_token"],
        custom_token=post("/v1/auth/custom-token", keys["secret"], {"uid": user["user"]["id"]})["token"],
        user_id=user["user"]["id"],
        key_ids=tuple(key["id"] for key in made["keys"]),
        client_id=service_account["client_id"],
        access_key_id=credential["access_key_id"],
        backup=job.json()["backup"],
        backup_job=job.json()["id"],
        queued_job=queued_job,
    )
