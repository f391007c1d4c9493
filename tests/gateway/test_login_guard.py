from __future__ import annotations

import random
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest
import pytest_asyncio

from bunbase.gateway.login_guard import GUARDED, MAX_PEEK_BYTES, Kind
from bunbase.gateway.settings import GatewaySettings
from tests.gateway.door import Door, door_of
from tests.gateway.others import BAKERY, FIRST_OF_TWO, LIBRARYS, PASSWORD, PUBLISHABLE, SECRET

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
async def test_after_too_many_wrong_passwords_the_right_one_is_refused_too(door: Door, path: str) -> None:
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


async def test_a_right_password_that_needs_a_second_factor_is_not_counted(door: Door) -> None:
    answers = [await login(door, password=FIRST_OF_TWO) for _ in range(MOST * 3)]

    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(401, "second_factor_required")}
    assert (await login(door, password=PASSWORD)).status_code == 200


@pytest.mark.parametrize(
    "spelling", ["/api/auth/login/", "/api//auth/login", "/api/auth//login//", "/api/auth/%6cogin"]
)
async def test_another_spelling_of_the_path_is_counted_too(door: Door, spelling: str) -> None:
    statuses = [(await login(door, spelling)).status_code for _ in range(MOST + 1)]

    assert statuses == [401] * MOST + [429]


async def test_failures_are_counted_by_the_address_that_the_trusted_proxy_names(door: Door) -> None:
    for number in range(MOST):
        await login(door, email=f"{number}@example.com", x_forwarded_for="203.0.113.7")

    assert (await login(door, email="x@example.com", x_forwarded_for="1.2.3.4, 203.0.113.7")).status_code == 429
    assert (await login(door, email="x@example.com", x_forwarded_for="203.0.113.8")).status_code == 401


@pytest.mark.parametrize(
    "told",
    [
        [f"198.51.100.8:{port}" for port in range(2000, 2030)],
        [f"[2001:db8:7::1]:{port}" for port in range(2000, 2030)],
        [f"2001:db8:7::{number:x}" for number in range(1, 31)],
        ["2001:DB8:7::1", "2001:db8:7:0:0:0:0:1", "2001:db8:7::0001", "2001:db8:7::1%eth0", " 2001:db8:7::1 "],
        ["198.51.100.8", "::ffff:198.51.100.8", "::FFFF:c633:6408", "198.51.100.8:1"],
        ["<script>alert(1)</script>", "unknown", "_hidden", "203.0.113.7.", "1.2.3", "", "x" * 5000],
    ],
)
async def test_every_spelling_of_one_address_is_counted_as_that_address(door: Door, told: list[str]) -> None:
    """A port is ignored, IPv6 counts by /64 network, and a text that is no address counts as the peer."""
    statuses = [
        (await login(door, email=f"{number}@example.com", x_forwarded_for=one)).status_code
        for number, one in enumerate(told)
    ]

    assert statuses == [401] * MOST + [429] * (len(told) - MOST)


async def test_wrong_passwords_from_many_addresses_do_not_lock_the_owner_out(door: Door) -> None:
    for path in (DEVELOPERS, USERS):
        guesses = [(await login(door, path, x_forwarded_for=f"10.0.{number}.1")).status_code for number in range(30)]

        owner = await login(door, path, PASSWORD, x_forwarded_for="203.0.113.99")

        assert guesses == [401] * 30
        assert owner.status_code == 200


async def test_a_blocked_address_still_admits_users_who_signed_in_there_before(door: Door) -> None:
    """A stranger in the same office, or behind the same proxy, does not lock the other users out."""
    door.bunauth.known.add(("ada@example.com", "203.0.113.7"))
    door.tenant_auth.known.add((BAKERY, "ada@example.com", "203.0.113.7"))
    for path in (DEVELOPERS, USERS):
        for number in range(MOST):
            await login(door, path, email=f"{number}@example.com", x_forwarded_for="203.0.113.7")

        stranger = await login(door, path, PASSWORD, email="bob@example.com", x_forwarded_for="203.0.113.7")
        owner = await login(door, path, PASSWORD, x_forwarded_for="203.0.113.7")

        assert (stranger.status_code, owner.status_code) == (429, 200)


