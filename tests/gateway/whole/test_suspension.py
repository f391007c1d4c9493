"""A suspended project at the gateway, and administrators of the installation who read a project."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from bunbase.contracts.caller import Role
from bunbase.contracts.platform import Membership
from bunbase.contracts.revocations import RevokedKind
from tests.gateway.door import Door, door_of
from tests.gateway.others import ADA, BAKERY, LIBRARY, PUBLISHABLE, SECRET
from tests.pkg.waiting import until_true

DATA = "/v1/data/posts"


@pytest_asyncio.fixture
async def door() -> AsyncIterator[Door]:
    async with door_of() as one:
        yield one


def root(door: Door, session: str = "ses_1") -> dict[str, str]:
    token = door.bunauth.token(session, role="admin")
    return {"authorization": f"Bearer {token}", "x-bunbase-project": LIBRARY}


async def code(door: Door, path: str, headers: dict[str, str], method: str = "GET") -> str:
    answer = await door.http.request(method, path, headers=headers)
    return str(answer.json()["code"]) if answer.status_code >= 400 else str(answer.status_code)


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        (DATA, {"x-bunbase-key": SECRET}),
        (DATA, {"x-bunbase-key": PUBLISHABLE}),
        ("/v1/functions/echo", {"x-bunbase-key": PUBLISHABLE}),
        (f"/v1/functions/echo?project={BAKERY}", {}),
    ],
)
async def test_keys_and_functions_of_a_suspended_project_are_refused_within_a_second(
    door: Door, path: str, headers: dict[str, str]
) -> None:
    before = await code(door, path, headers)

    door.platform.suspended.add(BAKERY)
    door.platform.tell(RevokedKind.PROJECT, BAKERY)

    assert before in ("200", "201")

    async def is_refused() -> bool:
        return await code(door, path, headers) == "project_suspended"

    await until_true(is_refused)


async def test_members_of_a_suspended_project_read_it_and_change_nothing(door: Door) -> None:
    door.platform.roles[ADA, BAKERY] = Membership(ADA, BAKERY, "bakery", Role.OWNER, suspended=True)
    member = {"authorization": f"Bearer {door.bunauth.token()}", "x-bunbase-project": BAKERY}

    assert await code(door, DATA, member) == "200"
    assert await code(door, f"/api/projects/{BAKERY}/keys/key_1", member, "DELETE") == "project_suspended"
    assert await code(door, f"{DATA}/d1", member, "DELETE") == "project_suspended"


async def test_an_administrator_reads_a_project_and_its_owners_see_that(door: Door) -> None:
    answer = await door.http.get(DATA, headers=root(door))

    assert answer.status_code == 200
    (caller,) = door.bundoc.seen
    assert (caller.project, caller.role, caller.inspects) == (LIBRARY, Role.VIEWER, True)
    ((caller, act, end),) = door.platform.entries
    assert (caller.project, act.action, act.target) == (LIBRARY, "project.inspect", "document.read posts")
    assert end.status == 200


@pytest.mark.parametrize(("method", "path"), [("DELETE", f"{DATA}/d1"), ("POST", "/v1/commit")])
async def test_an_administrator_who_is_no_member_changes_nothing(door: Door, method: str, path: str) -> None:
    assert await code(door, path, root(door), method) == "project_not_found"


async def test_an_administrator_needs_a_fresh_proof_to_read_a_project(door: Door) -> None:
    assert await code(door, DATA, root(door, session="ses_old")) == "reauthentication_required"
    assert door.bundoc.seen == []


async def test_a_personal_token_of_an_administrator_needs_the_scope_admin(door: Door) -> None:
    for scope, expected in (("read", "project_not_found"), ("admin", "200")):
        token = door.bunauth.personal_token(scope)
        door.bunauth.personal[token]["role"] = "admin"
        headers = {"authorization": f"Bearer {token}", "x-bunbase-project": LIBRARY}
        assert await code(door, DATA, headers) == expected


async def test_a_project_is_suspended_only_with_a_fresh_proof(door: Door) -> None:
    path = f"/api/admin/projects/{BAKERY}/suspend"

    assert await code(door, path, root(door, session="ses_old"), "POST") == "reauthentication_required"
