"""A room is unreachable: the caller gets 503 with Retry-After, and the log names the room and the reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from bunbase.gateway.settings import GatewaySettings
from bunbase.pkg.errors import Unreachable
from tests.gateway.door import door_of
from tests.gateway.lanes import KEY, served
from tests.gateway.others import PASSWORD

INTERNALS = "platform.key_holder could not be called: ConnectError('10.0.0.3:7071')"


async def away(*_: Any, **__: Any) -> Any:
    raise Unreachable(INTERNALS)


def check(status: int, retry_after: str, text: str) -> None:
    assert (status, retry_after) == (503, "2")
    problem = msgspec.json.decode(text)
    assert (problem["code"], problem["retry_after_seconds"]) == ("unreachable", 2)
    assert not any(word in text for word in ("platform", "key_holder", "ConnectError", "10.0.0.3"))


@pytest.mark.parametrize("fast", [True, False], ids=["fast lane", "ordinary lane"])
async def test_in_both_lanes_the_503_of_an_unreachable_room_shows_no_internals(
    tmp_path: Path, fast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(tmp_path, GatewaySettings(fast_lane=fast)) as door:
        monkeypatch.setattr(door.platform, "key_holder", away)
        async with door.connected() as connection:
            reply = await connection.ask("GET /v1/data/posts", KEY)

    check(reply.status, reply.header("retry-after"), reply.body.decode())


async def test_over_json_rpc_the_503_of_an_unreachable_room_shows_no_internals(monkeypatch: pytest.MonkeyPatch) -> None:
    call = {"jsonrpc": "2.0", "id": 1, "method": "auth.login", "params": {"email": "a@b.c", "password": PASSWORD}}
    async with door_of() as door:
        monkeypatch.setattr(door.bunauth, "login", away)
        answer = await door.http.post("/rpc", json=call)

    error = answer.json()["error"]
    check(error["data"]["status"], "2", msgspec.json.encode(error["data"]).decode())
    assert "ConnectError" not in answer.text


async def test_the_log_names_the_unreachable_room_and_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[dict[str, Any]] = []
    monkeypatch.setattr("bunbase.gateway.problems.log.error", lambda _, **members: said.append(members))
    async with door_of() as door:
        monkeypatch.setattr(door.platform, "key_holder", away)
        answer = await door.http.get("/v1/data/posts", headers={"x-bunbase-key": "sk_new"})

    check(answer.status_code, answer.headers["retry-after"], answer.text)
    assert [members["reason"] for members in said] == [INTERNALS]
