"""Sign in by another service on the pages of BunAuth, without the gateway. A client with cookies is the browser."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
import pytest_asyncio

import bunbase.bunauth.module
from bunbase.bunauth.module import MODULE
from bunbase.bunauth.routes import ROUTES
from bunbase.bunauth.service import BunAuthService
from bunbase.bunauth.settings import BunAuthSettings
from bunbase.contracts.bunauth.accounts import SignedIn
from bunbase.contracts.bunauth.page_sign_in import PASS_SECONDS, RETURN
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.modules import Rooms, Site
from bunbase.pkg.oidc.person import Person, ProviderRefused
from bunbase.pkg.oidc.settings import ProviderSettings
from bunbase.pkg.web_pages.passkeys import SCRIPT_HASH
from tests.bunauth.external import FakeProvider, signed_in
from tests.bunauth.factors import with_passkey, with_totp
from tests.bunauth.openid import new_client, request_of
from tests.bunauth.people import caller_with, registered
from tests.bunauth.web import client_of
from tests.rooms import opened

EVE = "eve@example.com"
SAME_ORIGIN = {"sec-fetch-site": "same-origin"}
PROVIDERS = {"example": ProviderSettings("bunbase", "secret", issuer="https://idp.example", title="Example")}
LINK = re.compile(r'href="(/account/sign-in/with/example\?[^"]*)"')
HIDDEN = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)">')


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> FakeProvider:
    fake = FakeProvider()
    fake.person_there = Person("sub-eve", EVE, True, "Eve")
    monkeypatch.setattr(bunbase.bunauth.module, "open_provider", lambda *_: fake)
    return fake


@pytest_asyncio.fixture
async def bunauth(rooms: Rooms, here: Site, provider: FakeProvider) -> AsyncIterator[BunAuthService]:
    async with opened(MODULE, rooms, here, settings=BunAuthSettings(providers=PROVIDERS)) as service:
        yield service


@pytest_asyncio.fixture
async def ada(bunauth: BunAuthService) -> SignedIn:
    """Create the first account, which cannot be created by a sign-in with another service."""
    return await registered(bunauth)


@pytest_asyncio.fixture
async def http(bunauth: BunAuthService) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(ROUTES, bunauth=bunauth) as http:
        yield http


@pytest_asyncio.fixture
async def stranger(bunauth: BunAuthService) -> AsyncIterator[httpx.AsyncClient]:
    """Return another browser."""
    async with client_of(ROUTES, bunauth=bunauth) as http:
        yield http


def local(url: str) -> str:
    """Return the path and the query of a URL of this server."""
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"


async def waiting(http: httpx.AsyncClient) -> tuple[str, str]:
    """Begin the sign-in of a device. Return its device code and its user code."""
    login = (await http.post("/api/auth/device", json={"client": "bunbase"})).json()
    return login["device_code"], login["user_code"]


async def way_back(http: httpx.AsyncClient, page: httpx.Response) -> str:
    """Go from a page to the provider. Return the address to which the provider redirects the browser back."""
    found = LINK.search(page.text)
    assert found, page.text
    start = await http.get(found[1].replace("&amp;", "&"), headers=SAME_ORIGIN)
    assert start.status_code == 302, start.text
    state = parse_qs(urlsplit(start.headers["location"]).query)["state"][0]
    answered = await http.get(f"/api/auth/oauth/example/callback?{urlencode({'state': state, 'code': 'c'})}")
    return local(answered.headers["location"])


async def returned(http: httpx.AsyncClient, address: str) -> httpx.Response:
    """Sign in with the provider from the page at an address. Return the page to which the browser comes back."""
    back = await http.get(await way_back(http, await http.get(address)))
    assert back.status_code == 303, back.text
    return await http.get(local(back.headers["location"]))


async def poll(http: httpx.AsyncClient, device_code: str) -> httpx.Response:
    return await http.post("/api/auth/device/token", json={"device_code": device_code})


async def test_a_person_of_another_service_approves_a_device_and_no_session_of_the_page_stays_open(
    bunauth: BunAuthService, http: httpx.AsyncClient, ada: SignedIn
) -> None:
    device, code = await waiting(http)

    page = await returned(http, f"/device?user_code={code}")
    before = await poll(http, device)
    approved = await http.post("/device/continue", data={"user_code": code, "decision": "approve"})
    after = (await poll(http, device)).json()
    sessions = (await bunauth.sessions(await caller_with(bunauth, after["access_token"]), 20, None)).items

    assert f"signed in as {EVE}" in page.text
    assert before.json()["error"] == "authorization_pending"
    assert "The device is signed in" in approved.text
    assert after["user"]["email"] == EVE
    assert len(sessions) == 1


async def test_a_code_of_a_service_works_once_in_the_browser_and_on_the_page_where_it_began(
    http: httpx.AsyncClient, stranger: httpx.AsyncClient, ada: SignedIn
) -> None:
    """An attacker stops a sign-in before the last redirect, and sends its link to a victim, or uses a victim's link."""
    _, code = await waiting(http)
    _, other_code = await waiting(http)
    page = await http.get(f"/device?user_code={code}")
    strangers_link = await way_back(stranger, await stranger.get(f"/device?user_code={code}"))
    own_link = await way_back(http, page)
    other_link = await way_back(http, await http.get(f"/device?user_code={other_code}"))
    sealed, own_code = (parse_qs(urlsplit(own_link).query)[name][0] for name in ("page", "code"))
    other_sealed = parse_qs(urlsplit(other_link).query)["page"][0]

    refused = {
        "the code of a stranger": await http.get(strangers_link),
        "another browser": await stranger.get(own_link),
        "another page": await http.get(f"{RETURN}?{urlencode({'page': other_sealed, 'code': own_code})}"),
        "a page that is not sealed": await http.get(f"{RETURN}?{urlencode({'page': 'aHR0cHM6Ly9ldmls', 'code': 'x'})}"),
        "after a wrong try": await http.get(own_link),
        "after another browser has tried": await http.get(f"{RETURN}?{urlencode({'page': sealed, 'code': own_code})}"),
    }
    good = await http.get(other_link)
    again = await http.get(other_link)

    assert {name: (answer.status_code, "bb_pass" in answer.cookies) for name, answer in refused.items()} == (
        dict.fromkeys(refused, (400, False))
    )
    assert good.status_code == 303
    assert good.headers["location"] == f"/device?user_code={other_code}"
    assert again.status_code == 400


