"""A project can never see or change the data of another one, through any route."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import httpx
import msgspec
import pytest

from bunbase.house.generate import openapi_document
from tests.e2e.instance import SETUP_TOKEN, Instance, poll

MARKER = "only-for-the-owner-4711"
FUNCTION = f'export default () => {{ console.log("{MARKER}"); return new Response("{MARKER}"); }};\n'
RULE_TEST = {  # the trace of this rule would show the document of the owner
    "collection": "papers",
    "op": "get",
    "doc": {},
    "rules": {"get": 'get("papers", "paper").text == ""'},
}
PROOF = {"password": "apples and pears"}
OF_SIGNED_IN: list[tuple[str, str, str, Any]] = [
    ("GET", "/v1/auth/passkeys", "/v1/auth/passkeys", None),
    ("POST", "/v1/auth/passkeys/options", "/v1/auth/passkeys/options", None),
    ("POST", "/v1/auth/passkeys/register", "/v1/auth/passkeys/register", {"credential": {}}),
    ("PATCH", "/v1/auth/passkeys/{passkey_id}", "/v1/auth/passkeys/psk_x", {"name": "mine"}),
    ("DELETE", "/v1/auth/passkeys/{passkey_id}", "/v1/auth/passkeys/psk_x", None),
    ("GET", "/v1/auth/totp", "/v1/auth/totp", None),
    ("POST", "/v1/auth/totp", "/v1/auth/totp", None),
    ("POST", "/v1/auth/totp/confirm", "/v1/auth/totp/confirm", {"code": "123456"}),
    ("DELETE", "/v1/auth/totp", "/v1/auth/totp", None),
    ("POST", "/v1/auth/recovery-codes", "/v1/auth/recovery-codes", None),
]
SECOND_STEPS = [
    ("/v1/auth/login/enrolment", (410,), {"challenge": "bsc_x"}),
    ("/v1/auth/login/enrolment/confirm", (410,), {"challenge": "bsc_x", "code": "123456"}),
    ("/v1/auth/login/passkey/options", (200, 409), {}),
    ("/v1/auth/login/passkey/verify", (403, 409), {"credential": {}}),
    ("/v1/auth/login/second-factor", (410,), {"challenge": "bsc_x", "code": "123456"}),
]
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


@dataclass(frozen=True)
class Project:
    """A project with one object of each kind; `developer` and `user` are Authorization headers."""

    id: str
    slug: str
    secret: dict[str, str]
    public: dict[str, str]
    developer: dict[str, str]
    user: dict[str, str]
    refresh_token: str
    key_ids: tuple[str, ...]
    user_id: str = "usr_x"
    client_id: str = "sa_x"
    custom_token: str = "no token"
    backup: str = "bkp_x"
    backup_job: str = "job_x"
    queued_job: str = "job_x"
    org: str = "org_x"
    member: str = "usr_x"
    invite: str = "ivt_x"
    org_invite: str = "ivt_x"


@dataclass(frozen=True)
class Try:
    """A request that must not reach the other project.

    `allowed`: statuses of answers that show nothing of the other project and change nothing in it.

    `as_who`: "key" (the stranger's own project key), "developer" (the stranger's own account).
    """

    method: str
    route: str
    path: str
    as_who: str
    allowed: tuple[int, ...]
    json: Any = None
    files: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)


@pytest.fixture(scope="module")
def projects(instance: Instance) -> tuple[Project, Project]:
    """Return two projects: the owner's, with the marker in all its data, and the stranger's."""
    return _project(instance, "owner"), _project(instance, "stranger")


def tries(owner: Project) -> list[Try]:
    """Return requests to every route that serves a project; a stranger sends them to reach the owner's project."""
    found = []
    for ref in (owner.id, owner.slug):
        at = f"/api/projects/{ref}"
        route = "/api/projects/{project}"
        key = f"/keys/{owner.key_ids[0]}"
        form = {"bundle": ("b.js", b"exports.default = () => 1"), "config": (None, b"{}")}
        developer = [
            ("GET", "", "", None, {}),
            ("PATCH", "", "", {"name": "Mine now"}, {}),
            ("DELETE", "", "", {"confirm": owner.slug}, {}),
            ("POST", "/restore", "/restore", None, {}),
            ("POST", "/transfer", "/transfer", {"org": "personal"}, {}),
            ("GET", "/members", "/members", None, {}),
            ("POST", "/members", "/members", {"user": owner.member, "role": "owner"}, {}),
            ("PATCH", "/members/{user}", f"/members/{owner.member}", {"role": "viewer"}, {}),
            ("DELETE", "/members/{user}", f"/members/{owner.member}", None, {}),
            ("GET", "/invites", "/invites", None, {}),
            ("POST", "/invites", "/invites", {"email": "mine@example.com", "role": "owner"}, {}),
            ("POST", "/invites/{invite_id}/resend", f"/invites/{owner.invite}/resend", None, {}),
            ("DELETE", "/invites/{invite_id}", f"/invites/{owner.invite}", None, {}),
            ("GET", "/keys", "/keys", None, {}),
            ("POST", "/keys", "/keys", {"kind": "secret", "name": "mine"}, {}),
            ("DELETE", "/keys/{key_id}", key, None, {}),
            ("PATCH", "/keys/{key_id}", key, {"name": "mine"}, {}),
            ("GET", "/service-accounts", "/service-accounts", None, {}),
            ("POST", "/service-accounts", "/service-accounts", {"name": "mine", "scopes": ["read"]}, {}),
            ("DELETE", "/service-accounts/{client_id}", f"/service-accounts/{owner.client_id}", None, {}),
            ("POST", "/keys/{key_id}/rotate", f"{key}/rotate", {"grace_seconds": 0}, {}),
            ("GET", "/audit", "/audit", None, {}),
            ("GET", "/audit/export", "/audit/export", None, {}),
            ("GET", "/data-key", "/data-key", None, {}),
            ("POST", "/data-key/rotate", "/data-key/rotate", None, {}),
            ("GET", "/env", "/env?reveal=true", None, {}),
            ("PUT", "/env/{name}", "/env/MARKER", {"value": "mine"}, {}),
            ("DELETE", "/env/{name}", "/env/MARKER", None, {}),
            ("GET", "/functions", "/functions", None, {}),
            ("GET", "/functions/{name}", "/functions/shared", None, {}),
            ("PUT", "/functions/{name}", "/functions/shared", None, form),
            ("DELETE", "/functions/{name}", "/functions/shared", None, {}),
            ("GET", "/functions/{name}/runs", "/functions/shared/runs", None, {}),
            ("GET", "/schedules", "/schedules", None, {}),
            ("GET", "/jobs", "/jobs", None, {}),
            ("POST", "/jobs", "/jobs", {"function": "shared"}, {}),
            ("GET", "/jobs/{job_id}", f"/jobs/{owner.queued_job}", None, {}),
            ("POST", "/jobs/{job_id}/replay", f"/jobs/{owner.queued_job}/replay", None, {}),
            ("DELETE", "/jobs/{job_id}", f"/jobs/{owner.queued_job}", None, {}),
            ("GET", "/functions/{name}/logs", "/functions/shared/logs", None, {}),
            ("GET", "/functions/{name}/versions", "/functions/shared/versions", None, {}),
            (
                *("GET", "/functions/{name}/versions/{version}/bundle"),
                *("/functions/shared/versions/1/bundle", None, {}),
            ),
            ("GET", "/logs", "/logs", None, {}),
            ("POST", "/functions/{name}/rollback", "/functions/shared/rollback", {}, {}),
            ("GET", "/functions/{name}/stats", "/functions/shared/stats", None, {}),
            ("GET", "/usage", "/usage", None, {}),
            ("GET", "/auth", "/auth", None, {}),
            ("PATCH", "/auth", "/auth", {"app_name": "Mine now"}, {}),
            ("POST", "/backups", "/backups", None, {}),
            ("GET", "/backups", "/backups", None, {}),
            ("GET", "/backups/schedule", "/backups/schedule", None, {}),
            ("PUT", "/backups/schedule", "/backups/schedule", {"every_hours": 0, "kept": 1}, {}),
            ("DELETE", "/backups/schedule", "/backups/schedule", None, {}),
            ("POST", "/backups/restore", "/backups/restore", {"backup": owner.backup}, {}),
            ("GET", "/backups/jobs/{job}", f"/backups/jobs/{owner.backup_job}", None, {}),
            ("GET", "/backups/{backup}", f"/backups/{owner.backup}", None, {}),
            ("DELETE", "/backups/{backup}", f"/backups/{owner.backup}", None, {}),
            ("POST", "/backups/{backup}/verify", f"/backups/{owner.backup}/verify", None, {}),
            ("GET", "/export", "/export", None, {}),
            ("POST", "/import", "/import?collection=papers", {"_id": "paper", "of": "the stranger"}, {}),
        ]
        found += [
            Try(method, route + template, at + path, "developer", (404,), json, files)
            for method, template, path, json, files in developer
        ]
    for method, below, path, sent in (
        ("GET", "", "", None),
        ("PATCH", "", "", {"name": "Mine now"}),
        ("DELETE", "", "", {"confirm": "guild-of-owner"}),
        ("GET", "/members", "/members", None),
        ("PATCH", "/members/{user}", f"/members/{owner.member}", {"role": "viewer"}),
        ("DELETE", "/members/{user}", f"/members/{owner.member}", None),
        ("GET", "/invites", "/invites", None),
        ("POST", "/invites", "/invites", {"email": "mine@example.com", "role": "owner"}),
        ("POST", "/invites/{invite_id}/resend", f"/invites/{owner.org_invite}/resend", None),
        ("DELETE", "/invites/{invite_id}", f"/invites/{owner.org_invite}", None),
        ("GET", "/audit", "/audit", None),
        ("GET", "/audit/export", "/audit/export", None),
    ):
        for org in (owner.org, "guild-of-owner"):
            found.append(Try(method, f"/api/orgs/{{org}}{below}", f"/api/orgs/{org}{path}", "developer", (404,), sent))
    meant = {"X-Bunbase-Project": owner.id}
    for method, template, path, sent in (
        ("GET", "/v1/collections", "/v1/collections", None),
        ("GET", "/v1/collections/{collection}", "/v1/collections/papers", None),
        ("PUT", "/v1/collections/{collection}", f"/v1/collections/papers?project={owner.slug}", {"indexes": []}),
        ("POST", "/v1/collections/{collection}/misfits", "/v1/collections/papers/misfits", {}),
        ("DELETE", "/v1/collections/{collection}", "/v1/collections/papers", None),
        ("POST", "/v1/rules/test", "/v1/rules/test", RULE_TEST),
        ("GET", "/v1/data/{collection}", "/v1/data/papers", None),
        ("POST", "/v1/data/{collection}", "/v1/data/papers", {"of": "the stranger"}),
        ("GET", "/v1/data/{collection}/{id}", "/v1/data/papers/paper", None),
        ("PUT", "/v1/data/{collection}/{id}", "/v1/data/papers/paper", {"of": "the stranger"}),
        ("PATCH", "/v1/data/{collection}/{id}", "/v1/data/papers/paper", {"of": "the stranger"}),
        ("DELETE", "/v1/data/{collection}/{id}", "/v1/data/papers/paper", None),
        ("POST", "/v1/data/{collection}/query", "/v1/data/papers/query", {"where": {}}),
        ("POST", "/v1/data/{collection}/aggregate", "/v1/data/papers/aggregate", {"values": {"n": {"$count": True}}}),
        ("POST", "/v1/commit", "/v1/commit", {"writes": [{"op": "delete", "collection": "papers", "id": "paper"}]}),
        ("GET", "/v1/changes", "/v1/changes", None),
        ("GET", "/v1/auth/users", "/v1/auth/users", None),
        ("POST", "/v1/auth/users", "/v1/auth/users", {"email": "mine@example.com"}),
        ("POST", "/v1/auth/invites", "/v1/auth/invites", {"email": "fred@example.com"}),
        *managing_users(owner),
    ):
        found.append(Try(method, template, path, "developer", (404,), sent, headers=meant))
    account = {"email": "user@owner.example", "password": "apples and pears"}
    found += [
        Try("POST", "/v1/auth/login", "/v1/auth/login", "key", (401,), account),
        Try("POST", "/v1/auth/signup", "/v1/auth/signup", "key", (201,), account),
        Try("POST", "/v1/auth/anonymous", "/v1/auth/anonymous", "key", (403,), {}),  # the project has not turned it on
        Try("POST", "/v1/auth/refresh", "/v1/auth/refresh", "key", (401,), {"refresh_token": owner.refresh_token}),
        Try("GET", "/v1/auth/me", "/v1/auth/me", "key", (401,), headers=owner.user),
        Try("PATCH", "/v1/auth/me", "/v1/auth/me", "key", (401,), {"data": {}}, headers=owner.user),
        Try("POST", "/v1/auth/logout", "/v1/auth/logout", "key", (401,), headers=owner.user),
        *(
            Try(method, route, path, "key", (401,), sent, headers=owner.user)
            for method, route, path, sent in OF_SIGNED_IN
        ),
        *(Try("POST", route, route, "key", codes, sent) for route, codes, sent in SECOND_STEPS),
        Try("POST", "/v1/auth/reauthenticate", "/v1/auth/reauthenticate", "key", (401,), PROOF, headers=owner.user),
        Try(
            *("POST", "/v1/auth/reauthenticate/options", "/v1/auth/reauthenticate/options"),
            *("key", (401,)),
            headers=owner.user,
        ),
        Try("GET", "/v1/auth/sessions", "/v1/auth/sessions", "key", (401,), headers=owner.user),
        Try("DELETE", "/v1/auth/sessions", "/v1/auth/sessions", "key", (401,), headers=owner.user),
        Try("DELETE", "/v1/auth/sessions/{session_id}", "/v1/auth/sessions/ses_x", "key", (401,), headers=owner.user),
        Try("GET", "/v1/auth/providers", "/v1/auth/providers", "key", (200,)),
        Try(
            *(
                "GET",
                "/v1/auth/oauth/{provider}/start",
                f"/v1/auth/oauth/google/start?redirect_to=/&code_challenge={'x' * 43}",
            ),
            *("key", (404,)),
        ),
        Try("GET", "/v1/auth/oauth/{provider}/callback", "/v1/auth/oauth/google/callback?state=bst_x", "key", (400,)),
        Try(
            *("POST", "/v1/auth/oauth/exchange", "/v1/auth/oauth/exchange", "key", (400,)),
            {"code": "bxc_x", "verifier": "x"},
        ),
        Try("GET", "/v1/auth/identities", "/v1/auth/identities", "key", (401,), headers=owner.user),
        Try(
            *("POST", "/v1/auth/identities/link", "/v1/auth/identities/link", "key", (401,), {"provider": "google"}),
            headers=owner.user,
        ),
        Try(
            *("DELETE", "/v1/auth/identities/{identity_id}", "/v1/auth/identities/idn_x", "key", (401,)),
            headers=owner.user,
        ),
        Try(
            "POST",
            "/v1/auth/password",
            "/v1/auth/password",
            "key",
            (401,),
            {"password": "another horse battery"},
            headers=owner.user,
        ),
        Try("POST", "/v1/auth/password-reset", "/v1/auth/password-reset", "key", (202,), {"email": account["email"]}),
        Try(
            "POST",
            "/v1/auth/password-reset/confirm",
            "/v1/auth/password-reset/confirm",
            "key",
            (410,),
            {"token": "umt_x", "password": "another horse battery"},
        ),
        Try(
            "POST", "/v1/auth/email", "/v1/auth/email", "key", (401,), {"email": "new@example.com"}, headers=owner.user
        ),
        Try("POST", "/v1/auth/email/confirm", "/v1/auth/email/confirm", "key", (410,), {"token": "umt_x"}),
        Try("DELETE", "/v1/auth/me", "/v1/auth/me", "key", (401,), headers=owner.user),
        Try("POST", "/v1/auth/code", "/v1/auth/code", "key", (202,), {"email": account["email"]}),
        Try(
            "POST",
            "/v1/auth/login/code",
            "/v1/auth/login/code",
            "key",
            (401,),
            {"email": account["email"], "code": "123456"},
        ),
        Try(
            "POST",
            "/v1/auth/link",
            "/v1/auth/link",
            "key",
            (
                202,
                422,
            ),
            {"email": account["email"]},
        ),
        Try("POST", "/v1/auth/login/link", "/v1/auth/login/link", "key", (410,), {"token": "umt_x"}),
        Try(
            *("POST", "/v1/auth/signup/confirm", "/v1/auth/signup/confirm"),
            *("key", (410,), {"token": "umt_x", "password": "apples and pears"}),
        ),
        Try("POST", "/v1/auth/verify-email", "/v1/auth/verify-email", "key", (202,), {"email": account["email"]}),
        Try(
            *("POST", "/v1/auth/verify-email/confirm", "/v1/auth/verify-email/confirm"),
            *("key", (410,), {"token": "umt_x"}),
        ),
        Try(
            *("POST", "/v1/auth/login/custom-token", "/v1/auth/login/custom-token"),
            *("key", (401,), {"token": owner.custom_token}),
        ),
        Try("POST", "/v1/auth/token", "/v1/auth/token", "key", (400,), {}),  # it needs the client's own secret
        Try("GET", "/v1/auth/users", "/v1/auth/users", "key", (200,)),
        Try("POST", "/v1/auth/users", "/v1/auth/users", "key", (201,), {"email": "mine@example.com"}),
        Try("POST", "/v1/auth/invites", "/v1/auth/invites", "key", (201,), {"email": "fred@example.com"}),
        *(Try(method, template, path, "key", (404,), sent) for method, template, path, sent in managing_users(owner)),
        Try("GET", "/v1/auth/jwks.json", f"/v1/auth/jwks.json?project={owner.id}", "key", (200,)),  # public keys
        Try("GET", "/v1/data/{collection}", "/v1/data/papers", "key", (200,)),
        Try("POST", "/v1/data/{collection}/query", "/v1/data/papers/query", "key", (200,), {"where": {}}),
        Try(
            "POST",
            "/v1/data/{collection}/aggregate",
            "/v1/data/papers/aggregate",
            "key",
            (200,),
            {"group": ["text"], "values": {"n": {"$count": True}}},
        ),
        Try("POST", "/v1/rules/test", "/v1/rules/test", "key", (200,), RULE_TEST),
        Try("GET", "/v1/collections", "/v1/collections", "key", (200,)),
        Try("GET", "/v1/collections/{collection}", "/v1/collections/papers", "key", (200,)),
        Try(
            "POST",
            "/v1/collections/{collection}/misfits",
            "/v1/collections/papers/misfits",
            "key",
            (200,),
            {"schema": {"maxProperties": 0}},
        ),
        Try("DELETE", "/v1/collections/{collection}", "/v1/collections/papers", "key", (204,)),
        Try("PUT", "/v1/collections/{collection}", "/v1/collections/papers", "key", (200,), {"indexes": []}),
        Try("POST", "/v1/data/{collection}", "/v1/data/papers", "key", (201,), {"_id": "paper", "of": "the stranger"}),
        Try("GET", "/v1/data/{collection}/{id}", "/v1/data/papers/other", "key", (404,)),
        Try("PUT", "/v1/data/{collection}/{id}", "/v1/data/papers/paper", "key", (200,), {"of": "the stranger"}),
        Try("PATCH", "/v1/data/{collection}/{id}", "/v1/data/papers/paper", "key", (200,), {"more": 1}),
        Try("DELETE", "/v1/data/{collection}/{id}", "/v1/data/papers/paper", "key", (204,)),
        Try("POST", "/v1/jobs", "/v1/jobs", "key", (404,), {"function": "shared"}),
        Try("GET", "/v1/changes", "/v1/changes", "key", (200,)),
        Try("GET", "/v1/export", "/v1/export", "key", (200,)),
        Try(
            "POST", "/v1/import", "/v1/import?collection=papers&mode=skip", "key", (200,), {"_id": "other", "of": "me"}
        ),
        Try(
            "POST",
            "/v1/commit",
            "/v1/commit",
            "key",
            (404,),
            {"writes": [{"op": "patch", "collection": "papers", "id": "paper", "data": {"of": "the stranger"}}]},
        ),
    ]
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"):
        for template, path in (("", ""), ("/{path}", "/deeper")):
            route, at = f"/v1/functions/{{name}}{template}", f"/v1/functions/shared{path}"
            found.append(Try(method, route, at, "key", (404,)))
            found.append(Try(method, route, f"{at}?project={owner.id}", "nobody", (401, 403, 404)))
    return found