async def test_logins_with_a_secret_key_are_not_counted_by_address(door: Door) -> None:
    for number in range(MOST * 3):
        await login(door, USERS, email=f"{number}@example.com", x_bunbase_key=SECRET)

    assert (await login(door, USERS, PASSWORD, x_bunbase_key=SECRET)).status_code == 200


@pytest.mark.parametrize(
    ("path", "body", "limit"),
    [
        ("/api/auth/register", {"email": "a@example.com", "password": PASSWORD}, "signups_per_hour"),
        ("/v1/auth/signup", {"email": "a@example.com", "password": PASSWORD}, "signups_per_hour"),
        ("/api/auth/refresh", {"refresh_token": "brt_x"}, "token_requests_per_minute"),
        ("/v1/auth/refresh", {"refresh_token": "urt_x"}, "token_requests_per_minute"),
        ("/v1/auth/anonymous", {}, "signups_per_hour"),
        ("/v1/auth/login/custom-token", {"token": "x"}, "token_requests_per_minute"),
        ("/v1/auth/verify-email", {"email": "a@example.com"}, "signups_per_hour"),
        ("/api/auth/oauth/exchange", {"code": "x", "verifier": "x"}, "token_requests_per_minute"),
        ("/api/auth/login/second-factor", {"challenge": "x", "code": "x"}, "token_requests_per_minute"),
        ("/api/auth/login/passkey/options", {}, "token_requests_per_minute"),
        ("/api/auth/login/passkey/verify", {"credential": {}}, "token_requests_per_minute"),
    ],
)
async def test_sign_ups_and_token_requests_have_a_limit_per_address(
    path: str, body: dict[str, Any], limit: str
) -> None:
    """An address that reaches the limit gets 429 with Retry-After; other addresses are served."""
    settings = msgspec.structs.replace(GatewaySettings(trusted_proxies=("127.0.0.1",)), **{limit: MOST})
    async with door_of(settings) as door:

        async def send(ip: str, key: str = PUBLISHABLE) -> httpx.Response:
            return await door.http.post(path, json=body, headers={"x-bunbase-key": key, "x-forwarded-for": ip})

        answers = [await send(f"2001:db8::{number:x}") for number in range(MOST)]
        refused, elsewhere = await send("2001:db8::ffff"), await send("203.0.113.8")
        library, server = await send("2001:db8::1", LIBRARYS), await send("2001:db8::1", SECRET)

    assert all(answer.is_success for answer in answers)
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert int(refused.headers["retry-after"]) >= 1
    assert elsewhere.is_success
    assert (library.is_success, server.is_success) == (path.startswith("/v1"),) * 2


async def test_invalid_tokens_at_the_rpc_have_a_limit() -> None:
    async with door_of(GatewaySettings(token_requests_per_minute=MOST)) as door:

        async def verify(token: str) -> Any:
            call = {"jsonrpc": "2.0", "id": 1, "method": "auth.verify", "params": {"token": token}}
            return (await door.http.post("/rpc", json=call)).json()

        valid = [await verify(door.bunauth.token()) for _ in range(MOST * 2)]
        answers = [await verify("bpt_invented") for _ in range(MOST + 1)]

    assert all(answer["result"]["valid"] for answer in valid)
    assert [answer["result"]["valid"] for answer in answers[:MOST]] == [False] * MOST
    assert answers[-1]["error"]["data"]["code"] == "rate_limited"


async def test_wrong_passwords_are_counted_per_project(door: Door) -> None:
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


async def test_a_limit_on_logins_leaves_other_routes_open(door: Door) -> None:
    for _ in range(MOST + 1):
        await login(door)

    assert (await door.http.get("/api/health")).status_code == 200
    assert (await door.http.get(DEVELOPERS)).status_code == 405


async def test_a_rate_limited_answer_has_cors_headers(door: Door) -> None:
    for _ in range(MOST):
        await login(door)

    refused = await login(door, origin="http://localhost:3000")

    assert refused.status_code == 429
    assert refused.headers["access-control-allow-origin"] == "http://localhost:3000"
    assert "retry-after" in refused.headers["access-control-expose-headers"].lower()


@pytest.mark.parametrize("size", [0, 10, 60 << 10])
async def test_the_guard_passes_the_whole_body_on_in_one_piece_or_in_chunks(door: Door, size: int) -> None:
    body = b'{"email": "ada@example.com", "password": "' + PASSWORD.encode() + b'"' + b" " * size + b"}"

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 7000):
            yield body[start : start + 7000]

    for content in (body, chunks()):
        answer = await door.http.post(DEVELOPERS, content=content, headers={"content-type": "application/json"})
        assert (answer.status_code, answer.json()["user"]["email"]) == (200, "ada@example.com")


