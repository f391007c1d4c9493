"""Every route that reads credentials has an act, and the scopes of tokens are checked before the body is read."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from bunbase.contracts.acts import Act
from bunbase.contracts.caller import Caller, CallerKind
from bunbase.contracts.scopes import InsufficientScope
from bunbase.gateway.route_acts import ROUTE_ACTS, act_of, check_scopes
from bunbase.house.modules import MODULES
from tests.gateway.door import Door
from tests.gateway.others import BAKERY

IDENTIFIED = {
    "developer",
    "member",
    "custodian",
    "operator",
    "keyed",
    "client",
    "accessor",
    "guest",
    "visitor",
    "person",
}
# No route has these acts. Some depend on a parameter of a route, one is any reading act of an administrator, one
# happens when a client exchanges a code, and one is a message on a live connection.
OF_A_PARAMETER = {
    Act.BACKUP_RESTORE_USERS,
    Act.USER_EXPORT_HASHES,
    Act.VARIABLE_REVEAL,
    Act.MEMBER_LEAVE,
    Act.ORG_MEMBER_LEAVE,
    Act.PROJECT_INSPECT,
    Act.IDENTITY_LINK,
    Act.CHANNEL_SUBSCRIBE,
}


def routes() -> Iterator[tuple[str, str]]:
    """Yield method and path of every route that reads credentials."""
    for module in MODULES:
        for handler in module.routes:
            names = handler.fn.__annotations__
            if IDENTIFIED & set(names):
                for path in handler.paths:
                    for method in handler.http_methods:
                        yield method, re.sub(r":\w+\}", "}", path)


def test_every_route_that_reads_credentials_has_an_act() -> None:
    assert set(routes()) ^ set(ROUTE_ACTS) == set(), "add it to src/bunbase/gateway/route_acts.py"


def test_every_act_is_the_act_of_a_route() -> None:
    assert set(Act) - set(ROUTE_ACTS.values()) == OF_A_PARAMETER


def test_a_route_without_an_act_refuses_every_scope() -> None:
    with pytest.raises(InsufficientScope):
        check_scopes(Caller(CallerKind.SECRET, project=BAKERY, scopes=("admin",)), "GET", "/v1/new")


def test_head_is_the_act_of_get() -> None:
    assert act_of("HEAD", "/api/projects") is Act.PROJECT_LIST


@pytest.mark.parametrize(
    ("scopes", "method", "path", "status"),
    [
        (("data:read",), "GET", f"/api/projects/{BAKERY}/keys", 403),
        (("data:read",), "GET", "/api/projects", 403),
        (("data:read",), "GET", "/api/auth/me", 200),
        (("read",), "GET", "/api/projects", 200),
        ((f"read@{BAKERY}",), "GET", "/api/projects", 403),
        (("read@prj_library",), "PATCH", f"/api/projects/{BAKERY}", 403),
        (("write",), "PATCH", f"/api/projects/{BAKERY}", 403),
    ],
)
async def test_a_personal_token_reaches_only_routes_that_its_scopes_allow(
    door: Door, scopes: tuple[str, ...], method: str, path: str, status: int
) -> None:
    headers = {"authorization": f"Bearer {door.bunauth.personal_token(*scopes)}"}

    answer = await door.http.request(method, path, headers=headers)

    assert answer.status_code == status
    if status == 403:
        assert answer.json()["code"] == "insufficient_scope"