def managing_users(owner: Project) -> list[tuple[str, str, str, Any]]:
    """Return the requests by which a server manages one user, as method, route, path and body."""
    route, at = "/v1/auth/users/{user_id}", f"/v1/auth/users/{owner.user_id}"
    return [
        ("GET", route, at, None),
        ("PATCH", route, at, {"role": "admin", "data": {}}),
        ("DELETE", route, at, None),
        ("GET", f"{route}/sessions", f"{at}/sessions", None),
        ("DELETE", f"{route}/sessions", f"{at}/sessions", None),
        ("POST", f"{route}/reset-factors", f"{at}/reset-factors", None),
        ("POST", "/v1/auth/custom-token", "/v1/auth/custom-token", {"uid": owner.user_id}),
    ]


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
        ("/v1/functions/echo/a?x=1", stranger.secret),  # the fast lane
        ("/v1/functions/echo/a?x=1", stranger.secret | stranger.user),
        (f"/v1/functions/echo/a?key={publishable}&x=1", {}),
        (f"/v1/functions/echo/a?x=1&key={publishable}", stranger.public),
        ("/v1/functions/echo/a?x=1", stranger.secret | {"X-Bunbase-Explain": developer}),
        ("/v1/functions/echo/a?x=1", stranger.secret | {"X-Bunbase-Project": stranger.id, "X-Bunbase-Csrf": "1"}),
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


OF_THE_CALLER = {  # these routes name no project and no organisation
    ("GET", "/api/invites"),  # to the installation
    ("POST", "/api/invites"),
    ("DELETE", "/api/invites/{invite_id}"),
    ("GET", "/api/projects"),
    ("POST", "/api/projects"),
    ("GET", "/api/orgs"),
    ("POST", "/api/orgs"),
    ("POST", "/api/invites/accept"),
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
    """Return everything that the owner sees of the project."""

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
        backup=job.json()["backup"],
        backup_job=job.json()["id"],
        queued_job=queued_job,
    )