async def test_a_login_body_that_is_too_large_gets_413(door: Door) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(1000):
            yield b" " * 10_000

    answer = await door.http.post(DEVELOPERS, content=endless(), headers={"content-type": "application/json"})

    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")


async def test_a_malformed_login_body_does_not_count_as_a_wrong_password(door: Door) -> None:
    for body in (b"", b"[" * 60_000, b'{"email": 1}', b"\xff") * MOST:
        answer = await door.http.post(DEVELOPERS, content=body, headers={"content-type": "application/json"})
        assert answer.status_code in (400, 422)

    assert (await login(door)).status_code == 401


async def test_invented_personal_tokens_have_a_limit_and_valid_ones_keep_working() -> None:
    async with door_of(GatewaySettings(token_requests_per_minute=MOST)) as door:

        async def me(token: str) -> int:
            headers = {"authorization": f"Bearer {token}"}
            return (await door.http.get("/api/auth/me", headers=headers)).status_code

        known, session = door.bunauth.personal_token("read"), door.bunauth.token()
        before = [await me(known), await me(session)]
        invented = [await me(f"bpt_invented_{number}") for number in range(MOST + 1)]
        asked = door.bunauth.calls["verify"]

        assert (before, [await me(known), await me(session)]) == ([200, 200], [200, 200])
        assert invented == [401] * MOST + [429]
        assert asked == 1 + MOST


async def test_invented_tokens_in_the_explain_header_have_the_same_limit() -> None:
    async with door_of(GatewaySettings(token_requests_per_minute=MOST)) as door:

        async def explained(token: str) -> int:
            headers = {"x-bunbase-key": PUBLISHABLE, "x-bunbase-explain": token}
            return (await door.http.get("/v1/data/posts", headers=headers)).status_code

        invented = [await explained(f"bpt_invented_{number}") for number in range(MOST + 1)]
        asked = door.bunauth.calls["verify"]

        assert invented == [401] * MOST + [429]
        assert asked == MOST


async def test_embedded_links_that_open_a_sign_in_use_up_no_refreshes_of_the_address() -> None:
    async with door_of(GatewaySettings(token_requests_per_minute=MOST)) as door:
        embedded = [(await door.http.get("/oauth/authorize")).status_code for _ in range(MOST + 1)]
        by_service = await door.http.get("/api/auth/oauth/google/start")
        refresh = await door.http.post("/api/auth/refresh", json={"refresh_token": "brt_x"})

    assert (429 in embedded[:MOST], embedded[MOST], by_service.status_code) == (False, 429, 429)
    assert refresh.status_code == 200


async def test_guesses_of_device_codes_are_limited_by_address() -> None:
    settings = GatewaySettings(token_requests_per_minute=MOST, trusted_proxies=("127.0.0.1",))
    async with door_of(settings) as door:
        guesses = [(await door.http.get("/device?user_code=BBBB-BBBB")).status_code for _ in range(MOST + 1)]
        typed = await door.http.post("/device", data={"user_code": "BBBB-BBBB", "email": "a@b.example"})
        elsewhere = await door.http.get("/device", headers={"x-forwarded-for": "203.0.113.7"})

    assert guesses == [404] * MOST + [429]
    assert typed.status_code == 429
    assert typed.headers["content-type"].startswith("text/html")
    assert elsewhere.status_code == 200


@pytest.mark.parametrize("page", ["/device", "/invite"])
async def test_wrong_passwords_on_a_page_count_as_failed_sign_ins(page: str) -> None:
    settings = GatewaySettings(failed_logins_per_account_per_minute=MOST)
    async with door_of(settings) as door:
        fields = {"user_code": "WDJB-MJHT", "token": "binv_1", "email": "ada@example.com", "password": "guess"}
        guesses = [(await door.http.post(page, data=fields)).status_code for _ in range(MOST + 1)]
        login_too = await login(door, password=PASSWORD)

    assert guesses == [401] * MOST + [429]
    assert login_too.status_code == 429


