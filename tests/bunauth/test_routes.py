from __future__ import annotations

from bunbase.bunauth.routes import ROUTES
from bunbase.bunauth.service import BunAuthService
from tests.bunauth.people import PASSWORD, caller_with, registered
from tests.bunauth.web import client_of


async def test_register_login_and_refresh_return_the_documented_fields(bunauth: BunAuthService) -> None:
    async with client_of(ROUTES, bunauth=bunauth) as http:
        registered = await http.post("/api/auth/register", json={"email": "ada@example.com", "password": PASSWORD})
        login = await http.post("/api/auth/login", json={"email": "ada@example.com", "password": PASSWORD})
        refreshed = await http.post("/api/auth/refresh", json={"refresh_token": login.json()["refresh_token"]})

    assert (registered.status_code, login.status_code, refreshed.status_code) == (201, 200, 200)
    for answer in (registered, login, refreshed):
        assert set(answer.json()) == {"user", "access_token", "refresh_token", "token_type", "expires_in"}
        user = {"id", "email", "name", "role", "created_at", "email_verified", "avatar_url"}
        assert set(answer.json()["user"]) == user


async def test_a_signed_in_developer_manages_tokens_and_logs_out(bunauth: BunAuthService) -> None:
    signed_in = await registered(bunauth)
    developer = await caller_with(bunauth, signed_in.access_token)

    async with client_of(ROUTES, bunauth=bunauth, developer=developer) as http:
        me = await http.get("/api/auth/me")
        made = await http.post("/api/auth/tokens", json={"name": "ci"})
        listed = await http.get("/api/auth/tokens")
        gone = await http.delete(f"/api/auth/tokens/{made.json()['id']}")
        missing = await http.delete(f"/api/auth/tokens/{made.json()['id']}")
        logout = await http.post("/api/auth/logout")

    assert me.json()["user"]["email"] == "ada@example.com"
    assert me.json()["token"] is None
    assert made.status_code == 201
    assert made.json()["scopes"] == ["read", "write"]
    assert listed.json() == {
        "items": [{name: value for name, value in made.json().items() if name != "token"}],
        "next": None,
    }
    assert (gone.status_code, missing.status_code, logout.status_code) == (204, 404, 204)
    assert missing.json()["code"] == "token_not_found"


async def test_keys_and_discovery_are_public_and_cacheable(bunauth: BunAuthService) -> None:
    async with client_of(ROUTES, bunauth=bunauth) as http:
        jwks = await http.get("/.well-known/jwks.json")
        discovery = await http.get("/.well-known/openid-configuration")
        metadata = await http.get("/.well-known/oauth-authorization-server")

    assert jwks.json()["keys"][0]["alg"] == "RS256"
    assert discovery.json()["jwks_uri"] == "http://127.0.0.1:7070/.well-known/jwks.json"
    assert jwks.headers["cache-control"] == "max-age=300, public"
    assert (metadata.status_code, metadata.content) == (200, discovery.content)
    assert metadata.headers["cache-control"] == "max-age=300, public"


async def test_unknown_fields_and_wrong_types_are_refused(bunauth: BunAuthService) -> None:
    login = {"email": "ada@example.com", "password": PASSWORD}

    async with client_of(ROUTES, bunauth=bunauth) as http:
        for path, body in (
            ("/api/auth/login", login | {"remember": True}),
            ("/api/auth/login", login | {"password": 1}),
            ("/api/auth/register", {"email": "ada@example.com"}),
            ("/api/auth/tokens", {"name": "ci", "scopes": "read"}),
            ("/api/auth/tokens", {"name": "ci", "expires_in_seconds": 1}),
        ):
            assert (await http.post(path, json=body)).status_code == 400, body


async def test_a_malformed_token_id_is_refused(bunauth: BunAuthService) -> None:
    async with client_of(ROUTES, bunauth=bunauth) as http:
        for id in ("%00", "a%20b", "x" * 65):
            assert (await http.delete(f"/api/auth/tokens/{id}")).status_code == 400
