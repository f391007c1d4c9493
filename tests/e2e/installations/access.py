"""The credentials and ids of a kept installation, and the requests that read all its data."""

from __future__ import annotations

from typing import Any, Final, Literal

import httpx
import msgspec

PASSWORD: Final = "correct horse battery"
END_USER_PASSWORD: Final = "apples and pears"

Who = Literal["developer", "secret", "user", "nobody"]

# The answers of these GET routes are not kept, each for a reason.
NOT_KEPT: Final = {
    "/api/health": "about the process",
    "/api/ready": "about the process",
    "/api/instance": "about the process",
    "/.well-known/openid-configuration": "made from settings",
    "/.well-known/oauth-authorization-server": "made from settings",
    "/api/admin/oauth-clients": "kept installations have no clients",
    "/api/auth/authorizations": "kept installations have no clients",
    "/oauth/userinfo": "kept installations have no clients",
    "/api/auth/identities": "empty without a sign-in provider",
    "/api/auth/oauth/{provider}/callback": "the provider's answer to a browser",
    "/api/auth/oauth/{provider}/start": "leads a browser to the provider",
    "/api/auth/passkeys": "kept installations have no passkeys",
    "/api/auth/providers": "made from settings",
    "/v1/auth/identities": "kept installations have no providers for end users",
    "/v1/auth/invites": "kept installations have no invitations of end users",
    "/v1/auth/oauth/{provider}/callback": "the provider's answer to a browser",
    "/v1/auth/oauth/{provider}/start": "leads a browser to the provider",
    "/v1/auth/providers": "kept installations have no providers for end users",
    "/api/auth/totp": "kept installations have no second factors",
    "/api/projects/{project}/backups/jobs/{job}": "kept in memory only",
    "/api/projects/{project}/auth": "kept installations have no settings for end users",
    "/api/projects/{project}/walks/{walk_id}": "kept installations have no walks",
    "/api/projects/{project}/audit": "grows with each request",
    "/api/projects/{project}/audit/export": "grows with each request",
    "/api/orgs/{org}/audit": "grows with each request",
    "/api/orgs/{org}/audit/export": "grows with each request",
    "/api/auth/activity": "changes with each sign-in",
    "/api/auth/sessions": "changes with each sign-in",
    "/v1/live": "a WebSocket",
    "/v1/storage/buckets/{bucket}": "kept installations have no files",
    "/v1/storage/list/{bucket}": "kept installations have no files",
    "/v1/storage/objects/{bucket}/{key}": "kept installations have no files",
    "/v1/auth/passkeys": "kept installations have no passkeys",
    "/v1/auth/totp": "kept installations have no second factors",
    "/v1/auth/sessions": "changes with each sign-in",
    "/v1/auth/activity": "changes with each sign-in",
    "/v1/auth/users/{user_id}/activity": "kept installations have no activity of end users",
    "/api/projects/{project}/auth/activity": "kept installations have no activity of end users",
    "/v1/auth/users/export": "the users that /v1/auth/users has, in another form",
    "/api/admin/audit": "grows with each request",
    "/api/admin/audit/export": "grows with each request",
    "/api/admin/accounts": "changes with each sign-in",
    "/api/admin/accounts/{account_id}": "changes with each sign-in",
    "/api/admin/projects": "the sizes of files differ",
    "/api/admin/projects/{ref}": "the sizes of files differ",
    "/api/admin/usage": "the sizes of files differ",
}
# The answers of these routes are not compared, because their counts grow with use and expire.
COUNTED: Final = ("/api/projects/{project}/functions/{name}/stats", "/api/projects/{project}/usage")
# The values of these fields change with time or with use, or `running.STILL_AHEAD` changes them.
PASSING: Final = {"last_used_at", "next_at", "due_at", "expires_at"}


class Access(msgspec.Struct, frozen=True):
    """The credentials and ids of a user of the installation.

    `refresh_token` belongs to an open session of the developer, and `user_refresh_token` to an open session of the end
    user.
    """

    email: str
    master_key: str
    project: str
    secret_key: str
    publishable_key: str
    personal_token: str
    refresh_token: str
    user: str
    user_email: str
    user_refresh_token: str
    backup: str
    waiting_job: str


class Question(msgspec.Struct, frozen=True):
    """A request that only reads. `route` is the template of its path in the OpenAPI document."""

    route: str
    path: str
    who: Who
    method: str = "GET"
    body: Any = None


class Kept(msgspec.Struct, frozen=True):
    """The file `expected.json`: the credentials, and the answer to each request at the time of writing."""

    access: Access
    answers: dict[str, Any]


