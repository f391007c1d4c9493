from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio

from bunbase.contracts.bunkms import Kms
from bunbase.contracts.caller import Caller, CallerKind
from bunbase.contracts.tenant_auth.problems import CaptchaRefused, CaptchaRequired, CaptchaUnavailable
from bunbase.gateway.examples import EXAMPLES
from bunbase.gateway.login_guard import GUARDED as GUARDED_ROUTES
from bunbase.gateway.login_guard import Kind
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.modules import Rooms
from bunbase.pkg.openapi import SIGNED_IN_USER
from bunbase.tenant_auth.module import MODULE
from bunbase.tenant_auth.routes import ROUTES
from bunbase.tenant_auth.service import TenantAuthService
from bunbase.tenant_auth.settings import TenantAuthSettings
from tests.bunauth.web import client_of
from tests.fakes import FakeKms
from tests.rooms import opened, secret_caller, site
from tests.tenant_auth.external import APP
from tests.tenant_auth.mailbox import mails
from tests.tenant_auth.people import AT_BAKERY, AT_LIBRARY, BAKERY, PASSWORD, change_settings, signed_up
from tests.tenant_auth.phones import PHONE
from tests.tenant_auth.routes.test_sign_in_page import at
from tests.tenant_auth.siteverify import RIGHT, SECRET, SiteVerify, site_verify

EVE: Final = "eve@example.com"
CAPTCHA: Final = {"provider": "turnstile", "site_key": "1x00", "secret": SECRET}

PAGES: Final = "/v1/auth/ui"
FORMS: Final = ("", "/new-account", "/forgot-password", "/by-email", "/by-phone")

Act = Callable[[TenantAuthService, Caller, str], Awaitable[Any]]
GUARDED: Final[dict[str, Act]] = {
    "sign up": lambda room, caller, token: room.signup(caller, EVE, PASSWORD, {}, token),
    "anonymous": lambda room, caller, token: room.sign_in_anonymously(caller, {}, token),
    "code": lambda room, caller, token: room.request_user_code(caller, EVE, token),
    "link": lambda room, caller, token: room.request_user_link(caller, EVE, APP, token),
    "verify": lambda room, caller, token: room.request_user_verification(caller, EVE, "", token),
    "reset": lambda room, caller, token: room.request_user_password_reset(caller, EVE, "", token),
}


@pytest.fixture
def service() -> Iterator[SiteVerify]:
    with site_verify() as running:
        yield running


@pytest_asyncio.fixture
async def room(
    tmp_path: Path, database_url: str, clock: ManualClock, kms: FakeKms, service: SiteVerify
) -> AsyncIterator[TenantAuthService]:
    settings = TenantAuthSettings(captcha_urls={"turnstile": service.url, "hcaptcha": service.url})
    here = site(tmp_path, database_url, clock)
    async with opened(MODULE, Rooms({Kms: kms}), here, settings=settings) as room:
        await change_settings(room, anonymous={"enabled": True}, redirect_urls=[APP], captcha=CAPTCHA)
        yield room


async def test_whatever_sends_a_mail_or_makes_a_user_needs_a_token_that_works_once(
    room: TenantAuthService, service: SiteVerify
) -> None:
    for number, (name, act) in enumerate(GUARDED.items()):
        with pytest.raises(CaptchaRequired) as required:
            await act(room, AT_BAKERY, "")
        with pytest.raises(CaptchaRefused):
            await act(room, AT_BAKERY, "of a robot")
        await act(room, AT_BAKERY, f"{RIGHT}{number}")
        with pytest.raises(CaptchaRefused):
            await act(room, AT_BAKERY, f"{RIGHT}{number}")
        assert required.value.extra == {"provider": "turnstile", "site_key": "1x00"}, name
    asked = len(service.asked)
    with pytest.raises(CaptchaRefused):
        await room.request_user_code(AT_BAKERY, EVE, "x" * 10_001)
    await mails(room, EVE)  # Two requests for the same mail that wait at the same time are one.
    await room.request_user_code(secret_caller(BAKERY), EVE)  # The caller is the project's own server.
    await signed_up(room, AT_LIBRARY)  # This project has no captcha.
    await room.login(AT_BAKERY, EVE, PASSWORD)

    first = service.asked[0]
    assert (first["remoteip"], first["sitekey"], first["response"]) == ("127.0.0.1", "1x00", "of a robot")
    assert len(service.asked) == asked
    assert len(await mails(room, EVE)) == 5


