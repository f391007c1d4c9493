from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from bunbase.gateway.settings import GatewaySettings
from tests.gateway.door import Door, door_of
from tests.gateway.others import ADA, FIRST_OF_TWO, PASSWORD

LOGIN = {"email": "ada@example.com", "password": PASSWORD}


@pytest_asyncio.fixture
async def door() -> AsyncIterator[Door]:
    async with door_of(GatewaySettings(failed_logins_per_minute=3)) as opened:
        yield opened


def call(method: Any, params: Any, **members: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params} | members


async def rpc(door: Door, body: Any) -> Any:
    answer = await door.http.post("/rpc", json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    return answer.json()


async def test_a_login_returns_tokens_and_times_with_milliseconds(door: Door) -> None:
    answer = await rpc(door, call("auth.login", LOGIN))

    assert (answer["jsonrpc"], answer["id"]) == ("2.0", 1)
    assert answer["result"]["access_token"] == "access"
    assert answer["result"]["user"]["created_at"] == "2026-01-01T00:00:00.000Z"


async def test_params_may_be_a_list_of_positional_values(door: Door) -> None:
    assert "result" in await rpc(door, call("auth.login", list(LOGIN.values())))


async def test_a_login_that_needs_a_second_factor_gets_the_challenge_as_data(door: Door) -> None:
    for _ in range(4):  # This is one more than the failures that a caller may have.
        answer = await rpc(door, call("auth.login", LOGIN | {"password": FIRST_OF_TWO}))

    data = answer["error"]["data"]
    assert (answer["error"]["code"], data["code"]) == (-32000, "second_factor_required")
    assert (data["challenge"], data["methods"]) == ("bsc_1", ["totp"])


async def test_a_challenge_and_a_code_end_the_login(door: Door) -> None:
    refused = await rpc(door, call("auth.login", LOGIN | {"password": FIRST_OF_TWO}))
    challenge = refused["error"]["data"]["challenge"]

    ended = await rpc(door, call("auth.second_factor", {"challenge": challenge, "code": "123456"}))
    long = await rpc(door, call("auth.second_factor", {"challenge": challenge, "code": "1" * 65}))

    assert ended["result"]["access_token"] == "access"
    assert long["error"]["code"] == -32602


async def test_second_factors_by_json_rpc_share_the_limit_of_the_route() -> None:
    answer = {"challenge": "bsc_1", "code": "123456"}
    async with door_of(GatewaySettings(token_requests_per_minute=2)) as door:
        await door.http.post("/api/auth/login/second-factor", json=answer)

        answers = await rpc(door, [call("auth.second_factor", answer, id=number) for number in range(3)])

        assert ["result" in one for one in answers].count(True) == 1


async def test_auth_verify_tells_valid_from_invalid_tokens(door: Door) -> None:
    good = await rpc(door, call("auth.verify", {"token": door.bunauth.token()}))
    bad = await rpc(door, call("auth.verify", {"token": "nonsense"}))

    assert (good["result"]["valid"], good["result"]["claims"]["sub"]) == (True, ADA)
    assert bad["result"] == {"valid": False, "claims": {}}


async def test_without_the_setting_service_exchange_is_an_unknown_method(door: Door) -> None:
    """Anybody could guess the service secret at the public port."""
    unknown = await rpc(door, call("service.unknown", {}))
    answer = await rpc(door, call("service.exchange", {"client_id": "billing", "client_secret": PASSWORD}))

    assert answer["error"] == unknown["error"] | {"message": "There is no method service.exchange"}
    assert answer["error"]["code"] == -32601


async def test_a_service_secret_is_exchanged_for_an_access_token(door: Door) -> None:
    door.bunauth.exchanges = True

    good = await rpc(door, call("service.exchange", {"client_id": "billing", "client_secret": PASSWORD}))
    bad = await rpc(door, call("service.exchange", {"client_id": "billing", "client_secret": "x"}))

    assert good["result"] == {"access_token": "service", "expires_in": 300, "token_type": "Bearer"}
    assert (bad["error"]["code"], bad["error"]["data"]["code"]) == (-32000, "invalid_credentials")


async def test_a_batch_answers_every_call_but_no_notification(door: Door) -> None:
    batch = [
        call("auth.verify", {"token": "x"}, id="a"),
        {"jsonrpc": "2.0", "method": "auth.verify", "params": {"token": "x"}},
        call("nothing", {}, id="b"),
        1,
    ]

    answers = {str(answer["id"]): answer for answer in await rpc(door, batch)}

    assert answers["a"]["result"]["valid"] is False
    assert answers["b"]["error"]["code"] == -32601
    assert answers["None"]["error"]["code"] == -32600
    assert len(answers) == 3


async def test_a_single_notification_gets_204(door: Door) -> None:
    answer = await door.http.post("/rpc", json={"jsonrpc": "2.0", "method": "auth.verify", "params": {"token": "x"}})

    assert (answer.status_code, answer.content) == (204, b"")
    assert door.bunauth.calls["verify"] == 1


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b"nonsense"])
async def test_invalid_json_is_a_parse_error(door: Door, body: bytes) -> None:
    answer = await door.http.post("/rpc", content=body, headers={"content-type": "application/json"})

    assert answer.status_code == 200
    assert (answer.json()["id"], answer.json()["error"]["code"]) == (None, -32700)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ([], -32600),
        ([call("auth.verify", {"token": "x"})] * 101, -32600),
        (1, -32600),
        ({}, -32600),
        (call("auth.verify", {"token": "x"}, jsonrpc="1.0"), -32600),
        (call(7, {"token": "x"}), -32600),
        (call("auth.verify", {"token": "x"}, id={}), -32600),
        (call("auth.change_password", LOGIN), -32601),
        (call("auth.logout", {}), -32602),
        (call("bunkms.unwrap_data_key", {}), -32601),
        (call("auth._bunauth", {}), -32601),
        (call("auth.verify", {}), -32602),
        (call("auth.verify", {"token": 1}), -32602),
        (call("auth.verify", {"token": "x", "more": 1}), -32602),
        (call("auth.verify", ["x", "y"]), -32602),
        (call("auth.verify", "x"), -32602),
    ],
)
async def test_each_kind_of_invalid_call_has_its_own_error_code(door: Door, body: Any, code: int) -> None:
    assert (await rpc(door, body))["error"]["code"] == code


