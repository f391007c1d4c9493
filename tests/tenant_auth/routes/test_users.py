from __future__ import annotations

from bunbase.tenant_auth.routes import ROUTES
from bunbase.tenant_auth.service import TenantAuthService
from tests.bunauth.web import client_of
from tests.rooms import secret_caller
from tests.tenant_auth.people import AT_BAKERY, BAKERY, PASSWORD, signed_up

EVE = {"email": "eve@example.com", "password": PASSWORD}


async def test_the_routes_of_user_management_return_the_documented_fields(tenant_auth: TenantAuthService) -> None:
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
        *("id", "email", "email_verified", "role", "claims", "data", "created_at", "banned", "has_password"),
        *("banned_until", "last_sign_in_at"),
        *("name", "phone", "phone_verified", "anonymous", "language"),
    }
    assert set(custom.json()) == {"token", "expires_in"}
    of_administration = {"banned", "has_password", "banned_until", "last_sign_in_at"}
    assert set(login.json()["user"]) == set(made.json()) - of_administration
    assert (again.status_code, again.json()["code"]) == (401, "custom_token_used")
    signed_in = made.json() | {"last_sign_in_at": listed.json()["items"][0]["last_sign_in_at"]}
    assert signed_in["last_sign_in_at"] is not None
    assert listed.json() == {"items": [signed_in], "next": None}
    assert nobody.json() == {"items": [], "next": None}
    assert set(sessions.json()["items"][0]) == {
        "id", "ip", "agent", "created_at", "last_used_at", "expires_at", "aal", "impersonated_by", "provider"
    }  # fmt: skip
    assert changed.json() == got.json() == signed_in | {"banned": True}
    assert [answer.status_code for answer in odd] == [400, 400, 400]
    assert (ended.status_code, deleted.status_code, gone.status_code) == (204, 204, 404)
    assert gone.json()["code"] == "user_not_found"


async def test_a_publishable_key_cannot_manage_users(tenant_auth: TenantAuthService) -> None:
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
