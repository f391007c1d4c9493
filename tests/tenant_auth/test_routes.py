from __future__ import annotations

from bunbase.pkg.clock import ManualClock
from bunbase.tenant_auth.routes import ROUTES
from bunbase.tenant_auth.service import TenantAuthService
from tests.bunauth.web import client_of
from tests.rooms import secret_caller
from tests.tenant_auth.people import AT_BAKERY, BAKERY, PASSWORD, as_user, signed_up

EVE = {"email": "eve@example.com", "password": PASSWORD}


async def test_signing_up_in_and_refreshing_answer_as_the_api_says(tenant_auth: TenantAuthService) -> None:
    async with client_of(ROUTES, tenant_auth=tenant_auth, client=AT_BAKERY) as http:
        signup = await http.post("/v1/auth/signup", json=EVE | {"data": {"plan": "free"}})
        login = await http.post("/v1/auth/login", json=EVE)
        refreshed = await http.post("/v1/auth/refresh", json={"refresh_token": login.json()["refresh_token"]})
        again = await http.post("/v1/auth/signup", json=EVE)

    assert (signup.status_code, login.status_code, refreshed.status_code) == (201, 200, 200)
    for answer in (signup, login, refreshed):
        assert set(answer.json()) == {"user", "access_token", "refresh_token", "token_type", "expires_in"}
        assert set(answer.json()["user"]) == {
            "id", "email", "email_verified", "role", "claims", "data", "created_at"
        }  # fmt: skip
    assert (again.status_code, again.json()["code"]) == (409, "email_taken")


async def test_a_signed_in_user_reads_and_changes_the_profile_and_logs_out(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    token = (await signed_up(tenant_auth)).access_token
    client = await as_user(tenant_auth, AT_BAKERY, token, lambda: clock.now().timestamp())

    async with client_of(ROUTES, tenant_auth=tenant_auth, client=client) as http:
        changed = await http.patch("/v1/auth/me", json={"data": {"plan": "pro"}})
        me = await http.get("/v1/auth/me")
        forbidden = await http.patch("/v1/auth/me", json={"data": {}, "role": "admin"})
        logout = await http.post("/v1/auth/logout")

    assert changed.json() == me.json()
    assert me.json()["user"]["data"] == {"plan": "pro"}
    assert (forbidden.status_code, logout.status_code) == (400, 204)


async def test_a_server_manages_users_as_the_api_says(tenant_auth: TenantAuthService) -> None:
    server = secret_caller(BAKERY)
    async with client_of(ROUTES, tenant_auth=tenant_auth, client=AT_BAKERY, operator=server) as http:
        made = await http.post("/v1/auth/users", json=EVE | {"role": "editor", "claims": {"team": 1}})
        at = f"/v1/auth/users/{made.json()['id']}"
        custom = await http.post("/v1/auth/custom-token", json={"uid": made.json()["id"], "claims": {"tv": True}})
        token = {"token": custom.json()["token"]}
        login, again = [await http.post("/v1/auth/login/custom-token", json=token) for _ in range(2)]
        listed = await http.get("/v1/auth/users", params={"q": "EVE", "role": "editor", "banned": "false"})
        nobody = await http.get("/v1/auth/users", params={"email": "nobody@example.com"})
        sessions = await http.get(f"{at}/sessions")
        ended = await http.delete(f"{at}/sessions")
        changed = await http.patch(at, json={"banned": True})
        odd = [
            await http.patch(at, json={"id": "usr_other"}),
            await http.patch(at, json={"role": None}),
            await http.get("/v1/auth/users", params={"limit": 501}),
        ]
        got = await http.get(at)
        deleted, gone = [await http.delete(at) for _ in range(2)]

    assert (made.status_code, custom.status_code, login.status_code) == (201, 200, 200)
    assert set(made.json()) == {
        *("id", "email", "email_verified", "role", "claims", "data", "created_at", "banned", "has_password")
    }
    assert set(custom.json()) == {"token", "expires_in"}
    assert set(login.json()["user"]) == set(made.json()) - {"banned", "has_password"}
    assert (again.status_code, again.json()["code"]) == (401, "custom_token_used")
    assert listed.json() == {"items": [made.json()], "next": None}
    assert nobody.json() == {"items": [], "next": None}
    assert set(sessions.json()["items"][0]) == {"id", "ip", "agent", "created_at", "expires_at"}
    assert changed.json() == got.json() == made.json() | {"banned": True}
    assert [answer.status_code for answer in odd] == [400, 400, 400]
    assert (ended.status_code, deleted.status_code, gone.status_code) == (204, 204, 404)
    assert gone.json()["code"] == "user_not_found"


async def test_the_publishable_key_manages_nobody(tenant_auth: TenantAuthService) -> None:
    eve = (await signed_up(tenant_auth)).user
    at = f"/v1/auth/users/{eve.id}"
    async with client_of(ROUTES, tenant_auth=tenant_auth, operator=AT_BAKERY) as http:
        answers = [
            await http.get("/v1/auth/users"),
            await http.post("/v1/auth/users", json=EVE),
            await http.get(at),
            await http.patch(at, json={"role": "admin"}),
            await http.delete(at),
            await http.get(f"{at}/sessions"),
            await http.delete(f"{at}/sessions"),
            await http.post("/v1/auth/custom-token", json={"uid": eve.id}),
        ]

    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(403, "forbidden")}


async def test_a_projects_keys_are_public(tenant_auth: TenantAuthService) -> None:
    async with client_of(ROUTES, tenant_auth=tenant_auth) as http:
        jwks = await http.get("/v1/auth/jwks.json", params={"project": BAKERY})
        unknown = await http.get("/v1/auth/jwks.json", params={"project": "prj_unknown"})
        unnamed = await http.get("/v1/auth/jwks.json")
        no_id = await http.get("/v1/auth/jwks.json", params={"project": "\0"})

    assert jwks.json()["keys"][0]["kty"] == "RSA"
    assert jwks.headers["cache-control"] == "max-age=60, public"
    assert (unknown.status_code, unnamed.status_code, no_id.status_code) == (404, 400, 400)
