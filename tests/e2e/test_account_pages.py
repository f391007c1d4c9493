"""People use the pages of accounts in Chromium, on a running server whose mails are in the mailbox of dev mode."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, ViewportSize

from tests.e2e.browser import chromium
from tests.e2e.conftest import dev_instance
from tests.e2e.instance import Instance, poll

PHONE: ViewportSize = {"width": 320, "height": 640}
PASSWORD = "correct horse battery"
ADA, BOB, EVE = "ada@example.com", "bob@example.com", "eve@example.com"


@pytest.fixture(scope="module")
def verifying() -> Iterator[Instance]:
    """Yield a running `bunbase dev` where new people confirm their address first. The administrator is Ada."""
    with dev_instance() as instance:
        instance.commands["dev"][1]["BUNBASE_BUNAUTH__VERIFY_SIGNUPS"] = "on"
        instance.start()
        instance.http.post("/api/auth/register", json={"email": ADA, "password": PASSWORD}).raise_for_status()
        yield instance


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """Yield a page of a phone without JavaScript. The test fails if a page breaks its own policy."""
    with chromium() as browser:
        context = browser.new_context(viewport=PHONE, java_script_enabled=False, color_scheme="dark")
        found = context.new_page()
        errors: list[str] = []
        found.on("console", lambda message: errors.append(message.text))
        yield found
        assert [error for error in errors if "Content Security Policy" in error] == []


def open_link(page: Page, instance: Instance, to: str, name: str) -> None:
    """Open the link to a page, from the newest mail to an address with such a link."""

    def links() -> list[str]:
        mails = instance.http.get("/api/dev/mail", params={"to": to}).raise_for_status().json()["items"]
        return [found[0] for mail in mails if (found := re.search(rf"http\S+/account/{name}\?token=\S+", mail["text"]))]

    page.goto(poll(links, what=f"a mail to {to} with a link to {name}")[0])


def fits(page: Page) -> bool:
    """True if the page is no wider than the phone."""
    box = page.locator("main").bounding_box()
    return box is not None and box["x"] >= 0 and box["x"] + box["width"] <= PHONE["width"]


def can_sign_in(instance: Instance, email: str, password: str) -> bool:
    answer = instance.http.post("/api/auth/login", json={"email": email, "password": password})
    return answer.status_code == 200


def test_a_person_registers_by_mail_in_a_browser(verifying: Instance, page: Page) -> None:
    asked = verifying.http.post("/api/auth/register", json={"email": BOB, "password": "not used at all"})

    open_link(page, verifying, BOB, "sign-up")
    page.get_by_label("Password").fill(PASSWORD)
    narrow = fits(page)
    page.get_by_role("button", name="Open the account").click()

    assert asked.status_code == 202
    assert narrow
    assert page.get_by_role("heading").inner_text() == "Your account is open"
    assert "token" not in page.url
    assert can_sign_in(verifying, BOB, PASSWORD)


def test_a_person_resets_a_forgotten_password_in_a_browser(verifying: Instance, page: Page) -> None:
    page.goto(f"{verifying.url}/account/forgot-password")
    page.get_by_label("Email").fill(ADA)
    page.get_by_role("button").click()
    asked = page.get_by_role("heading").inner_text()

    open_link(page, verifying, ADA, "reset-password")
    address = page.url
    page.get_by_label("Password").fill("another horse battery")
    page.get_by_role("button", name="Set the password").click()
    done = page.get_by_role("heading").inner_text()
    page.goto(address)
    page.get_by_label("Password").fill("a third horse battery")
    page.get_by_role("button", name="Set the password").click()

    assert (asked, done) == ("Look into your mailbox", "Your password is set")
    assert "used before" in page.get_by_role("heading").inner_text()
    assert page.get_by_role("link").inner_text() == "Ask for a new mail"
    assert can_sign_in(verifying, ADA, "another horse battery")


def test_an_invited_person_opens_an_account_in_a_browser(verifying: Instance, page: Page) -> None:
    administrator = verifying.http.post("/api/auth/login", json={"email": ADA, "password": "another horse battery"})
    headers = {"authorization": f"Bearer {administrator.json()['access_token']}"}
    url = verifying.http.post("/api/invites", json={}, headers=headers).raise_for_status().json()["url"]

    page.goto(url)
    page.get_by_label("Email").fill(ADA)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button").click()
    taken = page.get_by_role("alert").inner_text()
    page.get_by_label("Email").fill(EVE)
    page.get_by_label("Name").fill("Eve")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button").click()

    assert "use another address" in taken
    assert page.get_by_role("heading").inner_text() == "Your account is open"
    assert can_sign_in(verifying, EVE, PASSWORD)


def test_an_approval_in_the_browser_survives_a_kill_of_the_server(verifying: Instance, page: Page) -> None:
    device = verifying.http.post("/api/auth/device", json={"client": "bunbase on eve-laptop"}).json()

    page.goto(device["verification_uri_complete"])
    shown = page.locator("main").inner_text()
    page.get_by_label("Email").fill(EVE)
    page.get_by_label("Password").fill(PASSWORD)
    narrow = fits(page)
    page.get_by_role("button", name="Approve").click()
    approved = page.get_by_role("heading").inner_text()
    verifying.kill()
    verifying.start()
    answer = verifying.http.post("/api/auth/device/token", json={"device_code": device["device_code"]})

    assert device["user_code"] in shown
    assert "bunbase on eve-laptop" in shown
    assert "127.0.0.1" in shown
    assert narrow
    assert approved == "The device is signed in"
    assert answer.json()["user"]["email"] == EVE