async def test_every_request_of_a_stranger_that_costs_a_mail_a_message_or_a_user_needs_a_token(
    room: TenantAuthService,
) -> None:
    """The gateway's limits list these requests, so the test fails if a new route of this kind has no captcha."""
    costly = [path for path, guard in GUARDED_ROUTES.items() if guard.kind in (Kind.MAIL, Kind.SIGN_UP)]
    ours = {path: route for route in ROUTES if "POST" in route.http_methods for path in route.paths}
    routes = [path for path in costly if path.startswith("/v1/auth/") and ours[path].security is not SIGNED_IN_USER]
    guide = (Path(__file__).parents[2] / "docs/auth/captcha.md").read_text()
    await change_settings(room, phone={"countries": ["DE"]}, redirect_urls=[APP, "https://bakery.example/"])
    refused = {}
    reader = Caller(CallerKind.ANONYMOUS, project=BAKERY)
    async with client_of(ROUTES, tenant_auth=room, keyed=AT_BAKERY, client=AT_BAKERY, visitor=reader) as http:
        for path in routes:
            if path.startswith(PAGES):
                form = {"email": EVE, "password": PASSWORD, "phone": PHONE}
                answer = await http.post(at(path.removeprefix(PAGES)), data=form)
                refused[path] = answer.status_code == 403 and 'class="cf-turnstile"' in answer.text
            else:
                answer = await http.post(path, json=EXAMPLES["POST", path])
                refused[path] = answer.json().get("code") == CaptchaRequired.code and f"`POST {path}`" in guide

    assert len(routes) >= 12
    assert [path for path, right in refused.items() if not right] == []


@pytest.mark.parametrize(
    ("status", "answer"),
    [(500, b'{"success": true}'), (200, b"no json"), (200, b"[]"), (200, b'{"success": "true"}'), (302, b"")],
    ids=["error", "text", "list", "word", "redirect"],
)
async def test_a_service_that_does_not_answer_as_documented_lets_nobody_in(
    room: TenantAuthService, service: SiteVerify, status: int, answer: bytes
) -> None:
    service.status, service.answer = status, answer
    with pytest.raises(CaptchaUnavailable):
        await room.request_user_code(AT_BAKERY, EVE, f"{RIGHT}1")
    assert await mails(room, EVE) == []


async def test_a_service_that_is_away_lets_nobody_in(
    tenant_auth: TenantAuthService, service: SiteVerify, capfd: pytest.CaptureFixture[str]
) -> None:
    await change_settings(tenant_auth, captcha=CAPTCHA)
    tenant_auth.captchas.urls["turnstile"] = "https://127.0.0.1:1/siteverify"  # The operator has not named this host.

    with pytest.raises(CaptchaUnavailable):
        await tenant_auth.request_user_code(AT_BAKERY, EVE, f"{RIGHT}1")

    logged = "".join(capfd.readouterr())
    assert "a captcha could not be checked" in logged
    assert SECRET not in logged
    assert RIGHT not in logged


@pytest.mark.parametrize(
    ("patch", "at"),
    [
        ({"provider": "hcaptcha", "secret": SECRET}, "/captcha/site_key"),
        ({"provider": "hcaptcha", "site_key": "2x"}, "/captcha/secret"),
        ({"provider": "hcaptcha", "site_key": "2x", "secret": None}, "/captcha/secret"),
    ],
    ids=["no site key", "no secret", "removed"],
)
async def test_settings_with_which_nobody_could_sign_up_are_refused(
    tenant_auth: TenantAuthService, patch: dict[str, Any], at: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        await change_settings(tenant_auth, captcha=patch)
    assert refused.value.extra["errors"][0]["path"] == at


async def test_a_secret_never_goes_to_another_service_than_the_one_it_is_of(room: TenantAuthService) -> None:
    with pytest.raises(InvalidInput):
        await change_settings(room, captcha={"provider": "hcaptcha"})
    await change_settings(room, captcha=None)
    assert (await room.pools.of(BAKERY)).sealed == {}


async def test_the_page_shows_the_widget_only_where_a_token_is_needed(
    room: TenantAuthService, service: SiteVerify
) -> None:
    sent = {"email": EVE, "password": PASSWORD, "way": "code", "cf-turnstile-response": f"{RIGHT}1"}
    async with client_of(ROUTES, tenant_auth=room, keyed=AT_BAKERY) as http:
        pages = {path: await http.get(at(path)) for path in FORMS}
        without = await http.post(at("/new-account"), data={"email": EVE, "password": PASSWORD})
        done = await http.post(at("/new-account"), data=sent)
        used = await http.post(at("/by-email"), data=sent)
        await change_settings(room, captcha=CAPTCHA | {"provider": "hcaptcha"})
        other = await http.get(at("/by-email", lang="de"))
        right = await http.post(at("/forgot-password"), data={"email": EVE, "h-captcha-response": f"{RIGHT}2"})

    shown = [path for path, page in pages.items() if 'class="cf-turnstile" data-sitekey="1x00"' in page.text]
    policies = {path: page.headers["content-security-policy"] for path, page in pages.items()}
    assert shown == ["/new-account", "/forgot-password", "/by-email", "/by-phone"]
    assert "cloudflare" not in policies[""]
    assert "script-src https://challenges.cloudflare.com; frame-src https://challenges" in policies["/by-email"]
    assert [answer.status_code for answer in (without, done, used, right)] == [403, 303, 403, 200]
    assert "Show first that you are a person" in without.text
    assert "api.js?hl=de" in other.text
    assert "frame-src https://hcaptcha.com https://*.hcaptcha.com" in other.headers["content-security-policy"]
