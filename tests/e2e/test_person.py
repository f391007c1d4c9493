"""A person who knows only a browser and the command `bunbase`, from the first mail to the end of the account.

The browser runs no scripts. Each step uses only what docs/accounts.md and docs/members.md tell a person.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pyotp
import pytest
from playwright.sync_api import Page

from tests.e2e.browser import chromium
from tests.e2e.conftest import dev_instance
from tests.e2e.instance import Instance, poll
from tests.e2e.terminal import Machine

ADA, BOB = "ada@example.com", "bob@example.com"
PASSWORD = "correct horse battery"
SIGNED_UP = [("Email", BOB), ("Your name", "Bob")]  # The password is chosen on the page of the mail.
CODE = "Code of your authenticator app"
STEP_SECONDS = 30
NOT_SIGNED_IN = 3  # The command ends with this exit code.


@pytest.fixture(scope="module")
def server() -> Iterator[Instance]:
    with dev_instance() as instance:
        instance.commands["dev"][1]["BUNBASE_BUNAUTH__VERIFY_SIGNUPS"] = "on"
        yield instance.start()


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with chromium() as browser:
        yield browser.new_context(java_script_enabled=False).new_page()


class Bakery:
    """The project of Ada, who administrates the server over HTTP."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http
        account = self._sent("POST", "/api/auth/register", {"email": ADA, "password": PASSWORD}, {})
        self.headers = {"Authorization": f"Bearer {account['access_token']}"}
        self.at = f"/api/projects/{self._sent('POST', '/api/projects', {'name': 'Bakery'}, self.headers)['id']}"

    def invite(self, email: str) -> None:
        self._sent("POST", f"{self.at}/invites", {"email": email, "role": "developer"}, self.headers)

    def members(self) -> list[str]:
        items = self._sent("GET", f"{self.at}/members", None, self.headers)["items"]
        return [one["user"]["email"] for one in items]

    def _sent(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Any:
        return self.http.request(method, path, json=body, headers=headers).raise_for_status().json()


@pytest.fixture(scope="module")
def bakery(server: Instance) -> Bakery:
    return Bakery(server.http)


class Phone:
    """An authenticator app. The code of each time step works once, so the app may show the code of the next step."""

    def __init__(self, secret: str) -> None:
        self.app = pyotp.TOTP(secret)
        self.step = 0

    def code(self) -> str:
        self.step = max(int(time.time()) // STEP_SECONDS, self.step + 1)
        return self.app.at(self.step * STEP_SECONDS)


def link_in_the_mail(server: Instance, path: str) -> str:
    """Return the link to a page, from the newest mail to Bob that has such a link."""

    def links() -> list[str]:
        mails = server.http.get("/api/dev/mail", params={"to": BOB}).raise_for_status().json()["items"]
        return [found[0] for mail in mails if (found := re.search(rf"http\S+{path}\?token=\S+", mail["text"]))]

    found: str = poll(links, what=f"a mail with a link to {path}")[0]
    return found


def sign_in_on(page: Page, button: str) -> str:
    """Sign in on a page, and return the heading of the next page."""
    page.get_by_label("Email").fill(BOB)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name=button).click()
    return page.get_by_role("heading").inner_text()


def signed_in_by_the_page_for_devices(machine: Machine, page: Page, server: Instance) -> str:
    with machine.run("login") as terminal:
        code = terminal.read_until(r"type the code (\S+)")[1]
        page.goto(f"{server.url}/device")
        page.get_by_label("Code").fill(code)
        page.get_by_role("button", name="Continue").click()
        assert sign_in_on(page, "Approve") == "The device is signed in"
        return terminal.read_to_the_end()


def with_a_new_phone(machine: Machine, *before: tuple[str, str]) -> tuple[Phone, list[str]]:
    """Set up an authenticator app. `before`: the questions that come before the password.

    Return the app and the recovery codes.
    """
    with machine.run("account", "second-factor", "on") as terminal:
        for question, answer in before:
            terminal.read_until(question)
            terminal.type(answer)
        phone = Phone(terminal.read_until(r"secret +([A-Z2-7]{32})\n")[1])
        terminal.read_until("Code that the app shows now: ")
        terminal.type(phone.code())
        codes = terminal.read_to_the_end().partition("Recovery codes")[2]
    return phone, re.findall(r"^[a-z0-9]+(?:-[a-z0-9]+)+$", codes, re.MULTILINE)


def sign_in_with_a_code(machine: Machine, code: str) -> None:
    machine.says("login", "--email", BOB, typed=[("Password", PASSWORD), (CODE, code)])


def test_a_person_with_a_browser_and_the_command_lives_through_an_account(
    server: Instance, bakery: Bakery, page: Page, tmp_path: Path
) -> None:
    laptop, desktop = (Machine(tmp_path / name, server.url) for name in ("laptop", "desktop"))

    # Bob registers; the link of the mail opens the account.
    assert "A mail is on its way" in laptop.says("register", typed=SIGNED_UP)
    page.goto(link_in_the_mail(server, "/account/sign-up"))
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button").click()
    assert page.get_by_role("heading").inner_text() == "Your account is open"
    assert f"Signed in to {server.url} as {BOB}" in signed_in_by_the_page_for_devices(laptop, page, server)

    # Ada invites Bob to a project; he accepts in the browser.
    bakery.invite(BOB)
    page.goto(link_in_the_mail(server, "/invite"))
    assert "Bakery" in page.locator("main").inner_text()
    assert sign_in_on(page, "Accept") == "You are a member now"
    assert BOB in laptop.says("members", "list", "--project", "bakery")

    # A second factor guards the account. The laptop was signed in by the browser, so it asks for the password first.
    phone, codes = with_a_new_phone(laptop, ("Your password: ", PASSWORD))
    assert len(codes) == 10
    sign_in_with_a_code(desktop, phone.code())
    desktop.says("logout")

    # The phone is lost; a recovery code signs in, and the next phone is set up.
    sign_in_with_a_code(desktop, codes[0])
    with_a_new_phone(desktop)

    # Bob sees his sessions, and ends the session of the laptop, whose access stops.
    shown = desktop.says("sessions", "list", "--json")
    listed = json.loads(shown[shown.index("{") : shown.rindex("}") + 1])["items"]
    assert len(listed) == 2, listed
    (of_the_laptop,) = (one["id"] for one in listed if not one.get("current"))

    desktop.says("sessions", "end", of_the_laptop)
    poll(lambda: laptop.code_of("whoami") == NOT_SIGNED_IN)

    # He leaves the project, and deletes the account.
    desktop.says("members", "leave", "--project", "bakery", typed=[("Type yes", "yes")])
    assert bakery.members() == [ADA]
    desktop.says("account", "delete", typed=[(f"Type {BOB} to go on", BOB)])
    assert "Email or password is wrong" in desktop.says("login", "--email", BOB, typed=[("Password", PASSWORD)], code=1)
