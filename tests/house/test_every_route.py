"""Every route must be in every table of routes.

`tests/e2e/topologies/test_isolation.py` checks the table of isolation.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from bunbase.contracts.acts import OF_SESSIONS, Act
from bunbase.gateway.cookie_answers import CHANGES, REFRESH
from bunbase.gateway.cookie_mode import SIGN_INS
from bunbase.gateway.examples import EXAMPLES
from bunbase.gateway.hot_routes import HotRoutes, mounted
from bunbase.gateway.login_guard import DEVICE_CODES, GUARDED
from bunbase.gateway.parameters import OPEN
from bunbase.gateway.record import QUIET
from bunbase.gateway.route_acts import act_of
from bunbase.gateway.routes import DEV_ROUTES, ROUTES
from bunbase.house.modules import MODULES
from tests.e2e import permissions as who
from tests.e2e.hostile_sizes import BODY_BYTES
from tests.e2e.permissions import MANAGER, OWNER, PERMISSIONS, SIGN_OUTS
from tests.gateway.lanes import KEY
from tests.gateway.whole.test_both_lanes import HOT
from tests.shared_openapi import openapi_document

IMPOSSIBLE_NAMES = {
    ("/api/projects/{project:str}/backups/restore", ("DELETE", "GET")),  # ids of backups are `bkp_…`
    ("/api/invites/accept", ("DELETE",)),  # ids of invitations are `ain_…`
    ("/api/invites/register", ("DELETE",)),
    ("/v1/auth/identities/link", ("DELETE",)),  # ids of identities are `idn_…`
    ("/api/auth/passkeys/options", ("DELETE", "PATCH")),  # ids of passkeys are `psk_…`
    ("/api/auth/passkeys/register", ("DELETE", "PATCH")),
    ("/v1/auth/users/export", ("DELETE", "PATCH")),  # an import refuses these ids
    ("/v1/auth/users/import", ("DELETE", "GET", "PATCH")),
    ("/v1/auth/passkeys/options", ("DELETE", "PATCH")),
    ("/v1/auth/passkeys/register", ("DELETE", "PATCH")),
    ("/v1/auth/users/bulk", ("DELETE", "GET", "PATCH")),  # ids of users are `usr_…`
    ("/api/projects/{project:str}/walks/rehearsal", ("GET", "PATCH")),  # ids of walks are `wlk_…`
}
PROJECT_KEY, SECRET_KEY, ENDUSER, ACCOUNT = (
    frozenset(schemes) for schemes in (("projectKey",), ("secretKey",), ("projectKey", "endUser"), ("developer",))
)
CREDENTIALS = {
    who.NOBODY: frozenset[str](),
    who.PUBLISHABLE: PROJECT_KEY,
    who.SECRET: SECRET_KEY,
    who.REPORTER: SECRET_KEY,
    who.USER: ENDUSER,
}
CREDENTIALS |= dict.fromkeys(who.SIGNED_IN, ACCOUNT)

# Public files and signed links need no key.
LINKED = {(method, "/v1/storage/objects/{bucket}/{key}") for method in ("GET", "PUT")}

FAST_ROUTES = [route for module in MODULES for route in module.fast_routes]


@pytest.fixture(scope="module")
def operations() -> dict[tuple[str, str], dict[str, Any]]:
    """Return the operations of the OpenAPI document by method and path."""
    paths = msgspec.json.decode(openapi_document())["paths"]
    return {(method.upper(), path): one for path, methods in paths.items() for method, one in methods.items()}


def test_every_route_has_a_row_in_the_table_of_permissions(operations: dict[tuple[str, str], Any]) -> None:
    rows = {(row.method, row.route) for row in (*PERMISSIONS, *SIGN_OUTS)}

    assert rows ^ set(operations) == set(), "add it to tests/e2e/permissions.py"


def test_every_path_in_a_table_of_the_gateway_is_the_path_of_a_route() -> None:
    """A renamed route would silently lose its login guard, its cookies or its place among the quiet ones."""
    routes = [route for module in MODULES for route in module.routes]
    known = {
        (method, re.sub(r":\w+\}", "}", path))
        for route in (*ROUTES, *DEV_ROUTES, *routes)
        for path in route.paths
        for method in route.http_methods
    }
    paths = {path for _, path in known}

    assert {path for path, one in GUARDED.items() if not one.any_method} - {
        path for by, path in known if by == "POST"
    } == set()
    assert {*GUARDED, *DEVICE_CODES, *SIGN_INS, *CHANGES, REFRESH, *OPEN, *QUIET} - paths == set()


def test_every_route_has_a_row_in_the_table_of_hostile_sizes(operations: dict[tuple[str, str], Any]) -> None:
    assert set(BODY_BYTES) ^ set(operations) == set(), "add it to tests/e2e/hostile_sizes.py"


def test_the_documented_credentials_of_every_route_are_those_of_the_table_of_permissions(
    operations: dict[tuple[str, str], Any],
) -> None:
    for key, operation in operations.items():
        accepted = {
            CREDENTIALS[caller]
            for row in (*PERMISSIONS, *SIGN_OUTS)
            if key == (row.method, row.route)
            for caller in row.allowed
        }

        documented = {frozenset(choice) for choice in operation["security"]} or {frozenset()}

        without_key = {frozenset[str]()} if key[1].startswith("/v1/functions/") or key in LINKED else set()
        assert needed(documented) == needed(accepted | without_key), key


def needed(choices: set[frozenset[str]]) -> set[frozenset[str]]:
    """Return the choices that need no more than another choice needs. A secret key is also a project key."""
    if PROJECT_KEY in choices:
        choices = choices - {SECRET_KEY}
    return {one for one in choices if not any(other < one for other in choices)}


def test_every_documented_body_has_an_example(operations: dict[tuple[str, str], Any]) -> None:
    bodies = {key: one["requestBody"]["content"] for key, one in operations.items() if "requestBody" in one}
    shown = {key for key, content in bodies.items() if all("example" in media for media in content.values())}

    assert shown ^ set(bodies) == set(), "add it to src/bunbase/gateway/examples.py"
    assert shown ^ set(EXAMPLES) == set(), "an example for a route that has no body"


def test_no_literal_path_hides_a_name_from_a_method() -> None:
    """A router prefers `/v1/data/posts/query` to `/v1/data/posts/{id}`, also for methods that only this one has."""
    served: dict[str, set[str]] = {}
    for handler in (handler for module in MODULES for handler in module.routes):
        for path in handler.paths:
            served.setdefault(path, set()).update(handler.http_methods)

    hidden = {
        (literal, tuple(sorted(methods - served[literal])))
        for literal, placeholder, methods in ((a, b, served[b]) for a in served for b in served if hides(a, b))
        if methods - served[literal]
    }

    assert hidden == IMPOSSIBLE_NAMES


def hides(literal: str, placeholder: str) -> bool:
    """True if both paths differ only in one segment, which is a name in the first and a placeholder in the second."""
    pairs = [(a, b) for a, b in zip(literal.split("/"), placeholder.split("/"), strict=False) if a != b]
    same_length = literal.count("/") == placeholder.count("/")
    return same_length and len(pairs) == 1 and not pairs[0][0].startswith("{") and pairs[0][1].startswith("{")


@pytest.mark.parametrize("route", FAST_ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_every_hot_route_is_in_the_table_of_both_lanes(route: Any) -> None:
    hot = HotRoutes([mounted(route, None, by_hand=True)], max_body_bytes=2 << 20)

    asked = [line for line, _, body in HOT if hot.request(*request_head(line, body))]

    assert asked, "add it to HOT in tests/gateway/whole/test_both_lanes.py"


def request_head(line: str, body: bytes) -> tuple[bytes, bytes, list[tuple[bytes, bytes]]]:
    """Return method, address and the usual headers of a request."""
    method, _, address = line.partition(" ")
    name, _, key = KEY.partition(": ")
    headers = [(b"host", b"localhost"), (name.encode(), key.encode())]
    length = [(b"content-length", str(len(body)).encode())] if body else []
    return method.encode(), address.encode(), headers + length


def test_acts_of_sessions_are_those_that_a_token_with_all_scopes_may_not_do() -> None:
    """`tests/e2e/test_every_route.py` tries every row of PERMISSIONS with a session and with such a token."""
    asked = {(row.method, row.route): row.allowed for row in PERMISSIONS if not row.query}
    refused = {act_of(*route) for route, allowed in asked.items() if OWNER in allowed and MANAGER not in allowed}

    without_row = {act for act in OF_SESSIONS if act not in {act_of(*route) for route in asked}}
    assert refused == OF_SESSIONS - without_row
    assert without_row == {Act.ACCOUNT_DELETE, Act.AUTHORIZATION_CREATE, Act.IDENTITY_LINK, Act.SIGNING_KEY_REPLACE}
