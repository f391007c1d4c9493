"""The routes of sign-in with another service, with the fake provider of the tests of `pkg/oidc`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

import httpx
import pytest
import pytest_asyncio

from bunbase.contracts.bunkms import Kms
from bunbase.contracts.tenant_auth.sign_in_page import SIGN_IN
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.modules import Rooms
from bunbase.pkg.oidc.person import challenge_of
from bunbase.tenant_auth.module import MODULE
from bunbase.tenant_auth.routes import ROUTES
from bunbase.tenant_auth.service import TenantAuthService
from bunbase.tenant_auth.settings import TenantAuthSettings
from tests.bunauth.external import parameters
from tests.bunauth.web import client_of
from tests.fakes import FakeKms
from tests.pkg.oidc.fake_provider import CLIENT, SECRET, FakeProvider, fake_provider
from tests.pkg.oidc.test_openid import ATTACKS
from tests.rooms import opened, site
from tests.tenant_auth.external import APP, VERIFIER, configure
from tests.tenant_auth.people import AT_BAKERY, BAKERY

START: Final = f"/v1/auth/oauth/corp/start?redirect_to={APP}&code_challenge={challenge_of(VERIFIER)}"
CALLBACK: Final = "/v1/auth/oauth/corp/callback"
PRIVATE: Final = (
    "https://localhost:1",
    "https://169.254.169.254",
    "https://[::ffff:10.0.0.7]",
    "https://[64:ff9b::a00:7]",
)
MADE_TO_FAIL_AT_THE_START: Final = ("metadata of another issuer", "a page that is no page")


@pytest_asyncio.fixture
async def fake(clock: ManualClock) -> AsyncIterator[FakeProvider]:
    async with fake_provider() as fake:
        fake.now = clock.now().timestamp()
        yield fake


@pytest_asyncio.fixture
async def room(
    tmp_path: Path, database_url: str, clock: ManualClock, kms: FakeKms, fake: FakeProvider
) -> AsyncIterator[TenantAuthService]:
    """Open the room with the provider's host as a trusted host, and enable the provider."""
    settings = TenantAuthSettings(provider_hosts=("127.0.0.1",))
    here = site(tmp_path, database_url, clock)
    async with opened(MODULE, Rooms({Kms: kms}), here, settings=settings) as service:
        await enable(service, fake.issuer)
        yield service


async def enable(room: TenantAuthService, issuer: str) -> None:
    corp = {"issuer": issuer, "client_id": CLIENT, "client_secret": SECRET}
    await configure(room, BAKERY, providers={"corp": corp})


async def begun(http: httpx.AsyncClient, fake: FakeProvider) -> dict[str, str]:
    """Open the start URL like a browser. Return the parameters of the request to the provider."""
    answer = await http.get(START)
    asked = parameters(answer.headers["location"])
    fake.nonce, fake.codes["code"] = asked["nonce"], asked["code_challenge"]
    return asked


async def test_a_browser_goes_through_the_routes_and_gets_tokens(room: TenantAuthService, fake: FakeProvider) -> None:
    async with client_of(ROUTES, tenant_auth=room, client=AT_BAKERY) as http:
        asked = await begun(http, fake)
        back = await http.get(CALLBACK, params={"state": asked["state"], "code": "code"})
        exchange = {"code": parameters(back.headers["location"])["code"], "verifier": VERIFIER}
        signed_in = await http.post("/v1/auth/oauth/exchange", json=exchange)
        replayed = await http.get(CALLBACK, params={"state": asked["state"], "code": "code"})
        listed = await http.get("/v1/auth/providers")
        cookie = http.cookies.jar

    assert asked["redirect_uri"] == f"http://127.0.0.1:7070{CALLBACK}"
    assert back.headers["location"].startswith(f"{APP}?code=bxc_")
    assert (back.status_code, back.headers["cache-control"], back.headers["referrer-policy"]) == (
        302,
        "no-store",
        "no-referrer",
    )
    assert (signed_in.status_code, signed_in.json()["user"]["email"]) == (200, "ada@example.com")
    assert (replayed.status_code, replayed.json()["code"]) == (400, "external_login_expired")
    assert listed.json()["items"] == [{"name": "corp", "title": "corp", "kind": "oidc"}]
    assert [one.name for one in cookie] == ["bb_oauth"]