def questions(access: Access) -> list[Question]:
    project, at = "/api/projects/{project}", f"/api/projects/{access.project}"
    of_developer = {
        "": "",
        "/keys": "/keys",
        "/members": "/members",
        "/invites": "/invites",
        "/service-accounts": "/service-accounts",
        "/storage/credentials": "/storage/credentials",
        "/data-key": "/data-key",
        "/env": "/env?reveal=true",
        "/functions": "/functions",
        "/functions/{name}": "/functions/hello",
        "/functions/{name}/versions": "/functions/hello/versions",
        "/functions/{name}/versions/{version}/bundle": "/functions/hello/versions/1/bundle",
        "/functions/{name}/logs": "/functions/hello/logs",
        "/functions/{name}/runs": "/functions/broken/runs",
        "/functions/{name}/stats": "/functions/hello/stats",
        "/logs": "/logs",
        "/schedules": "/schedules",
        "/jobs": "/jobs",
        "/walks": "/walks",
        "/jobs/{job_id}": f"/jobs/{access.waiting_job}",
        "/usage": "/usage",
        "/backups": "/backups",
        "/backups/schedule": "/backups/schedule",
        "/backups/{backup}": f"/backups/{access.backup}",
        "/export": "/export",
    }
    return [
        Question("/.well-known/jwks.json", "/.well-known/jwks.json", "nobody"),
        Question("/api/auth/me", "/api/auth/me", "developer"),
        Question("/api/auth/tokens", "/api/auth/tokens", "developer"),
        Question("/api/projects", "/api/projects", "developer"),
        Question("/api/invites", "/api/invites", "developer"),
        Question("/api/orgs", "/api/orgs", "developer"),
        Question("/api/orgs/{org}", "/api/orgs/personal", "developer"),
        Question("/api/orgs/{org}/members", "/api/orgs/personal/members", "developer"),
        Question("/api/orgs/{org}/invites", "/api/orgs/personal/invites", "developer"),
        *(Question(project + route, at + path, "developer") for route, path in of_developer.items()),
        Question("/v1/auth/jwks.json", f"/v1/auth/jwks.json?project={access.project}", "nobody"),
        Question("/v1/auth/me", "/v1/auth/me", "user"),
        Question("/v1/auth/users", "/v1/auth/users", "secret"),
        Question("/v1/auth/users/{user_id}", f"/v1/auth/users/{access.user}", "secret"),
        Question("/v1/auth/users/{user_id}/sessions", f"/v1/auth/users/{access.user}/sessions", "secret"),
        Question("/v1/changes", "/v1/changes?since=0", "secret"),
        Question("/v1/export", "/v1/export", "secret"),
        Question("/v1/channels", "/v1/channels", "secret"),
        Question("/v1/storage/buckets", "/v1/storage/buckets", "secret"),
        Question("/v1/storage/usage", "/v1/storage/usage", "secret"),
        Question("/v1/collections", "/v1/collections", "secret"),
        *(
            one
            for name in ("people", "posts", "sealed")
            for one in (
                Question("/v1/collections/{collection}", f"/v1/collections/{name}", "secret"),
                Question("/v1/data/{collection}", f"/v1/data/{name}", "secret"),
                Question("/v1/data/{collection}", f"/v1/data/{name}", "user"),
            )
        ),
        Question("/v1/data/{collection}/{id}", "/v1/data/posts/p1?expand=author", "secret"),
        *_searches("/v1/data/posts"),
        Question("/v1/functions/{name}", "/v1/functions/hello?name=Ada", "user"),
        Question("/v1/functions/{name}/{path}", "/v1/functions/hello/deeper", "secret"),
    ]


def _searches(at: str) -> list[Question]:
    query = "/v1/data/{collection}/query"
    by_index = {"where": {"status": "open"}, "sort": ["-price"], "count": True}
    sums = {"group": ["status"], "values": {"total": {"$sum": "price"}}}
    return [
        Question(query, f"{at}/query", "secret", "POST", by_index),
        Question(query, f"{at}/query", "secret", "POST", {"where": {"$search": "lantern"}}),
        Question("/v1/data/{collection}/aggregate", f"{at}/aggregate", "secret", "POST", sums),
    ]


def answers(http: httpx.Client, access: Access) -> dict[str, Any]:
    """Sign in, send every request and return the answers. Raises: AssertionError if a request is refused."""
    who = signed_in(http, access)
    found: dict[str, Any] = {}
    for one in questions(access):
        reply = http.request(one.method, one.path, json=one.body, headers=who[one.who])
        assert reply.is_success, f"{one.method} {one.path}: {reply.text}"
        asked = f"{one.who}: {one.method} {one.path}" + (f" {msgspec.json.encode(one.body).decode()}" * bool(one.body))
        if one.route not in COUNTED:
            found[asked] = _read(reply)
    return found


def _read(reply: httpx.Response) -> Any:
    kind = reply.headers["content-type"].partition(";")[0]
    if kind == "application/x-ndjson":
        return [msgspec.json.decode(line) for line in reply.text.splitlines()]
    return reply.json() if kind == "application/json" else reply.text


def signed_in(http: httpx.Client, access: Access) -> dict[Who, dict[str, str]]:
    """Sign in with passwords. Return the headers of each kind of caller."""
    public = {"X-Bunbase-Key": access.publishable_key}
    developer = {"email": access.email, "password": PASSWORD}
    user = {"email": access.user_email, "password": END_USER_PASSWORD}
    of_developer = http.post("/api/auth/login", json=developer).raise_for_status().json()["access_token"]
    of_user = http.post("/v1/auth/login", json=user, headers=public).raise_for_status().json()["access_token"]
    return {
        "developer": {"Authorization": f"Bearer {of_developer}"},
        "secret": {"X-Bunbase-Key": access.secret_key},
        "user": public | {"Authorization": f"Bearer {of_user}"},
        "nobody": {},
    }


def missing(expected: Any, answer: Any, path: str = "") -> list[str]:
    """Return the paths of expected values that the answer lacks. The answer may have more fields and list items."""
    match expected:
        case dict():
            if not isinstance(answer, dict):
                return [path]
            return [
                one
                for name, value in expected.items()
                if name not in PASSING
                for one in (missing(value, answer[name], f"{path}/{name}") if name in answer else [f"{path}/{name}"])
            ]
        case list():
            if not isinstance(answer, list):
                return [path]
            rest = iter(answer)  # The items must come in the same order.
            return [
                f"{path}/{place}"
                for place, value in enumerate(expected)
                if not any(not missing(value, one) for one in rest)
            ]
        case _:
            return [] if answer == expected else [path]
