from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio

from bunbase.contracts.audit import ActEnd, AuditedAct
from bunbase.contracts.caller import Caller, CallerKind, Role
from bunbase.contracts.platform import Key, Membership
from tests.gateway.door import Door, door_of
from tests.gateway.others import ADA, BAKERY, PASSWORD, SECRET

KEYS = f"/api/projects/{BAKERY}/keys"
NEW_KEY = {"kind": "secret", "name": "ci"}


@pytest_asyncio.fixture
async def door() -> AsyncIterator[Door]:
    async with door_of() as one:
        one.platform.create_key = created
        one.platform.revoke_key = revoked
        yield one


async def created(caller: Caller, kind: CallerKind, name: str, *_: Any) -> Key:
    caller.need(Role.ADMIN)
    return Key("key_new", kind, name, "sk_abcd…", datetime(2026, 1, 1, tzinfo=UTC), None, "sk_a whole secret")


async def revoked(caller: Caller, id: str) -> None:
    caller.need(Role.ADMIN)


def bearer(door: Door, **claims: Any) -> dict[str, str]:
    return {"authorization": f"Bearer {door.bunauth.token(**claims)}"}


def entries(door: Door) -> list[tuple[Caller, AuditedAct, ActEnd | None]]:
    return [(caller, act, end) for caller, act, end in door.platform.entries]


async def test_an_act_has_an_entry_with_its_actor_and_its_outcome(door: Door) -> None:
    answer = await door.http.post(KEYS, json=NEW_KEY, headers=bearer(door) | {"x-request-id": "req_mine"})

    ((caller, act, end),) = entries(door)
    assert answer.status_code == 201
    assert (caller.developer and caller.developer.id, caller.project, caller.ip) == (ADA, BAKERY, "127.0.0.1")
    assert (act.action, act.request_id) == ("key.create", answer.headers["x-request-id"])
    assert end is not None
    assert (end.status, end.target) == (201, "key_new")


async def test_the_entry_shows_no_secret(door: Door) -> None:
    await door.http.post(KEYS, json=NEW_KEY, headers=bearer(door))

    ((_, _, end),) = entries(door)
    assert end is not None
    assert end.after == {"kind": "secret", "name": "ci", "hint": "sk_abcd…", "expires_at": None}


async def test_the_entry_begins_before_the_act(door: Door) -> None:
    seen = []

    async def create_key(*_: Any) -> Key:
        seen.append(entries(door))
        raise KeyError("a bug")

    door.platform.create_key = create_key
    answer = await door.http.post(KEYS, json=NEW_KEY, headers=bearer(door))

    assert [end for _, _, end in seen[0]] == [None]
    assert answer.status_code == 500
    assert [end and end.status for _, _, end in entries(door)] == [500]


async def test_no_act_is_done_while_the_log_cannot_be_written(door: Door) -> None:
    done = []
    door.platform.create_key = lambda *_: done.append(1)
    door.platform.writable = False

    answer = await door.http.post(KEYS, json=NEW_KEY, headers=bearer(door))

    assert (answer.status_code, answer.json()["code"]) == (503, "audit_unavailable")
    assert done == []


@pytest.mark.parametrize(("method", "path"), [("DELETE", f"{KEYS}/key_1"), ("POST", "/api/auth/logout")])
async def test_access_is_taken_away_even_while_the_log_cannot_be_written(door: Door, method: str, path: str) -> None:
    door.platform.writable = False

    answer = await door.http.request(method, path, headers=bearer(door))

    assert answer.status_code == 204


async def test_an_outcome_that_cannot_be_stored_does_not_change_the_answer(door: Door) -> None:
    async def create_key(caller: Caller, *rest: Any) -> Key:
        door.platform.writable = False
        return await created(caller, *rest)

    door.platform.create_key = create_key
    answer = await door.http.post(KEYS, json=NEW_KEY, headers=bearer(door))

    assert answer.status_code == 201
    assert [end for _, _, end in entries(door)] == [None]


async def test_the_entry_has_its_outcome_before_the_client_has_the_answer(door: Door) -> None:
    answer = await door.http.delete(f"{KEYS}/key_1", headers=bearer(door))

    assert answer.status_code == 204
    ((_, act, end),) = entries(door)
    assert (act.target, end and end.status) == ("key_1", 204)


async def test_reading_has_no_entry(door: Door) -> None:
    answer = await door.http.get("/api/projects", headers=bearer(door))

    assert answer.status_code == 200
    assert entries(door) == []


async def test_a_flood_of_refused_attempts_is_counted(door: Door) -> None:
    door.platform.roles[ADA, BAKERY] = Membership(ADA, BAKERY, "bakery", Role.VIEWER)

    for _ in range(20):
        answer = await door.http.post(KEYS, json=NEW_KEY, headers=bearer(door))
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")

    assert entries(door) == []
    assert [(act.action, count) for _, act, count in door.platform.refusals] == [("key.create", 1)]


async def test_the_counted_attempts_are_stored_when_the_server_stops() -> None:
    async with door_of() as door:
        door.platform.roles[ADA, BAKERY] = Membership(ADA, BAKERY, "bakery", Role.VIEWER)
        for _ in range(20):
            await door.http.post(KEYS, json=NEW_KEY, headers=bearer(door))

    assert [count for _, _, count in door.platform.refusals] == [1, 19]


async def test_a_token_without_the_scope_is_a_refused_attempt(door: Door) -> None:
    token = door.bunauth.personal_token("read")

    answer = await door.http.post(KEYS, json=NEW_KEY, headers={"authorization": f"Bearer {token}"})

    assert answer.json()["code"] == "insufficient_scope"
    ((caller, act, _),) = door.platform.refusals
    assert (act.action, caller.developer and caller.developer.token) == ("key.create", "tok_bpt_0")


async def test_the_acts_of_end_users_have_no_entries(door: Door) -> None:
    user = {"x-bunbase-key": "pk_bakery", "authorization": f"Bearer {door.tenant_auth.token()}"}

    await door.http.post("/v1/auth/login", json={"email": "eve@example.com", "password": PASSWORD}, headers=user)
    await door.http.post("/v1/data/posts", json={}, headers=user)

    assert entries(door) == []


async def test_administration_with_a_secret_key_names_the_key_and_its_daily_work_has_no_entries(door: Door) -> None:
    key = {"x-bunbase-key": SECRET}

    await door.http.put("/v1/collections/posts", json={"rules": {"list": "true"}}, headers=key)
    await door.http.post("/v1/data/posts", json={}, headers=key)
    await door.http.post("/v1/jobs", json={"function": "resize"}, headers=key)

    ((caller, act, _),) = entries(door)
    assert (caller.key, act.action, act.target) == ("key_s", "collection.update", "posts")


async def test_revealing_secrets_has_an_entry(door: Door) -> None:
    env = f"/api/projects/{BAKERY}/env"

    for query in ("", "?reveal=true"):
        await door.http.get(env + query, headers=bearer(door))

    assert [act.action for _, act, _ in entries(door)] == ["variable.reveal"]