async def test_a_pass_is_good_for_one_act_of_the_person_who_clicks(
    http: httpx.AsyncClient, stranger: httpx.AsyncClient, ada: SignedIn, clock: ManualClock
) -> None:
    device, code = await waiting(http)
    other, other_code = await waiting(http)
    page = await returned(http, f"/device?user_code={code}")
    approval = {"user_code": code, "decision": "approve"}

    cross_site = await http.post("/device/continue", data=approval, headers={"sec-fetch-site": "cross-site"})
    foreign = await http.post("/device/continue", data=approval, headers={"origin": "https://evil.example"})
    without = await stranger.post("/device/continue", data=approval)
    elsewhere = await http.post("/device/continue", data=approval | {"user_code": other_code})
    other_page = await http.get(f"/device?user_code={other_code}")
    linked = await http.get(LINK.findall(page.text)[0].replace("&amp;", "&"), headers={"sec-fetch-site": "cross-site"})
    unknown = await http.get("/account/sign-in/with/example?page=https://evil.example&key=x", headers=SAME_ORIGIN)
    waits = [(await poll(http, one)).json()["error"] for one in (device, other)]
    good = await http.post("/device/continue", data=approval)
    replayed = await http.post("/device/continue", data=approval)
    await returned(http, f"/device?user_code={other_code}")
    clock.advance(PASS_SECONDS + 1)
    too_late = await http.post("/device/continue", data={"user_code": other_code, "decision": "approve"})

    assert page.headers["x-frame-options"] == "DENY"
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert [one.status_code for one in (cross_site, foreign, linked)] == [403, 403, 403]
    assert [one.status_code for one in (without, elsewhere, too_late)] == [410, 410, 410]
    assert unknown.status_code == 422
    assert "signed in as" not in other_page.text
    assert waits == ["authorization_pending", "authorization_pending"]
    assert (good.status_code, replayed.status_code) == (200, 404)


