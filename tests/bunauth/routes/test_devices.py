from __future__ import annotations

import re

import httpx

from bunbase.bunauth.routes import ROUTES
from bunbase.bunauth.service import BunAuthService
from bunbase.pkg.clock import ManualClock
from tests.bunauth.factors import with_totp
from tests.bunauth.people import PASSWORD, caller_with, registered
from tests.bunauth.web import client_of


def answer_of(form: httpx.Response) -> tuple[int, bool]:
    return form.status_code, "The device is signed in" in form.text


async def test_a_device_is_approved_on_the_page_that_it_names(bunauth: BunAuthService) -> None:
    await registered(bunauth)
    async with client_of(ROUTES, bunauth=bunauth) as http:
        login = (await http.post("/api/auth/device", json={"client": "<b>bunbase</b> on ada-laptop"})).json()
        code = login["user_code"]
        fields = {"user_code": code, "email": "ada@example.com", "decision": "approve"}

        empty = await http.get("/device")
        unknown = await http.get("/device", params={"user_code": "BBBB-BBBB"})
        shown = await http.get("/device", params={"user_code": code})
        waits = await http.post("/api/auth/device/token", json={"device_code": login["device_code"]})
        wrong = await http.post("/device", data={**fields, "password": "wrong"})
        foreign = await http.post(
            "/device", data={**fields, "password": PASSWORD}, headers={"origin": "https://evil.example"}
        )
        cross_site = await http.post(
            "/device", data={**fields, "password": PASSWORD}, headers={"sec-fetch-site": "cross-site"}
        )
        approved = await http.post("/device", data={**fields, "password": PASSWORD})
        tokens = await http.post("/api/auth/device/token", json={"device_code": login["device_code"]})

    assert 'name="user_code"' in empty.text
    assert unknown.status_code == 404
    for text in (code, "&lt;b&gt;bunbase&lt;/b&gt; on ada-laptop", "127.0.0.1", "deny it"):
        assert text in shown.text
    assert (waits.status_code, waits.json()["error"]) == (400, "authorization_pending")
    assert answer_of(wrong) == (401, False)
    assert 'value="ada@example.com"' in wrong.text
    assert (answer_of(foreign), answer_of(cross_site)) == ((403, False), (403, False))
    assert answer_of(approved) == (200, True)
    assert tokens.json()["token_type"] == "Bearer"


async def test_a_device_is_denied_on_the_page(bunauth: BunAuthService) -> None:
    await registered(bunauth)
    async with client_of(ROUTES, bunauth=bunauth) as http:
        login = (await http.post("/api/auth/device", json={})).json()
        fields = {"user_code": login["user_code"], "email": "ada@example.com", "password": PASSWORD}

        denied = await http.post("/device", data=fields | {"decision": "deny"})
        answer = await http.post("/api/auth/device/token", json={"device_code": login["device_code"]})

    assert "The sign-in is denied" in denied.text
    assert (answer.status_code, answer.json()["error"]) == (400, "access_denied")


async def test_the_page_asks_an_account_with_a_second_factor_for_a_code(
    bunauth: BunAuthService, clock: ManualClock
) -> None:
    phone, _ = await with_totp(bunauth, await caller_with(bunauth, (await registered(bunauth)).access_token), clock)
    async with client_of(ROUTES, bunauth=bunauth) as http:
        login = (await http.post("/api/auth/device", json={})).json()
        fields = {"user_code": login["user_code"], "email": "ada@example.com", "password": PASSWORD}

        asked = await http.post("/device", data=fields | {"decision": "approve"})
        hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', asked.text))
        wrong = await http.post("/device/code", data=hidden | {"code": phone.wrong_code()})
        foreign = await http.post(
            "/device/code", data=hidden | {"code": phone.code()}, headers={"sec-fetch-site": "cross-site"}
        )
        approved = await http.post("/device/code", data=hidden | {"code": phone.code()})
        again = await http.post("/device/code", data=hidden | {"code": phone.code()})
        tokens = await http.post("/api/auth/device/token", json={"device_code": login["device_code"]})

    assert 'action="/device/code"' in asked.text
    assert 'autocomplete="one-time-code"' in asked.text
    assert (answer_of(asked), answer_of(wrong), answer_of(foreign)) == ((200, False), (403, False), (403, False))
    assert hidden["challenge"] in wrong.text
    assert answer_of(approved) == (200, True)
    assert again.status_code == 404
    assert tokens.json()["token_type"] == "Bearer"


async def test_the_page_says_how_many_recovery_codes_are_left(bunauth: BunAuthService, clock: ManualClock) -> None:
    _, codes = await with_totp(bunauth, await caller_with(bunauth, (await registered(bunauth)).access_token), clock)
    async with client_of(ROUTES, bunauth=bunauth) as http:
        login = (await http.post("/api/auth/device", json={})).json()
        fields = {"user_code": login["user_code"], "email": "ada@example.com", "password": PASSWORD}
        asked = await http.post("/device", data=fields | {"decision": "approve"})
        hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', asked.text))
        approved = await http.post("/device/code", data=hidden | {"code": codes[0]})

    assert answer_of(approved) == (200, True)
    assert f"You have used a recovery code: {len(codes) - 1} are left." in approved.text


async def test_the_page_begins_again_with_an_expired_challenge(bunauth: BunAuthService) -> None:
    await registered(bunauth)
    async with client_of(ROUTES, bunauth=bunauth) as http:
        login = (await http.post("/api/auth/device", json={})).json()
        fields = {"user_code": login["user_code"], "challenge": "bsc_old", "code": "123456", "decision": "approve"}

        answer = await http.post("/device/code", data=fields)

    assert answer.status_code == 410
    assert 'name="password"' in answer.text
