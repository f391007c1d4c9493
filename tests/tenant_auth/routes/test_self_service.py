from __future__ import annotations

from bunbase.pkg.clock import ManualClock
from bunbase.tenant_auth.routes import ROUTES
from bunbase.tenant_auth.service import TenantAuthService
from tests.bunauth.web import client_of
from tests.tenant_auth.people import AT_BAKERY, BAKERY, PASSWORD, as_user, signed_up

EVE = {"email": "eve@example.com", "password": PASSWORD}


async def test_signup_login_and_refresh_return_the_documented_fields(tenant_auth: TenantAuthService) -> None:
    async with client_of(ROUTES, tenant_auth=tenant_auth, client=AT_BAKERY) as http:
        signup = await http.post("/v1/auth/signup", json=EVE | {"data": {"plan": "free"}})
        login = await http.post("/v1/auth/login", json=EVE)
        refreshed = await http.post("/v1/auth/refresh", json={"refresh_token": login.json()["refresh_token"]})
        again = await http.post("/v1/auth/signup", json=EVE)
        unclear = [
            await http.post("/v1/auth/login", json={"password": PASSWORD, **name})
            for name in ({}, {"email": EVE["email"], "phone": "+491701234567"})
        ]

    assert (signup.status_code, login.status_code, refreshed.status_code) == (201, 200, 200)
    for answer in (signup, login, refreshed):
        assert set(answer.json()) == {"user", "access_token", "refresh_token", "token_type", "expires_in", "aal", "amr"}
        assert set(answer.json()["user"]) == {
            "id", "email", "email_verified", "role", "claims", "data", "created_at", "name", "phone", "phone_verified",
            "anonymous", "language"
        }  # fmt: skip
    assert [answer.status_code for answer in unclear] == [422, 422]
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


async def test_the_public_keys_of_a_project_need_no_credential(tenant_auth: TenantAuthService) -> None:
    async with client_of(ROUTES, tenant_auth=tenant_auth) as http:
        jwks = await http.get("/v1/auth/jwks.json", params={"project": BAKERY})
        unknown = await http.get("/v1/auth/jwks.json", params={"project": "prj_unknown"})
        unnamed = await http.get("/v1/auth/jwks.json")
        no_id = await http.get("/v1/auth/jwks.json", params={"project": "\0"})

    assert jwks.json()["keys"][0]["kty"] == "RSA"
    assert jwks.headers["cache-control"] == "max-age=60, public"
    assert (unknown.status_code, unnamed.status_code, no_id.status_code) == (404, 400, 400)
