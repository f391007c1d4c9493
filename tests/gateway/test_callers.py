"""Each kind of caller reaches only the real routes that are open to it."""

from __future__ import annotations

import pytest

from bunbase.contracts.caller import CallerKind
from bunbase.gateway.settings import GatewaySettings
from tests.gateway.door import Door, door_of
from tests.gateway.others import BAKERY, LIBRARYS, PUBLISHABLE, SECRET

DATA = "/v1/data/posts"


async def test_a_project_key_sets_the_kind_and_the_project_of_the_caller(door: Door) -> None:
    for key in (PUBLISHABLE, SECRET):
        await door.http.get(DATA, headers={"x-bunbase-key": key, "user-agent": "a" * 300})

    publishable, secret = door.bundoc.seen
    assert (publishable.kind, publishable.project, publishable.user) == (CallerKind.PUBLISHABLE, BAKERY, None)
    assert (secret.kind, secret.project) == (CallerKind.SECRET, BAKERY)
    assert (secret.ip, secret.agent) == ("127.0.0.1", "a" * 200)


async def test_an_end_users_token_sets_the_user_of_the_caller(door: Door) -> None:
    headers = {"x-bunbase-key": PUBLISHABLE, "authorization": f"Bearer {door.tenant_auth.token()}"}

    await door.http.get(DATA, headers=headers)

    (caller,) = door.bundoc.seen
    assert caller.user is not None
    assert (caller.user.uid, caller.user.session, caller.user.claims) == ("usr_eve", "ses_u", {})


@pytest.mark.parametrize(
    ("headers", "path", "status", "code"),
    [
        ({}, DATA, 401, "unauthenticated"),
        ({"x-bunbase-key": "sk_unknown"}, DATA, 401, "invalid_key"),
        ({"x-bunbase-key": PUBLISHABLE, "authorization": "Bearer x"}, DATA, 401, "invalid_token"),
        ({"x-bunbase-key": PUBLISHABLE, "authorization": "Basic x"}, DATA, 401, "invalid_token"),
        ({}, f"{DATA}?key={SECRET}", 401, "invalid_key"),
        ({}, f"{DATA}?key={PUBLISHABLE}", 200, ""),
        ({"x-bunbase-key": SECRET}, "/api/auth/me", 401, "unauthenticated"),
        ({"x-bunbase-key": SECRET}, f"/api/projects/{BAKERY}", 401, "unauthenticated"),
        ({}, "/v1/functions/hello", 401, "unauthenticated"),
        ({}, f"/v1/functions/hello?project={BAKERY}", 200, ""),
        # a slug may later belong to another project
        ({}, "/v1/functions/hello?project=bakery", 401, "unauthenticated"),
        ({"x-bunbase-key": "sk_unknown"}, f"/v1/functions/hello?project={BAKERY}", 401, "invalid_key"),
    ],
)
async def test_the_code_of_a_refusal_names_the_wrong_credential(
    door: Door, headers: dict[str, str], path: str, status: int, code: str
) -> None:
    answer = await door.http.get(path, headers=headers)

    assert answer.status_code == status
    if code:
        assert answer.json()["code"] == code
        assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_users_token_of_another_project_is_refused(door: Door) -> None:
    headers = {"x-bunbase-key": LIBRARYS, "authorization": f"Bearer {door.tenant_auth.token(BAKERY)}"}

    answer = await door.http.get(DATA, headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")
    assert not door.bundoc.seen


async def test_a_developer_cannot_tell_a_foreign_project_from_a_missing_one(door: Door) -> None:
    stranger = {"authorization": f"Bearer {door.bunauth.token(sub='usr_bob')}"}

    answers = [await door.http.get(f"/api/projects/{ref}", headers=stranger) for ref in (BAKERY, "prj_unknown")]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(404, "project_not_found")] * 2
    assert answers[0].json()["detail"] == answers[1].json()["detail"]


@pytest.mark.parametrize(
    "body",
    [("{", "application/json"), ('"not an object"', "application/json"), ("a=1", "text/plain")],
    ids=["no JSON", "not what the route takes", "another media type"],
)
@pytest.mark.parametrize("path", ["/api/projects", f"/api/projects/{BAKERY}/keys", "/v1/commit", "/v1/auth/signup"])
async def test_an_anonymous_request_is_refused_before_its_body_is_parsed(
    door: Door, path: str, body: tuple[str, str]
) -> None:
    content, kind = body

    answer = await door.http.post(path, content=content, headers={"content-type": kind})

    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


@pytest.mark.parametrize("scopes", [("read",), ("read", "write")])
async def test_a_personal_token_may_write_only_with_the_scope_write(door: Door, scopes: tuple[str, ...]) -> None:
    headers = {"authorization": f"Bearer {door.bunauth.personal_token(*scopes)}"}

    read = await door.http.get("/api/auth/me", headers=headers)
    wrote = await door.http.delete("/api/auth/tokens/tok_1", headers=headers)

    assert read.status_code == 200
    assert wrote.status_code == (204 if "write" in scopes else 403)


async def test_a_login_ignores_an_invalid_token_in_its_headers(door: Door) -> None:
    answer = await door.http.post(
        "/api/auth/login",
        json={"email": "ada@example.com", "password": "correct horse battery"},
        headers={"authorization": "Bearer long.since.stale"},
    )

    assert answer.status_code == 200


async def test_behind_a_trusted_proxy_the_callers_address_is_that_of_the_client() -> None:
    async with door_of(GatewaySettings(trusted_proxies=("10.0.0.1",)), peer="10.0.0.1") as door:
        headers = {"x-forwarded-for": "1.2.3.4, 203.0.113.7", "x-bunbase-key": SECRET}
        await door.http.get(DATA, headers=headers)

    assert door.bundoc.seen[0].ip == "203.0.113.7"