async def test_wrong_passwords_on_the_page_of_a_project_count_as_failed_sign_ins() -> None:
    settings = GatewaySettings(failed_logins_per_account_per_minute=MOST)
    async with door_of(settings) as door:
        page, headers = f"/v1/auth/ui?key={PUBLISHABLE}", {"x-bunbase-key": PUBLISHABLE}
        form = {"email": "eve@example.com", "password": "guess"}
        guesses = [await door.http.post(page, data=form) for _ in range(MOST + 1)]
        login_too = await door.http.post("/v1/auth/login", json=form | {"password": PASSWORD}, headers=headers)

    assert [one.status_code for one in guesses] == [401] * MOST + [429]
    assert "too many attempts" in guesses[-1].text
    assert login_too.status_code == 429


async def test_wrong_passwords_and_codes_for_a_number_count_together_in_every_spelling() -> None:
    settings = GatewaySettings(failed_logins_per_account_per_minute=MOST)
    async with door_of(settings) as door:
        page, headers = f"/v1/auth/ui/phone-code?key={PUBLISHABLE}", {"x-bunbase-key": PUBLISHABLE}
        spellings = ["+491701234567", "+49 (0)170 1234567", "+49 170-1234567"]
        body = {"password": "guess"}
        guesses = [
            await door.http.post(USERS, json=body | {"phone": spellings[number % 3]}, headers=headers)
            for number in range(MOST)
        ]
        more = await door.http.post(USERS, json=body | {"phone": spellings[0]}, headers=headers)
        typed = await door.http.post(page, data={"phone": spellings[1], "code": "1"})
        other = await door.http.post(USERS, json=body | {"phone": "+491707654321"}, headers=headers)

    assert [one.status_code for one in (*guesses, more, typed, other)] == [401] * MOST + [429, 429, 401]


async def test_a_right_password_on_the_page_that_needs_a_second_factor_is_no_failed_sign_in() -> None:
    settings = GatewaySettings(failed_logins_per_account_per_minute=MOST)
    async with door_of(settings) as door:
        fields = {"user_code": "WDJB-MJHT", "email": "ada@example.com", "decision": "approve"}
        asked = [await door.http.post("/device", data=fields | {"password": FIRST_OF_TWO}) for _ in range(MOST + 1)]

    assert [answer.status_code for answer in asked] == [200] * (MOST + 1)


@pytest.mark.parametrize("page", ["/device/code", "/invite/code"])
async def test_codes_on_a_page_have_a_limit_per_address(page: str) -> None:
    settings = GatewaySettings(token_requests_per_minute=MOST)
    async with door_of(settings) as door:
        fields = {"user_code": "WDJB-MJHT", "token": "binv_1", "challenge": "bsc_1", "code": "123456"}
        codes = [(await door.http.post(page, data=fields)).status_code for _ in range(MOST + 1)]

    assert codes == [200] * MOST + [429]


async def test_sign_ins_that_begin_at_another_service_have_a_limit_per_address() -> None:
    settings = GatewaySettings(token_requests_per_minute=MOST)
    async with door_of(settings) as door:
        start = "/api/auth/oauth/example/start?redirect_to=/&code_challenge=x"
        begun = [(await door.http.get(start)).status_code for _ in range(MOST + 1)]

    assert begun == [302] * MOST + [429]


@pytest.mark.parametrize("path", [path for path, one in GUARDED.items() if one.kind is Kind.LOGIN])
async def test_no_body_can_hide_the_account_from_the_guard_by_its_size(door: Door, path: str) -> None:
    """The filler comes before, between or after the fields, in one piece or in many pieces."""
    some, headers = random.Random(9), {"x-bunbase-key": PUBLISHABLE, "content-type": "application/json"}
    fields = ['"email": "ada@example.com"', '"password": "guess"']
    for size in (MAX_PEEK_BYTES + 1, MAX_PEEK_BYTES * 3):
        body = "{" + ",".join(some.sample(fields, 2)) + "}"
        at = some.choice([at for at in range(1, len(body)) if body[at] == '"' and body[at - 1] in "{,"])
        whole = (body[:at] + " " * size + body[at:]).encode()
        piece = some.choice((1 << 12, 1 << 20))

        async def pieces(whole: bytes = whole, piece: int = piece) -> AsyncIterator[bytes]:
            for start in range(0, len(whole), piece):
                yield whole[start : start + piece]

        answer = await door.http.post(path, content=pieces(), headers=headers)

        assert answer.status_code == 413  # Pages answer in HTML.
