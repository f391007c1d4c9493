"""Every answer of every route has a Cache-Control header. test_both_lanes.py covers both lanes of the hot routes."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from bunbase.gateway.routes import DEV_ROUTES, ROUTES
from bunbase.house.modules import MODULES
from tests.gateway.door import door_of
from tests.gateway.others import PASSWORD, SECRET
from tests.shared_openapi import openapi_document

ALL = [*ROUTES, *DEV_ROUTES, *(route for module in MODULES for route in module.routes)]
PRIVATE, NO_STORE = "private, no-cache", "no-store"
SERVED = [
    (method.upper(), path)
    for path, methods in msgspec.json.decode(openapi_document())["paths"].items()
    for method in methods
]
# These answers hold secrets, or are true at this moment only.
NEVER_STORED = {
    ("GET", "/api/health"),
    ("GET", "/api/ready"),
    ("GET", "/metrics"),
    ("GET", "/v1/live"),
    ("POST", "/v1/live"),
    ("POST", "/v1/live/poll"),
    ("POST", "/v1/live/ticket"),
    ("GET", "/api/projects/{project}/env"),
    ("POST", "/api/auth/device"),
    ("POST", "/api/auth/device/token"),
    ("POST", "/api/auth/login"),
    ("POST", "/api/auth/login/second-factor"),
    ("POST", "/api/auth/login/passkey/options"),
    ("POST", "/api/auth/login/passkey/verify"),
    ("POST", "/api/auth/totp"),
    ("POST", "/api/auth/totp/confirm"),
    ("POST", "/api/auth/recovery-codes"),
    ("POST", "/api/auth/reauthenticate/options"),
    ("POST", "/api/auth/passkeys/options"),
    ("GET", "/api/auth/oauth/{provider}/callback"),
    ("GET", "/api/auth/oauth/{provider}/start"),
    ("POST", "/api/auth/oauth/{provider}/callback"),
    ("POST", "/api/auth/identities/link/{provider}"),
    ("POST", "/api/auth/oauth/exchange"),
    ("POST", "/api/auth/refresh"),
    ("POST", "/api/auth/register"),
    ("POST", "/api/auth/register/confirm"),
    ("POST", "/api/auth/tokens"),
    ("POST", "/api/admin/oauth-clients"),
    ("POST", "/api/admin/oauth-clients/{oauth_client}/rotate"),
    ("GET", "/oauth/userinfo"),
    *(("POST", f"/oauth/{name}") for name in ("introspect", "revoke", "token", "userinfo")),
    ("POST", "/api/invites"),
    ("POST", "/api/invites/register"),
    ("POST", "/api/projects"),
    ("POST", "/api/projects/{project}/keys"),
    ("POST", "/api/projects/{project}/keys/{key_id}/rotate"),
    *(
        ("POST", f"{place}/invites{below}")
        for place in ("/api/projects/{project}", "/api/orgs/{org}")
        for below in ("", "/{invite_id}/resend")
    ),
    ("POST", "/rpc"),
    ("POST", "/v1/auth/anonymous"),
    ("POST", "/v1/auth/custom-token"),
    ("GET", "/v1/auth/oauth/{provider}/callback"),
    ("GET", "/v1/auth/oauth/{provider}/start"),
    ("POST", "/v1/auth/oauth/{provider}/callback"),
    ("POST", "/v1/auth/oauth/exchange"),
    ("POST", "/v1/auth/identities/link"),
    ("POST", "/v1/auth/invites"),
    ("POST", "/v1/auth/users/{user_id}/impersonate"),
    ("POST", "/v1/auth/users/{user_id}/links"),
    ("POST", "/v1/auth/login"),
    ("POST", "/v1/auth/login/custom-token"),
    ("POST", "/v1/auth/login/link"),
    ("POST", "/v1/auth/login/code"),
    ("POST", "/v1/auth/login/phone"),
    ("POST", "/api/projects/{project}/service-accounts"),
    ("POST", "/api/projects/{project}/storage/credentials"),
    ("POST", "/v1/auth/login/enrolment"),
    ("POST", "/v1/auth/login/enrolment/confirm"),
    ("POST", "/v1/auth/login/passkey/options"),
    ("POST", "/v1/auth/login/passkey/verify"),
    ("POST", "/v1/auth/login/second-factor"),
    ("POST", "/v1/auth/passkeys/options"),
    ("POST", "/v1/auth/recovery-codes"),
    ("POST", "/v1/auth/totp"),
    ("POST", "/v1/auth/totp/confirm"),
    ("POST", "/v1/auth/reauthenticate"),
    ("POST", "/v1/auth/reauthenticate/options"),
    ("POST", "/v1/auth/refresh"),
    ("POST", "/v1/auth/signup"),
    ("POST", "/v1/auth/signup/confirm"),
    ("POST", "/v1/auth/ui/passkey/options"),
}
PUBLIC = {
    ("GET", "/.well-known/jwks.json"),
    ("GET", "/.well-known/openid-configuration"),
    ("GET", "/.well-known/oauth-authorization-server"),
    ("GET", "/v1/auth/jwks.json"),
}


def test_every_route_that_returns_secrets_sends_no_store() -> None:
    """Sign-in, keys, tokens and revealed variables are `no-store`; only public keys are `public`."""
    said: dict[str, set[tuple[str, str]]] = {}
    for route in ALL:
        header = route.cache_control
        if header is None:
            continue
        kind = NO_STORE if header.no_store else "public" if header.public else "other"
        paths = {re.sub(r"\{(\w+):\w+\}", r"{\1}", path) for path in route.paths}
        said.setdefault(kind, set()).update((method, path) for method in route.http_methods for path in paths)

    assert {kind: {one for one in routes if one[0] != "HEAD"} for kind, routes in said.items()} == {
        NO_STORE: NEVER_STORED,
        "public": PUBLIC,
    }


@pytest.mark.parametrize("who", ["nobody", "developer", "key"])
async def test_every_answer_without_public_keys_forbids_shared_caches(who: str) -> None:
    """A shared cache does not know that X-Bunbase-Key makes an answer private. Errors count too."""
    async with door_of() as door:
        headers = {
            "nobody": {},
            "developer": {"authorization": f"Bearer {door.bunauth.token()}", "x-bunbase-project": "bakery"},
            "key": {"x-bunbase-key": SECRET},
        }[who]
        for method, path in [*SERVED, ("GET", "/nothing"), ("GET", "/api/openapi.json")]:
            answer = await door.http.request(method, _filled(path), headers=headers, json=_body(method))

            said = answer.headers.get_list("cache-control")
            assert said, (method, path)
            if answer.is_success and (method, path) in PUBLIC:
                assert "public" in said[0]
            else:
                assert said in ([PRIVATE], [NO_STORE]), (method, path, said)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/auth/login", {"email": "ada@example.com", "password": PASSWORD}),
        ("/api/auth/register", {"email": "ada@example.com", "password": PASSWORD}),
        ("/api/auth/refresh", {"refresh_token": "brt_x"}),
        ("/v1/auth/login", {"email": "ada@example.com", "password": PASSWORD}),
        ("/v1/auth/signup", {"email": "ada@example.com", "password": PASSWORD}),
        ("/v1/auth/refresh", {"refresh_token": "urt_x"}),
        ("/v1/auth/login/custom-token", {"token": "x"}),
        (
            "/rpc",
            {
                "jsonrpc": "2.0",
                "id": 1,
                "method": "auth.login",
                "params": {"email": "ada@example.com", "password": PASSWORD},
            },
        ),
    ],
)
async def test_an_answer_with_tokens_is_sent_with_no_store(path: str, body: dict[str, Any]) -> None:
    async with door_of() as door:
        answer = await door.http.post(path, json=body, headers={"x-bunbase-key": SECRET})

    assert answer.is_success
    assert "refresh_token" in answer.text
    assert answer.headers.get_list("cache-control") == [NO_STORE]


async def test_a_function_may_set_its_own_cache_control() -> None:
    async with door_of() as door:
        silent = await door.http.get("/v1/functions/echo", headers={"x-bunbase-key": SECRET})
        saying = await door.http.get("/v1/functions/cached", headers={"x-bunbase-key": SECRET})

    assert silent.headers.get_list("cache-control") == [PRIVATE]
    assert saying.headers.get_list("cache-control") == ["public, max-age=60"]


def _filled(path: str) -> str:
    return re.sub(r"\{project\}", "bakery", re.sub(r"\{(?!project\})\w+\}", "x1", path)).replace("/{path}", "/x")


def _body(method: str) -> Any:
    return {} if method in ("POST", "PUT", "PATCH") else None