async def test_a_person_of_another_service_still_needs_the_second_factor(
    bunauth: BunAuthService, http: httpx.AsyncClient, ada: SignedIn, clock: ManualClock
) -> None:
    eve = await caller_with(bunauth, (await signed_in(bunauth)).access_token)
    phone, _ = await with_totp(bunauth, eve, clock)
    _, code = await waiting(http)

    asked = await returned(http, f"/device?user_code={code}")
    early = await http.post("/device/continue", data={"user_code": code, "decision": "approve"})
    fields = dict(HIDDEN.findall(asked.text))
    wrong = await http.post("/account/sign-in/code", data=fields | {"code": phone.wrong_code()})
    right = await http.post("/account/sign-in/code", data=fields | {"code": phone.code()})
    page = await http.get(right.headers["location"])
    approved = await http.post("/device/continue", data={"user_code": code, "decision": "approve"})

    assert "signed in as" not in asked.text
    assert (early.status_code, wrong.status_code, right.status_code) == (410, 403, 303)
    assert f"signed in as {EVE}" in page.text
    assert "The device is signed in" in approved.text


async def test_a_passkey_is_the_second_factor_on_a_page(
    bunauth: BunAuthService, http: httpx.AsyncClient, ada: SignedIn, clock: ManualClock
) -> None:
    eve = await caller_with(bunauth, (await signed_in(bunauth)).access_token)
    await with_totp(bunauth, eve, clock)
    authenticator, _ = await with_passkey(bunauth, eve)
    _, code = await waiting(http)

    asked = await returned(http, f"/device?user_code={code}")
    fields = dict(HIDDEN.findall(asked.text))
    options = (await http.post("/api/auth/login/passkey/options", json={"challenge": fields["challenge"]})).json()
    unreadable = await http.post("/account/sign-in/passkey", data=fields | {"credential": "[]"})
    fields["credential"] = json.dumps(authenticator.get(options["public_key"]))
    right = await http.post("/account/sign-in/passkey", data=fields)
    again = await http.post("/account/sign-in/passkey", data=fields)
    approved = await http.post("/device/continue", data={"user_code": code, "decision": "approve"})

    assert f"script-src 'sha256-{SCRIPT_HASH}'" in asked.headers["content-security-policy"]
    assert "script-src" not in approved.headers["content-security-policy"]
    assert (unreadable.status_code, right.status_code, again.status_code) == (422, 303, 410)
    assert "The device is signed in" in approved.text


async def test_a_person_of_another_service_continues_to_the_consent_of_an_application(
    bunauth: BunAuthService, http: httpx.AsyncClient, ada: SignedIn, provider: FakeProvider
) -> None:
    client = await new_client(bunauth, await caller_with(bunauth, ada.access_token))
    begun = await http.get(f"/oauth/authorize?{urlencode(request_of(client))}")
    address = begun.headers["location"]

    provider.fails = ProviderRefused("access_denied")
    refused = await http.get(await way_back(http, await http.get(address)))
    provider.fails = None
    page = await returned(http, address)
    fields = {"request": parse_qs(urlsplit(address).query)["request"][0]}
    done = await http.post("/oauth/sign-in/continue", data=fields)
    consent = await http.get(done.headers["location"])
    again = await http.post("/oauth/sign-in/continue", data=fields)

    assert (refused.status_code, "refused at the other service" in refused.text) == (400, True)
    assert f"Continue as {EVE}" in page.text
    assert "Allow Shop?" in consent.text
    assert EVE in consent.text
    assert again.status_code == 410
