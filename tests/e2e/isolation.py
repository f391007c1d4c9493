"""The table of isolation: requests with which a stranger attacks a project, and the allowed answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

MARKER = "only-for-the-owner-4711"
FUNCTION = f'export default () => {{ console.log("{MARKER}"); return new Response("{MARKER}"); }};\n'
RULE_TEST = {  # The trace of this rule would show the document of the owner.
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


OWN_FILES = {  # These are the answers about the stranger's own project, which has no bucket.
    ("GET", "/v1/storage/buckets"): (200,),
    ("GET", "/v1/storage/usage"): (200,),
    ("POST", "/v1/storage/buckets"): (201,),
}


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
    access_key_id: str = "BBAKX"
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

    `as_who`: the credential, which is "key" (the stranger's own project key) or "developer" (the stranger's own
    account).
    """

    method: str
    route: str
    path: str
    as_who: str
    allowed: tuple[int, ...]
    json: Any = None
    files: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)


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
            ("GET", "/storage/credentials", "/storage/credentials", None, {}),
            ("POST", "/storage/credentials", "/storage/credentials", {"name": "mine"}, {}),
            (
                "DELETE",
                "/storage/credentials/{access_key_id}",
                f"/storage/credentials/{owner.access_key_id}",
                None,
                {},
            ),
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
            ("GET", "/walks", "/walks", None, {}),
            ("POST", "/walks", "/walks", {"kind": "backfill", "function": "shared"}, {}),
            ("POST", "/walks/rehearsal", "/walks/rehearsal", {"kind": "backfill", "function": "shared"}, {}),
            ("GET", "/walks/{walk_id}", "/walks/wlk_x", None, {}),
            ("PATCH", "/walks/{walk_id}", "/walks/wlk_x", {"state": "paused"}, {}),
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
            ("GET", "/auth/activity", "/auth/activity", None, {}),
            ("PATCH", "/auth", "/auth", {"app_name": "Mine now"}, {}),
            ("POST", "/auth/signing-keys/rotate", "/auth/signing-keys/rotate", {"now": True}, {}),
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
        ("GET", "/v1/channels", "/v1/channels", None),
        ("PUT", "/v1/channels", "/v1/channels", {"channels": {}}),
        ("POST", "/v1/channels/publish", "/v1/channels/publish", {"messages": [{"channel": "papers", "data": 1}]}),
        *files(),
        ("GET", "/v1/auth/users", "/v1/auth/users", None),
        ("GET", "/v1/auth/users/export", "/v1/auth/users/export", None),
        (
            "POST",
            "/v1/auth/users/import",
            "/v1/auth/users/import?on_conflict=update",
            {"id": owner.user_id, "name": "Me"},
        ),
        ("POST", "/v1/auth/users", "/v1/auth/users", {"email": "mine@example.com"}),
        ("POST", "/v1/auth/invites", "/v1/auth/invites", {"email": "fred@example.com"}),
        ("POST", "/v1/auth/users/bulk", "/v1/auth/users/bulk", {"action": "delete", "ids": [owner.user_id]}),
        ("GET", "/v1/auth/invites", "/v1/auth/invites", None),
        ("DELETE", "/v1/auth/invites/{invite_id}", "/v1/auth/invites/uin_x", None),
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
        Try("GET", "/v1/auth/activity", "/v1/auth/activity", "key", (401,), headers=owner.user),
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
        Try("POST", "/v1/auth/phone", "/v1/auth/phone", "key", (422,), {"phone": "+49 170 1234567"}),
        Try("DELETE", "/v1/auth/phone", "/v1/auth/phone", "key", (401,), headers=owner.user),
        *(
            Try("POST", path, path, "key", (401,), {"phone": "+49 170 1234567"} | also, headers=headers)
            for path, also, headers in (
                ("/v1/auth/login/phone", {"code": "123456"}, {}),
                ("/v1/auth/phone/change", {}, owner.user),
                ("/v1/auth/phone/change/confirm", {"code": "123456"}, owner.user),
            )
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
        Try("POST", "/v1/auth/token", "/v1/auth/token", "key", (400,), {}),  # this route needs the client's own secret
        Try("GET", "/v1/auth/users", "/v1/auth/users", "key", (200,)),
        Try("GET", "/v1/auth/users/export", "/v1/auth/users/export?hashes=true", "key", (200,)),
        Try("POST", "/v1/auth/users", "/v1/auth/users", "key", (201,), {"email": "mine@example.com"}),
        Try("POST", "/v1/auth/invites", "/v1/auth/invites", "key", (201,), {"email": "fred@example.com"}),
        Try(
            "POST",
            "/v1/auth/users/bulk",
            "/v1/auth/users/bulk",
            "key",
            (200,),  # the answer lists the user in `failed`
            {"action": "delete", "ids": [owner.user_id]},
        ),
        Try("GET", "/v1/auth/invites", "/v1/auth/invites", "key", (200,)),
        Try("DELETE", "/v1/auth/invites/{invite_id}", "/v1/auth/invites/uin_x", "key", (404,)),
        *(Try(method, template, path, "key", (404,), sent) for method, template, path, sent in managing_users(owner)),
        # The same id makes a user of the stranger's own project.
        Try(
            "POST", "/v1/auth/users/import", "/v1/auth/users/import", "key", (200,), {"id": owner.user_id, "name": "Me"}
        ),
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
        Try("GET", "/v1/channels", "/v1/channels", "key", (200,)),
        Try("PUT", "/v1/channels", "/v1/channels", "key", (200,), {"channels": {}}),
        Try(
            "POST",
            "/v1/channels/publish",
            "/v1/channels/publish",
            "key",
            (200,),
            {"messages": [{"channel": "papers", "data": 1}]},
        ),
        *(
            Try(method, route, path, "key", OWN_FILES.get((method, route), (404,)), sent)
            for method, route, path, sent in files()
        ),
        Try("GET", "/v1/live", "/v1/live", "key", (426,)),
        Try("POST", "/v1/live", "/v1/live", "key", (406,), {}),
        Try("POST", "/v1/live/poll", "/v1/live/poll", "key", (200,), {}),
        Try("POST", "/v1/live/ticket", "/v1/live/ticket", "key", (201,)),
        Try("POST", "/v1/live/{conn}", "/v1/live/unknown", "key", (404,), {"send": []}),
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


def files() -> list[tuple[str, str, str, Any]]:
    """Return the requests for the files of a project, as method, route, path and body."""
    bucket, at = "/v1/storage/buckets/{bucket}", "/v1/storage/buckets/papers"
    object, there = "/v1/storage/objects/{bucket}/{key}", "/v1/storage/objects/papers/shelf/paper"
    paper, mine = {"bucket": "papers", "key": "shelf/paper"}, {"bucket": "papers", "key": "mine"}
    return [
        ("GET", "/v1/storage/buckets", "/v1/storage/buckets", None),
        ("GET", bucket, at, None),
        ("PATCH", bucket, at, {"public": True}),
        ("GET", object, there, None),
        ("PUT", object, there, {"of": "the stranger"}),
        ("DELETE", object, there, None),
        ("GET", "/v1/storage/list/{bucket}", "/v1/storage/list/papers", None),
        ("POST", "/v1/storage/copy", "/v1/storage/copy", {"from": paper, "to": mine}),
        ("POST", "/v1/storage/move", "/v1/storage/move", {"from": paper, "to": mine}),
        ("POST", "/v1/storage/delete", "/v1/storage/delete", {"bucket": "papers", "keys": ["shelf/paper"]}),
        ("POST", "/v1/storage/sign", "/v1/storage/sign", paper),
        ("GET", "/v1/storage/usage", "/v1/storage/usage", None),
        ("DELETE", bucket, at, None),
        ("POST", "/v1/storage/buckets", "/v1/storage/buckets", {"name": "papers"}),
    ]


def managing_users(owner: Project) -> list[tuple[str, str, str, Any]]:
    """Return the requests by which a server manages one user, as method, route, path and body."""
    route, at = "/v1/auth/users/{user_id}", f"/v1/auth/users/{owner.user_id}"
    return [
        ("GET", route, at, None),
        ("PATCH", route, at, {"role": "admin", "data": {}}),
        ("DELETE", route, at, None),
        ("GET", f"{route}/activity", f"{at}/activity", None),
        ("GET", f"{route}/sessions", f"{at}/sessions", None),
        ("DELETE", f"{route}/sessions", f"{at}/sessions", None),
        ("POST", f"{route}/reset-factors", f"{at}/reset-factors", None),
        ("POST", f"{route}/links", f"{at}/links", {"kind": "password_reset"}),
        ("POST", f"{route}/impersonate", f"{at}/impersonate", {}),
        ("POST", "/v1/auth/custom-token", "/v1/auth/custom-token", {"uid": owner.user_id}),
    ]
