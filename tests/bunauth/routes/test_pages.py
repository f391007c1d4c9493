from __future__ import annotations

import re
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from bunbase.bunauth.module import MODULE
from bunbase.bunauth.pages import account
from bunbase.bunauth.routes import ROUTES
from bunbase.bunauth.service import BunAuthService
from bunbase.bunauth.service.letters import Letters
from bunbase.bunauth.settings import BunAuthSettings, VerifySignups
from bunbase.contracts.bunauth.accounts import NewAccount
from bunbase.contracts.caller import Caller
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.modules import Rooms, Site
from tests.bunauth.factors import with_totp
from tests.bunauth.mailbox import kinds, link
from tests.bunauth.people import PASSWORD, caller_with, registered
from tests.bunauth.web import client_of
from tests.rooms import ANYONE, opened

BOB = "bob@example.com"
MAIL_PAGES = ("verify-email", "sign-up", "reset-password", "change-email", "invite")


@pytest_asyncio.fixture
async def verifying(rooms: Rooms, here: Site) -> AsyncIterator[BunAuthService]:
    settings = BunAuthSettings(verify_signups=VerifySignups.ON)
    async with opened(MODULE, rooms, here, settings=settings) as service:
        yield service


@pytest_asyncio.fixture
async def ada(verifying: BunAuthService) -> Caller:
    return await caller_with(verifying, (await registered(verifying)).access_token)


@pytest_asyncio.fixture
async def http(verifying: BunAuthService) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(ROUTES, bunauth=verifying) as client:
        yield client


def title(answer: httpx.Response) -> str:
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    found = re.search("<h1>(.*)</h1>", answer.text)
    assert found
    return found[1]


async def test_every_page_forbids_scripts_frames_storage_and_foreign_addresses(http: httpx.AsyncClient) -> None:
    for path in (*MAIL_PAGES, "forgot-password", "send-verification"):
        answer = await http.get(f"/account/{path}", params={"token": "some"})

        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-"), path
        for rule in ("form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"):
            assert rule in policy
        assert "unsafe" not in policy
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["x-frame-options"] == "DENY"
        assert "<script" not in answer.text
        assert title(answer)


async def test_a_get_of_the_link_changes_nothing_and_a_post_opens_the_account(
    http: httpx.AsyncClient, verifying: BunAuthService, ada: Caller
) -> None:
    await verifying.register(ANYONE, NewAccount(BOB, PASSWORD, "Bob"))
    token = await link(verifying, BOB, "sign-up")

    for _ in range(2):
        shown = await http.get("/account/sign-up", params={"token": token})
    short = await http.post("/account/sign-up", data={"token": token, "password": "short"})
    weak = await http.post("/account/sign-up", data={"token": token, "password": BOB})
    opened = await http.post("/account/sign-up", data={"token": token, "password": PASSWORD})
    repeated = await http.post("/account/sign-up", data={"token": token, "password": PASSWORD})
    used = await http.get("/account/sign-up", params={"token": token})

    assert f'value="{token}"' in shown.text
    for refused in (short, weak):
        assert (refused.status_code, title(refused)) == (422, "Open your account")
    assert "address" in weak.text
    assert "8 to 256 characters" in short.text
    assert (opened.status_code, title(opened)) == (200, "Your account is open")
    for late in (repeated, used):
        assert late.status_code == 410
        assert "If you have opened your account with it, sign in, in a terminal, with bunbase login" in late.text
    bob = await verifying.login(ANYONE, BOB, PASSWORD)
    assert bob.user.email_verified
    sessions = await verifying.sessions(await caller_with(verifying, bob.access_token), 10, None)
    assert len(sessions.items) == 1, "the page opened no session that nobody can use"


async def test_a_link_verifies_the_address_only_by_the_button_of_its_page(
    http: httpx.AsyncClient, verifying: BunAuthService, ada: Caller
) -> None:
    token = await link(verifying, "ada@example.com", "verify-email")

    await http.get("/account/verify-email", params={"token": token})
    before = (await verifying.me(ada)).email_verified
    done = await http.post("/account/verify-email", data={"token": token})
    again = await http.post("/account/verify-email", data={"token": token})

    assert not before
    assert title(done) == "Your address is confirmed"
    assert (await verifying.me(ada)).email_verified
    assert again.status_code == 410
    assert '<a href="/account/send-verification">' in again.text


async def test_a_forgotten_password_is_replaced_by_the_pages_alone(
    http: httpx.AsyncClient, verifying: BunAuthService, ada: Caller
) -> None:
    asked = await http.post("/account/forgot-password", data={"email": "ada@example.com"})
    unknown = await http.post("/account/forgot-password", data={"email": BOB})
    token = await link(verifying, "ada@example.com", "reset-password")

    done = await http.post("/account/reset-password", data={"token": token, "password": "another horse battery"})
    again = await http.post("/account/reset-password", data={"token": token, "password": "another horse battery"})

    assert asked.text == unknown.text
    assert title(done) == "Your password is set"
    assert "console" not in done.text, "this server has none"
    assert (again.status_code, '<a href="/account/forgot-password">' in again.text) == (410, True)
    assert (await verifying.login(ANYONE, "ada@example.com", "another horse battery")).user.email_verified


