from __future__ import annotations

import asyncio

import pytest

from bunbase.contracts.bunauth.problems import InvalidToken, TokenReused
from bunbase.contracts.bunauth.tokens import FirstUse
from bunbase.contracts.tenant_auth.cookies import CookieAccess, CookieMode
from bunbase.contracts.tenant_auth.users import UserChanges
from bunbase.pkg.clock import ManualClock
from bunbase.tenant_auth.service import TenantAuthService
from tests.rooms import secret_caller
from tests.tenant_auth.people import AT_BAKERY, BAKERY, LIBRARY, as_user, change_settings, claims_of, without_password

PAGES = ("https://app.example/signed-in", "http://localhost:5173", "https://shop.example:443/", "com.example.app://x")


class Browser:
    """A browser with the cookie of a signed-in user, and the gateway before it, without its cache."""

    def __init__(self, room: TenantAuthService, clock: ManualClock, cookie: str) -> None:
        self.room = room
        self.clock = clock
        self.cookie = cookie

    async def ask(self, cookie: str = "", keeps: bool = True, anew: bool = False) -> CookieAccess:
        """Send a request. If `keeps` is true, the answer arrives, and the browser keeps its cookie."""
        found = await self.room.cookie_access(BAKERY, cookie or self.cookie, anew)
        claims = await claims_of(self.room, BAKERY, found.access_token, lambda: self.clock.now().timestamp())
        await self.room.note_first_uses((FirstUse(claims["sid"], claims["gen"], BAKERY),))
        if keeps and found.cookie:
            self.cookie = found.cookie
        return found


@pytest.fixture
async def browser(tenant_auth: TenantAuthService, clock: ManualClock) -> Browser:
    await change_settings(tenant_auth, cookies=True, redirect_urls=list(PAGES))
    eve = await without_password(tenant_auth, "eve@example.com", clock)
    token = (await tenant_auth.custom_token(secret_caller(BAKERY), eve.end_user().uid, {})).token
    return Browser(tenant_auth, clock, (await tenant_auth.login_with_custom_token(AT_BAKERY, token)).refresh_token)


async def test_a_young_cookie_stays_in_every_process_and_an_old_one_is_replaced(browser: Browser) -> None:
    assert [(await browser.ask()).cookie for _ in range(3)] == ["", "", ""]
    assert (await browser.ask()).seconds == 840, "the gateway asks again a minute before the access token expires"

    browser.clock.advance(841)
    assert (await browser.ask()).cookie
    assert (await browser.ask()).cookie == ""


async def test_a_browser_that_loses_the_answer_gets_the_same_new_cookie_after_a_night(browser: Browser) -> None:
    browser.clock.advance(900)
    lost = await browser.ask(keeps=False)
    for _ in range(3):  # Meanwhile the gateway uses the access token, but this does not use up the old cookie.
        browser.clock.advance(6 * 3600)
        assert (await browser.ask(keeps=False)).cookie == lost.cookie

    assert (await browser.ask()).cookie == lost.cookie
    assert (await browser.ask(anew=True)).cookie


async def test_two_tabs_and_slow_requests_with_the_old_cookie_stay_signed_in(browser: Browser) -> None:
    browser.clock.advance(900)
    old = browser.cookie
    twins = await asyncio.gather(*(browser.ask(old) for _ in range(4)))
    assert len({one.cookie for one in twins}) == 1

    browser.clock.advance(60)
    assert (await browser.ask()).cookie == "", "the new cookie is used"
    browser.clock.advance(9)
    assert (await browser.ask(old)).cookie == "", "a request that was under way brings no cookie"
    await browser.ask()


async def test_a_stolen_old_cookie_ends_the_session(browser: Browser) -> None:
    stolen = browser.cookie
    browser.clock.advance(900)
    await browser.ask()
    await browser.ask()
    browser.clock.advance(11)

    with pytest.raises(TokenReused):
        await browser.ask(stolen)
    with pytest.raises(InvalidToken):
        await browser.ask()


async def test_a_cookie_opens_nothing_in_another_project_nor_without_the_setting(browser: Browser) -> None:
    with pytest.raises(InvalidToken):
        await browser.room.cookie_access(LIBRARY, browser.cookie, False)
    await change_settings(browser.room, LIBRARY, cookies=True)
    with pytest.raises(InvalidToken):
        await browser.room.cookie_access(LIBRARY, browser.cookie, False)
    await change_settings(browser.room, cookies=None)
    with pytest.raises(InvalidToken):
        await browser.ask()


async def test_a_ban_ends_the_cookie_and_a_new_role_is_in_the_next_token(browser: Browser) -> None:
    eve = (await claims_of(browser.room, BAKERY, (await browser.ask()).access_token, browser.clock.now().timestamp))[
        "sub"
    ]
    await browser.room.update_user(secret_caller(BAKERY), eve, UserChanges(role="editor"))
    found = await browser.ask()
    assert (
        await as_user(browser.room, AT_BAKERY, found.access_token, browser.clock.now().timestamp)
    ).end_user().role == ("editor")

    await browser.room.update_user(secret_caller(BAKERY), eve, UserChanges(banned=True))
    with pytest.raises(InvalidToken):
        await browser.ask()


async def test_the_pages_of_a_project_are_the_origins_of_its_addresses(browser: Browser) -> None:
    origins = frozenset({"https://app.example", "http://localhost:5173", "https://shop.example"})
    assert await browser.room.cookie_mode(BAKERY) == CookieMode(True, origins, 30 * 86400)
    assert await browser.room.cookie_mode(LIBRARY) == CookieMode()
    assert await browser.room.is_cookie_origin("https://app.example")
    assert not await browser.room.is_cookie_origin("https://evil.example")

    await change_settings(browser.room, cookies=None)
    assert not await browser.room.is_cookie_origin("https://app.example")
