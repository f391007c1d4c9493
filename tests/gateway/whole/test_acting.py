"""The header X-Bunbase-As: a server or a member of the project acts as a user, and rules apply to the request."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from bunbase.contracts.bundoc.documents import Written
from bunbase.contracts.caller import CallerKind, Role
from bunbase.contracts.idempotency import scope_of
from bunbase.contracts.keys import KeyLimits
from bunbase.contracts.platform import KeyHolder, Membership
from bunbase.contracts.tenant_auth.users import ManagedUser
from tests.gateway.door import Door, door_of
from tests.gateway.others import ADA, BAKERY, LIBRARY, PUBLISHABLE, READERS, SERVERS

DATA = "/v1/data/posts"
ECHO = "/v1/functions/echo"
EVE = ManagedUser(
    id="usr_eve",
    email="eve@example.com",
    email_verified=True,
    role="editor",
    claims={"team": "one"},
    data={"private": True},
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
    banned=False,
    has_password=True,
)
KEY = {"x-bunbase-key": SERVERS}
AS_EVE = {"x-bunbase-as": "usr_eve"}


@pytest_asyncio.fixture
async def door() -> AsyncIterator[Door]:
    async with door_of() as one:
        one.tenant_auth.managed[BAKERY, "usr_eve"] = EVE
        one.tenant_auth.managed[BAKERY, "usr_bad"] = msgspec.structs.replace(EVE, id="usr_bad", banned=True)
        one.tenant_auth.managed[LIBRARY, "usr_lib"] = msgspec.structs.replace(EVE, id="usr_lib")
        yield one


def member(door: Door, **claims: Any) -> dict[str, str]:
    return {"authorization": f"Bearer {door.bunauth.token(**claims)}", "x-bunbase-project": BAKERY}


async def test_a_secret_key_that_acts_as_a_user_is_bound_by_the_rules_with_current_values(door: Door) -> None:
    answer = await door.http.get(DATA, headers=KEY | AS_EVE)

    (caller,) = door.bundoc.seen
    assert answer.status_code == 200
    assert (caller.kind, caller.project, caller.act) == (CallerKind.PUBLISHABLE, BAKERY, "key_v")
    assert caller.user is not None
    user = msgspec.structs.asdict(caller.user)
    assert user == {
        "uid": "usr_eve",
        "email": "eve@example.com",
        "role": "editor",
        "claims": {"team": "one"},
        "session": "",
        "verified": True,
        "provider": "impersonation",
        "anonymous": False,
        "aal": 1,
        "act": "key_v",
    }


async def test_the_value_minus_means_a_visitor_who_is_not_signed_in(door: Door) -> None:
    await door.http.get(DATA, headers=KEY | {"x-bunbase-as": "-"})

    (caller,) = door.bundoc.seen
    assert (caller.kind, caller.user, caller.act) == (CallerKind.PUBLISHABLE, None, "key_v")


async def test_a_member_may_act_as_a_user_too(door: Door) -> None:
    await door.http.get(DATA, headers=member(door) | AS_EVE)

    (caller,) = door.bundoc.seen
    assert (caller.kind, caller.developer, caller.role, caller.act) == (CallerKind.PUBLISHABLE, None, None, ADA)


@pytest.mark.parametrize(
    ("headers", "path", "status", "code"),
    [
        ({"x-bunbase-key": PUBLISHABLE}, DATA, 403, "acting_refused"),
        ({"x-bunbase-key": PUBLISHABLE, "authorization": "{user}"}, DATA, 403, "acting_refused"),
        ({"x-bunbase-key": PUBLISHABLE, "x-bunbase-as": "-"}, DATA, 403, "acting_refused"),
        ({"x-bunbase-key": PUBLISHABLE}, ECHO, 403, "acting_refused"),
        ({}, f"{ECHO}?project={BAKERY}", 403, "acting_refused"),
        ({}, DATA, 401, "unauthenticated"),
        (KEY | {"authorization": "{user}"}, DATA, 422, "invalid_input"),
        (KEY | {"x-bunbase-as": ""}, DATA, 422, "invalid_input"),
        (KEY | {"x-bunbase-as": "usr eve"}, DATA, 422, "invalid_input"),
        (KEY | {"x-bunbase-as": "u" * 5000}, DATA, 422, "invalid_input"),
        (KEY | {"x-bunbase-as": "usr_nobody"}, DATA, 404, "user_not_found"),
        (KEY | {"x-bunbase-as": "usr_lib"}, DATA, 404, "user_not_found"),
        (KEY | {"x-bunbase-as": "usr_bad"}, DATA, 403, "user_banned"),
        (KEY, "/v1/changes", 422, "invalid_input"),
        (KEY, "/v1/collections", 422, "invalid_input"),
        (KEY, "/v1/auth/users", 422, "invalid_input"),
        (KEY, "/v1/auth/me", 422, "invalid_input"),
        (KEY, "/v1/export", 422, "invalid_input"),
        ({"x-bunbase-key": READERS}, ECHO, 403, "insufficient_scope"),
    ],
)
async def test_the_header_is_refused_where_it_would_give_rights_or_have_no_effect(
    door: Door, headers: dict[str, str], path: str, status: int, code: str
) -> None:
    known = {"{user}": f"Bearer {door.tenant_auth.token()}"}

    answer = await door.http.get(
        path, headers=AS_EVE | {name: known.get(value, value) for name, value in headers.items()}
    )

    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert not door.bundoc.seen


async def test_a_header_that_is_sent_twice_is_refused(door: Door) -> None:
    twice = [*KEY.items(), ("x-bunbase-as", "usr_eve"), ("x-bunbase-as", "-")]

    answer = await door.http.get(DATA, headers=twice)

    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_request")


async def test_a_key_keeps_its_scopes_when_it_acts_as_a_user(door: Door) -> None:
    await door.http.get(DATA, headers={"x-bunbase-key": READERS} | AS_EVE)
    written = await door.http.post(DATA, json={}, headers={"x-bunbase-key": READERS} | AS_EVE)

    (caller,) = door.bundoc.seen
    assert caller.limits == ("data:posts:read",)
    assert (written.status_code, written.json()["code"]) == (403, "insufficient_scope")


async def test_a_viewer_may_read_as_a_user_and_not_write(door: Door) -> None:
    door.platform.roles = {(ADA, BAKERY): Membership(ADA, BAKERY, "bakery", Role.VIEWER)}

    read = await door.http.get(DATA, headers=member(door) | AS_EVE)
    written = await door.http.delete(f"{DATA}/d1", headers=member(door) | AS_EVE)

    assert (read.status_code, written.status_code, written.json()["code"]) == (200, 403, "forbidden")


@pytest.mark.parametrize(
    ("scopes", "who", "status"),
    [
        (("functions:invoke",), "usr_eve", 403),
        (("functions:invoke",), "-", 201),
        (("functions:invoke", "users:write"), "usr_eve", 201),
        (None, "usr_eve", 201),
    ],
)
async def test_a_function_is_called_as_a_user_only_with_the_right_to_impersonate(
    door: Door, scopes: tuple[str, ...] | None, who: str, status: int
) -> None:
    door.platform.holders["sk_own"] = KeyHolder("key_o", BAKERY, CallerKind.SECRET, limits=KeyLimits(scopes=scopes))

    sent = {"x-bunbase-key": "sk_own", "x-bunbase-as": who}
    below = await door.http.put(f"{ECHO}/below/that", json={}, headers=sent)
    answer = await door.http.post(ECHO, json={}, headers=sent)

    assert (answer.status_code, below.status_code) == (status, status), answer.text
    if status == 201:
        assert answer.json()[-2:] == ["publishable", None if who == "-" else who]


async def test_idempotency_keys_belong_to_the_pair_of_the_credential_and_the_user(door: Door) -> None:
    nobody = {"x-bunbase-as": "-"}
    for headers in (KEY, KEY | AS_EVE, KEY | nobody, member(door), member(door) | AS_EVE, member(door) | nobody):
        await door.http.get(DATA, headers=headers)
    await door.http.get(DATA, headers={"x-bunbase-key": PUBLISHABLE})
    await door.http.get(
        DATA, headers={"x-bunbase-key": PUBLISHABLE, "authorization": f"Bearer {door.tenant_auth.token()}"}
    )

    scopes = [scope_of(caller) for caller in door.bundoc.seen]
    assert len(scopes) == len(set(scopes)) == 8


async def test_a_members_write_as_a_user_is_in_the_audit_log_with_both(door: Door) -> None:
    async def delete(*_: Any) -> Written:
        return Written("e.1", False)

    vars(door.bundoc)["delete"] = delete

    answer = await door.http.delete(f"{DATA}/d1", headers=member(door) | AS_EVE)

    ((caller, act, end),) = door.platform.entries
    assert answer.status_code == 204, answer.text
    assert (caller.developer.id, act.action, act.target) == (ADA, "document.write", "posts/d1")
    assert end.after["as"] == "usr_eve"
