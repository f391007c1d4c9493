from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from bunbase.gateway.settings import GatewaySettings
from tests.gateway.door import Door, door_of
from tests.gateway.others import LIBRARYS, PASSWORD, PUBLISHABLE

DEVELOPERS, USERS = "/api/auth/login", "/v1/auth/login"
MOST = 3


@pytest_asyncio.fixture
async def door() -> AsyncIterator[Door]:
    async with door_of(GatewaySettings(failed_logins_per_minute=MOST, trusted_proxies=("127.0.0.1",))) as opened:
        yield opened


async def login(
    door: Door, path: str = DEVELOPERS, password: str = "guess", email: str = "ada@example.com", **headers: str
) -> httpx.Response:
    headers = {"x-bunbase-key": PUBLISHABLE} | {name.replace("_", "-"): value for name, value in headers.items()}
    return await door.http.post(path, json={"email": email, "password": password}, headers=headers)


@pytest.mark.parametrize("path", [DEVELOPERS, USERS])
async def test_after_some_wrong_passwords_even_the_right_one_has_to_wait(door: Door, path: str) -> None:
    answers = [await login(door, path) for _ in range(MOST)]
    refused = await login(door, path, PASSWORD)

    assert [answer.status_code for answer in answers] == [401] * MOST
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["request_id"] == refused.headers["x-request-id"]
    assert 1 <= int(refused.headers["retry-after"]) <= 60


async def test_right_passwords_are_never_counted(door: Door) -> None:
    answers = [await login(door, password=PASSWORD) for _ in range(MOST * 3)]

    assert {answer.status_code for answer in answers} == {200}


@pytest.mark.parametrize(
    "spelling", ["/api/auth/login/", "/api//auth/login", "/api/auth//login//", "/api/auth/%6cogin"]
)
async def test_no_other_spelling_of_the_address_slips_past(door: Door, spelling: str) -> None:
    statuses = [(await login(door, spelling)).status_code for _ in range(MOST + 1)]

    assert statuses == [401] * MOST + [429]


async def test_addresses_are_told_apart_as_the_trusted_proxy_tells_them(door: Door) -> None:
    for number in range(MOST):
        await login(door, email=f"{number}@example.com", x_forwarded_for="203.0.113.7")

    assert (await login(door, email="x@example.com", x_forwarded_for="1.2.3.4, 203.0.113.7")).status_code == 429
    assert (await login(door, email="x@example.com", x_forwarded_for="203.0.113.8")).status_code == 401


async def test_an_account_is_guarded_from_all_addresses_together(door: Door) -> None:
    for number in range(MOST):
        await login(door, x_forwarded_for=f"203.0.113.{number}")

    assert (await login(door, x_forwarded_for="203.0.113.99")).status_code == 429
    assert (await login(door, email="bob@example.com", x_forwarded_for="203.0.113.99")).status_code == 401


async def test_the_users_of_one_project_are_counted_apart_from_all_others(door: Door) -> None:
    for _ in range(MOST):
        await login(door, USERS)

    assert (await login(door, USERS, x_bunbase_key=LIBRARYS)).status_code == 401
    assert (await login(door, DEVELOPERS)).status_code == 401
    by_address = await door.http.post(f"{USERS}?key={PUBLISHABLE}", json={"email": "ada@example.com", "password": "x"})
    assert by_address.status_code == 429


async def test_rpc_and_http_count_the_same_wrong_passwords(door: Door) -> None:
    for _ in range(MOST):
        await login(door)

    call = {"jsonrpc": "2.0", "id": 1, "method": "auth.login", "params": {"email": "ada@example.com", "password": "x"}}
    answer = await door.http.post("/rpc", json=call)

    assert answer.json()["error"]["data"]["code"] == "rate_limited"


async def test_other_addresses_go_on(door: Door) -> None:
    for _ in range(MOST + 1):
        await login(door)

    assert (await door.http.get("/api/health")).status_code == 200
    assert (await door.http.get(DEVELOPERS)).status_code == 405


async def test_a_browser_may_read_the_refusal(door: Door) -> None:
    for _ in range(MOST):
        await login(door)

    refused = await login(door, origin="http://localhost:3000")

    assert refused.status_code == 429
    assert refused.headers["access-control-allow-origin"] == "*"
    assert "retry-after" in refused.headers["access-control-expose-headers"].lower()


@pytest.mark.parametrize("size", [0, 10, 70 << 10, 1 << 20])
async def test_the_body_passes_on_intact_however_it_comes(door: Door, size: int) -> None:
    body = b'{"email": "ada@example.com", "password": "' + PASSWORD.encode() + b'"' + b" " * size + b"}"

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 7000):
            yield body[start : start + 7000]

    for content in (body, chunks()):
        answer = await door.http.post(DEVELOPERS, content=content, headers={"content-type": "application/json"})
        assert (answer.status_code, answer.json()["user"]["email"]) == (200, "ada@example.com")


async def test_a_body_beyond_all_measure_is_refused_for_its_size(door: Door) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(1000):
            yield b" " * 10_000

    answer = await door.http.post(DEVELOPERS, content=endless(), headers={"content-type": "application/json"})

    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")


async def test_nonsense_counts_for_nothing(door: Door) -> None:
    for body in (b"", b"[" * 100_000, b'{"email": 1}', b"\xff") * MOST:
        answer = await door.http.post(DEVELOPERS, content=body, headers={"content-type": "application/json"})
        assert answer.status_code in (400, 422)

    assert (await login(door)).status_code == 401