async def test_a_reset_that_removes_a_second_factor_says_so_on_the_page_in_a_mail_and_in_the_activity(
    http: httpx.AsyncClient, verifying: BunAuthService, ada: Caller, clock: ManualClock
) -> None:
    await with_totp(verifying, ada, clock)
    await verifying.create_token(ada, "backup", ("read",), None)
    await verifying.request_password_reset("ada@example.com")
    token = await link(verifying, "ada@example.com", "reset-password")

    done = await http.post("/account/reset-password", data={"token": token, "password": "another horse battery"})

    assert "the authenticator app and the recovery codes; all personal access tokens" in done.text, "and no passkeys"
    assert (await kinds(verifying, "ada@example.com"))[-2:] == ["factor_removed", "password_changed"]
    signed_in = await verifying.login(ANYONE, "ada@example.com", "another horse battery")
    activity = await verifying.activity(await caller_with(verifying, signed_in.access_token), 10, None)
    assert {"account.reset_factors", "token.delete"} <= {one.action for one in activity.items}


async def test_both_links_of_a_change_of_address_lead_to_the_same_page(
    http: httpx.AsyncClient, verifying: BunAuthService, ada: Caller
) -> None:
    await verifying.verify_email(ANYONE, await link(verifying, "ada@example.com", "verify-email"))
    await verifying.request_email_change(ada, "ada@new.example")

    old = await http.post(
        "/account/change-email", data={"token": await link(verifying, "ada@example.com", "change-email")}
    )
    new = await http.post(
        "/account/change-email", data={"token": await link(verifying, "ada@new.example", "change-email")}
    )

    assert (title(old), title(new)) == ("One step is left", "Your address is changed")
    assert (await verifying.me(ada)).email == "ada@new.example"


async def test_an_invitation_to_an_address_does_not_ask_for_the_address(
    http: httpx.AsyncClient, verifying: BunAuthService, ada: Caller
) -> None:
    mailed = (await verifying.create_invite(ada, BOB, "user")).url or ""
    linked = (await verifying.create_invite(ada, None, "user")).url or ""
    fixed, free = [await http.get(url.partition("7070")[2]) for url in (mailed, linked)]

    token = mailed.partition("token=")[2]
    fields = {"token": token, "name": "Bob", "password": PASSWORD}
    other = await http.post("/account/invite", data={**fields, "email": "eve@example.com"})
    opened = await http.post("/account/invite", data={**fields, "email": BOB})
    used = await http.get("/account/invite", params={"token": token})

    assert 'value="bob@example.com" readonly' in fixed.text
    assert "readonly" not in free.text
    assert all("ada@example.com" in page.text for page in (fixed, free))
    assert (other.status_code, title(other)) == (403, "Open your account")
    assert title(opened) == "Your account is open"
    assert (used.status_code, title(used)) == (410, "This link was used before, or it has expired")


@pytest.mark.parametrize(
    "token", ["", "x" * 201, "unknown", '"><script>alert(1)</script>'], ids=["none", "long", "unknown", "markup"]
)
async def test_a_link_that_is_not_complete_gets_a_page_that_says_so(http: httpx.AsyncClient, token: str) -> None:
    for path in MAIL_PAGES:
        shown = await http.get(f"/account/{path}", params={"token": token})
        sent = await http.post(f"/account/{path}", data={"token": token, "password": PASSWORD, "email": BOB})

        assert title(shown)
        assert title(sent)
        assert 400 <= sent.status_code < 500
        assert "<script" not in shown.text + sent.text


async def test_a_body_that_is_no_form_gets_a_page_too(http: httpx.AsyncClient) -> None:
    bodies = (
        ("application/json", b"{}", 415),
        ("application/x-www-form-urlencoded", b"token=1&token=2", 400),
        ("application/x-www-form-urlencoded", b"token=%ff", 400),
        ("application/x-www-form-urlencoded", b"a=1&" * 30, 400),
        ("application/x-www-form-urlencoded", b"a" * (17 << 10), 413),
    )
    for kind, body, status in bodies:
        answer = await http.post("/account/verify-email", content=body, headers={"content-type": kind})

        assert answer.status_code == status, body[:20]
        assert title(answer)


def test_commands_on_pages_and_in_mails_name_the_server() -> None:
    url = "https://bunbase.example"
    mail = Letters(url).account.password_changed(BOB)

    assert f"(bunbase login --url {url})" in account.account_opened(BOB, url)
    assert f"(bunbase login --url {url})" in account.password_set(url)
    assert f"(bunbase sessions list --url {url})." in mail.text