async def test_wrong_passwords_are_counted_in_a_batch_too(door: Door) -> None:
    guesses = [call("auth.login", LOGIN | {"password": f"guess {n}"}, id=n) for n in range(50)]

    answers = await rpc(door, guesses)

    codes = [answer["error"]["data"]["code"] for answer in answers]
    assert (codes.count("invalid_credentials"), codes.count("rate_limited")) == (3, 47)
    assert door.bunauth.calls["login"] == 3
    refused = await rpc(door, call("auth.login", LOGIN))
    assert refused["error"]["data"]["retry_after_seconds"] >= 1


async def test_an_account_is_opened_refreshed_and_signed_out_by_json_rpc(door: Door) -> None:
    opened = await rpc(door, call("auth.register", LOGIN | {"name": "Ada"}))
    refreshed = await rpc(door, call("auth.refresh", {"refresh_token": opened["result"]["refresh_token"]}))
    ended = await rpc(door, call("auth.logout", {"access_token": door.bunauth.token()}))

    assert refreshed["result"]["user"]["email"] == "ada@example.com"
    assert ended == {"jsonrpc": "2.0", "id": 1, "result": None}
    assert door.bunauth.calls["logout"] == 1


async def test_an_address_that_is_not_confirmed_gets_no_tokens_by_json_rpc(door: Door) -> None:
    door.bunauth.confirms = True

    assert (await rpc(door, call("auth.register", LOGIN)))["result"] == {"status": "confirmation_sent"}


@pytest.mark.parametrize("token", ["nonsense", "bpt_unknown"])
async def test_a_token_that_is_not_valid_signs_nobody_out(door: Door, token: str) -> None:
    answer = await rpc(door, call("auth.logout", {"access_token": token}))

    assert answer["error"]["data"]["code"] == "invalid_token"
    assert door.bunauth.calls["logout"] == 0


async def test_registrations_and_refreshes_by_json_rpc_share_the_limits_of_the_routes() -> None:
    async with door_of(GatewaySettings(signups_per_hour=2, token_requests_per_minute=2)) as door:
        await door.http.post("/api/auth/register", json=LOGIN)
        await door.http.post("/api/auth/refresh", json={"refresh_token": "refresh"})

        registered = await rpc(door, [call("auth.register", LOGIN, id=n) for n in range(5)])
        refreshed = await rpc(door, [call("auth.refresh", {"refresh_token": "refresh"}, id=n) for n in range(5)])

        assert [sum("result" in one for one in answers) for answers in (registered, refreshed)] == [1, 1]


async def test_a_call_must_be_json_and_within_the_size_limit(door: Door) -> None:
    def posted(content: bytes, media: str) -> Any:
        return door.http.post("/rpc", content=content, headers={"content-type": media})

    assert problem(await posted(b"{}", "text/plain")) == (415, "unsupported_media_type")
    assert problem(await posted(b" " * (300 << 10), "application/json")) == (413, "payload_too_large")
    assert problem(await door.http.get("/rpc")) == (405, "method_not_allowed")


def problem(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]