@pytest.mark.parametrize("headers", [{"sec-fetch-mode": "navigate"}, {"accept": "text/html,*/*;q=0.8"}])
async def test_a_person_whose_sign_in_is_over_sees_a_page_and_a_script_gets_a_problem(
    room: TenantAuthService, fake: FakeProvider, headers: dict[str, str]
) -> None:
    spoken = {**headers, "accept-language": "de"}
    async with client_of(ROUTES, tenant_auth=room, client=AT_BAKERY) as http:
        page = await http.get(CALLBACK, params={"state": "over", "code": "code"}, headers=spoken)
        unknown = await http.get(START.replace("corp", "nobody"), headers=headers)
        form = await http.post(CALLBACK, content=b"{}", headers={**headers, "content-type": "application/json"})
        script = await http.get(CALLBACK, params={"state": "over"}, headers={**headers, "sec-fetch-mode": "cors"})

    assert (page.status_code, page.headers["content-type"]) == (400, "text/html; charset=utf-8")
    assert "Diese Anmeldung ist vorbei" in page.text
    assert page.headers["cache-control"] == "no-store"
    assert [one.headers["content-type"] for one in (unknown, form)] == ["text/html; charset=utf-8"] * 2
    assert (unknown.status_code, form.status_code) == (404, 415)
    assert script.json()["code"] == "external_login_expired"


async def test_a_sign_in_that_begins_at_another_name_of_this_machine_goes_on_at_the_public_url(
    room: TenantAuthService, fake: FakeProvider
) -> None:
    async with client_of(ROUTES, tenant_auth=room, client=AT_BAKERY) as http:
        moved = [await http.get(START, headers={"host": host}) for host in ("localhost:7070", "[::1]:7070")]
        stays = (
            "127.0.0.1:7070",
            "localhost:8080",
            "evil.example:7070",
            "localhost:x",
            "[localhost:7070",
            "api.example.com",
        )
        kept = [await http.get(START, headers={"host": host}) for host in stays]
        page = await http.get(f"{SIGN_IN}/with/corp?key=bb_pk_x&a=%0d%0a", headers={"host": "localhost:7070"})
        stayed = await http.get(SIGN_IN + "?key=bb_pk_x", headers={"host": "localhost:7070"})

    for answer in moved:
        assert answer.status_code == 302
        assert unquote(answer.headers["location"]) == unquote(f"http://127.0.0.1:7070{START}")
        assert "set-cookie" not in answer.headers
    for answer in kept:
        assert answer.headers["location"].startswith(fake.issuer)
    assert page.headers["location"] == f"http://127.0.0.1:7070{SIGN_IN}/with/corp?key=bb_pk_x&a=%0d%0a"
    assert stayed.status_code != 302, "an IP address has no passkeys"


async def test_the_answer_of_a_provider_that_lies_signs_nobody_in(room: TenantAuthService, fake: FakeProvider) -> None:
    usual = (fake.alg, fake.signer)
    for name, attack in ATTACKS.items():
        fake.claims, fake.metadata, fake.answers = {}, {}, {}
        fake.alg, fake.signer = usual
        room.pools.clients.known.clear()
        attack(fake)
        async with client_of(ROUTES, tenant_auth=room, client=AT_BAKERY) as http:
            if name in MADE_TO_FAIL_AT_THE_START:
                refused = await http.get(START)
                assert (refused.status_code, refused.json()["code"]) == (502, "provider_unavailable"), name
                continue
            asked = await begun(http, fake)
            back = await http.get(CALLBACK, params={"state": asked["state"], "code": "code"})
            assert back.headers["location"] == f"{APP}?error=provider_error", name

    assert not await room.stores.users.count(BAKERY)


async def test_a_form_of_a_provider_is_repeated_as_an_address_on_the_same_server(
    room: TenantAuthService, fake: FakeProvider
) -> None:
    """Apple sends a form from its own page, and a browser sends no cookie with this form."""
    async with client_of(ROUTES, tenant_auth=room, client=AT_BAKERY) as http:
        asked = await begun(http, fake)
        sent = {"state": asked["state"], "code": "code", "user": '{"name": "x"}', "redirect_to": "https://evil.example"}
        repeated = await http.post(CALLBACK, data=sent, headers={"origin": "null"})
        back = await http.get(repeated.headers["location"])
        twice = await http.post(
            CALLBACK, content=b"state=a&state=b", headers={"content-type": "application/x-www-form-urlencoded"}
        )
        no_form = await http.post(CALLBACK, json=sent)

    to = urlsplit(repeated.headers["location"])
    assert (repeated.status_code, to.netloc, to.path) == (303, "", CALLBACK)
    assert parse_qs(to.query) == {"state": [asked["state"]], "code": ["code"]}
    assert back.headers["location"].startswith(f"{APP}?code=bxc_")
    assert (twice.status_code, no_form.status_code) == (400, 415)


async def test_no_project_reaches_the_private_network_of_the_server(
    tenant_auth: TenantAuthService, fake: FakeProvider
) -> None:
    async with client_of(ROUTES, tenant_auth=tenant_auth, client=AT_BAKERY) as http:
        for issuer in PRIVATE:
            await enable(tenant_auth, issuer)
            answer = await http.get(START)
            assert (answer.status_code, answer.json()["code"]) == (502, "provider_unavailable"), issuer
    with pytest.raises(InvalidInput):  # This address is plain http.
        await enable(tenant_auth, fake.issuer)

    assert not fake.seen
