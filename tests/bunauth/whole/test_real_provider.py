"""Sign in with a real OpenID Connect provider (the npm package oidc-provider, run by Bun), through the routes."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import httpx
import pytest
import pytest_asyncio

from bunbase.bunauth.module import MODULE
from bunbase.bunauth.routes import ROUTES
from bunbase.bunauth.service import BunAuthService
from bunbase.bunauth.settings import BunAuthSettings
from bunbase.pkg.bun import find_bun
from bunbase.pkg.clock import SystemClock
from bunbase.pkg.modules import Rooms, Site
from bunbase.pkg.oidc.person import challenge_of
from bunbase.pkg.oidc.settings import ProviderSettings
from tests.bunauth.external import parameters
from tests.bunauth.people import registered
from tests.bunauth.web import client_of
from tests.rooms import opened, site

NAME: Final = "example"
OWN: Final = "http://127.0.0.1:7070"
START: Final = f"/api/auth/oauth/{NAME}/start"
VERIFIER: Final = "the verifier of a client, which has at least 43 characters"
PAGE: Final = f"{OWN}/account/signed-in"
PROGRAM: Final = Path(__file__).with_name("provider.mjs")


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    """Yield the issuer of a running provider."""
    callback = f"{OWN}/api/auth/oauth/{NAME}/callback"
    command = [str(find_bun()), str(PROGRAM), callback]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            yield next(line.strip() for line in process.stdout if line.startswith("http"))
        finally:
            process.terminate()


@pytest_asyncio.fixture
async def bunauth(rooms: Rooms, tmp_path: Path, database_url: str, issuer: str) -> AsyncIterator[BunAuthService]:
    provider = ProviderSettings("bunbase", "a secret: of the client/+", issuer=issuer)
    here = site(tmp_path, database_url, SystemClock())  # The provider uses the real time.
    async with opened(MODULE, rooms, here, settings=BunAuthSettings(providers={NAME: provider})) as service:
        await registered(service, "admin@example.com")
        yield service


class Browser:
    """A browser with its cookies at BunBase and at the provider. `person`: the person who signs in at the provider."""

    def __init__(self, bunauth: BunAuthService, here: Site, person: str) -> None:
        self.bunbase = client_of(ROUTES, bunauth=bunauth, site=here)
        self.provider = httpx.AsyncClient(cookies={"person": person}, trust_env=False)

    async def to_callback(self) -> str:
        """Start a sign-in and sign in at the provider. Return the address of the callback without opening it."""
        asked = {"redirect_to": PAGE, "code_challenge": challenge_of(VERIFIER)}
        at = (await self.bunbase.get(START, params=asked)).headers["location"]
        while not at.startswith(OWN):
            at = str(httpx.URL(at).join((await self.provider.get(at)).headers["location"]))
        return at

    async def open(self, url: str) -> httpx.Response:
        return await self.bunbase.get(url.removeprefix(OWN))

    async def close(self) -> None:
        for client in (self.bunbase, self.provider):
            with suppress(RuntimeError):
                await client.aclose()


async def exchanged(browser: Browser, url: str) -> httpx.Response:
    body = {"code": parameters(url)["code"], "verifier": VERIFIER}
    return await browser.bunbase.post("/api/auth/oauth/exchange", json=body)


@pytest_asyncio.fixture
async def browser(bunauth: BunAuthService, here: Site) -> AsyncIterator[Browser]:
    browser = Browser(bunauth, here, "ada")
    yield browser
    await browser.close()


async def test_a_person_signs_in_through_a_real_provider(browser: Browser) -> None:
    callback = await browser.to_callback()
    page = (await browser.open(callback)).headers["location"]
    signed_in = await exchanged(browser, page)

    assert page.startswith(f"{PAGE}?code=")
    assert signed_in.headers["cache-control"] == "no-store"
    user = signed_in.json()["user"]
    assert (user["email"], user["name"], user["email_verified"]) == ("ada@example.com", "Ada L.", True)
    replayed = await browser.open(callback)
    assert (replayed.status_code, replayed.json()["code"]) == (400, "external_login_expired")
    assert (await exchanged(browser, page)).json()["code"] == "external_login_expired"


async def test_a_person_whose_sign_in_is_over_sees_a_page(browser: Browser) -> None:
    over = await browser.bunbase.get(
        f"/api/auth/oauth/{NAME}/callback", params={"state": "over"}, headers={"sec-fetch-mode": "navigate"}
    )

    assert (over.status_code, over.headers["content-type"]) == (400, "text/html; charset=utf-8")
    assert "Start the sign-in again" in over.text


async def test_the_cookie_of_a_sign_in_is_for_the_server_alone(browser: Browser) -> None:
    asked = {"redirect_to": PAGE, "code_challenge": challenge_of(VERIFIER)}
    cookie = (await browser.bunbase.get(START, params=asked)).headers["set-cookie"].lower()

    assert {"httponly", "samesite=lax", "path=/", "max-age=600"} <= {part.strip() for part in cookie.split(";")}


@pytest.mark.parametrize("person", ["bob", "nobody"])
async def test_a_person_without_a_verified_address_gets_no_account(
    bunauth: BunAuthService, here: Site, person: str
) -> None:
    browser = Browser(bunauth, here, person)

    page = (await browser.open(await browser.to_callback())).headers["location"]

    assert (await exchanged(browser, page)).json()["code"] == "external_email_not_verified"
    await browser.close()


async def test_a_person_who_refuses_comes_back_with_one_word(bunauth: BunAuthService, here: Site) -> None:
    browser = Browser(bunauth, here, "refuses")

    page = (await browser.open(await browser.to_callback())).headers["location"]

    assert page == f"{PAGE}?error=access_denied"
    await browser.close()


async def test_the_answer_of_another_browser_or_another_sign_in_begins_nothing(
    browser: Browser, bunauth: BunAuthService, here: Site
) -> None:
    stranger = Browser(bunauth, here, "ada")
    theirs, own = await stranger.to_callback(), await browser.to_callback()

    forged = await browser.open(theirs)  # The link comes from an attacker (CSRF login).
    assert forged.headers["location"] == f"{PAGE}?error=external_login_expired"
    # The first URL has a wrong state, and the second has no state.
    for url in (own.replace("state=bst_", "state=bst_x"), own.split("?")[0]):
        assert (await browser.open(url)).json()["code"] == "external_login_expired"
    code = parameters(theirs)["code"]
    mixed = str(httpx.URL(own).copy_set_param("code", code))
    assert (await browser.open(mixed)).headers["location"] == f"{PAGE}?error=provider_error"
    await stranger.close()


async def test_an_answer_that_a_provider_sends_as_a_form_is_repeated_by_the_browser(browser: Browser) -> None:
    callback = httpx.URL(await browser.to_callback())
    form = {**dict(callback.params), "user": "what Apple adds"}

    repeated = await browser.bunbase.post(callback.path, data=form)
    page = await browser.bunbase.get(repeated.headers["location"])

    assert (repeated.status_code, repeated.headers["location"].partition("?")[0]) == (303, callback.path)
    assert page.headers["location"].startswith(f"{PAGE}?code=")


async def test_an_answer_of_another_issuer_is_refused(browser: Browser) -> None:
    callback = httpx.URL(await browser.to_callback()).copy_set_param("iss", "https://accounts.example.com")

    assert (await browser.open(str(callback))).headers["location"] == f"{PAGE}?error=provider_error"


async def test_a_stranger_is_no_place_to_be_sent_to(browser: Browser) -> None:
    asked = {"redirect_to": "https://evil.example/", "code_challenge": challenge_of(VERIFIER)}

    answer = await browser.bunbase.get(START, params=asked)

    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, "/redirect_to")
