"""People without an account whom members invite, on a server where nobody may register without an invitation.

Each step uses only a browser without scripts, the mails, and the command `bunbase`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.e2e.browser import chromium
from tests.e2e.conftest import dev_instance
from tests.e2e.instance import Instance, poll
from tests.e2e.terminal import Machine

ADA, BOB, EVE, FAY = (f"{name}@example.com" for name in ("ada", "bob", "eve", "fay"))
PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def server() -> Iterator[Instance]:
    with dev_instance() as instance:
        instance.commands["dev"][1]["BUNBASE_BUNAUTH__SIGNUPS"] = "invite"
        yield instance.start()


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with chromium() as browser:
        yield browser.new_context(java_script_enabled=False).new_page()


class Owner:
    """Ada, who owns a project and an organisation."""

    def __init__(self, server: Instance) -> None:
        self.http = server.http
        account = self._sent("POST", "/api/auth/register", {"email": ADA, "password": PASSWORD}, {})
        self.headers = {"Authorization": f"Bearer {account['access_token']}"}
        self.project = f"/api/projects/{self.ask('POST', '/api/projects', {'name': 'Bakery'})['id']}"
        self.org = f"/api/orgs/{self.ask('POST', '/api/orgs', {'name': 'Guild'})['id']}"

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        return self._sent(method, path, body, self.headers)

    def invite(self, place: str, email: str, role: str) -> str:
        """Return the link that Ada passes on."""
        return str(self.ask("POST", f"{place}/invites", {"email": email, "role": role})["url"])

    def audit(self, path: str, action: str) -> list[Any]:
        items = self.ask("GET", path)["items"]
        return [one for one in items if one["action"] == action]

    def _sent(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Any:
        return self.http.request(method, path, json=body, headers=headers).raise_for_status().json()


@pytest.fixture(scope="module")
def owner(server: Instance) -> Owner:
    return Owner(server)


def mailed_link(server: Instance, to: str, mails: int = 1) -> str:
    """Wait until an address has this number of mails, and return the link of the newest mail."""

    def links() -> list[str]:
        items = server.http.get("/api/dev/mail", params={"to": to}).raise_for_status().json()["items"]
        found = [re.search(r"http\S+/invite\?token=\S+", mail["text"]) for mail in items]
        return [one[0] for one in found if one] if len(items) >= mails else []

    return str(poll(links, what=f"a mail to {to}")[0])


def test_an_invited_newcomer_opens_an_account_on_the_page_of_the_mail_and_works_in_the_project(
    server: Instance, owner: Owner, page: Page, tmp_path: Path
) -> None:
    owner.invite(owner.project, BOB, "developer")
    laptop = Machine(tmp_path / "laptop", server.url)
    refused = laptop.says("register", "--email", BOB, "--name", "Bob", code=1)
    assert "admits only people with an invitation" in refused

    page.goto(mailed_link(server, BOB))
    assert page.get_by_label("Email").input_value() == BOB
    assert page.get_by_label("Email").get_attribute("readonly") is not None
    page.get_by_label("Your name").fill("Bob")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Open the account and accept").click()

    assert page.get_by_role("heading").inner_text() == "You are a member now"
    laptop.says("login", "--email", BOB, typed=[("Password", PASSWORD)])
    assert re.search(r"bakery +Bakery.*developer|Bakery.*bakery.*developer", laptop.says("projects", "list"))
    opened = poll(
        lambda: owner.audit("/api/admin/audit", "account.open"), what="the entry in the log of the installation"
    )
    assert [one["actor"]["email"] for one in opened] == [BOB]
    (accepted,) = owner.audit(f"{owner.project}/audit", "invite.accept")
    by = {"invited_by": opened[0]["target"], "inviter": "ada@example.com"}
    assert accepted["after"] == {"role": "developer", "opened_account": True, **by}
    assert opened[0]["after"]["email"] == "ada@example.com"


def test_a_newcomer_with_a_link_from_a_chat_gets_a_mail_and_joins_the_organisation_by_the_command(
    server: Instance, owner: Owner, page: Page, tmp_path: Path
) -> None:
    passed_on = owner.invite(owner.org, EVE, "developer")
    desktop = Machine(tmp_path / "desktop", server.url)

    page.goto(passed_on)
    page.get_by_role("button", name=f"Send a mail to {EVE}").click()
    assert page.get_by_role("heading").inner_text() == "Look into your mailbox"
    link = mailed_link(server, EVE, mails=2)
    said = desktop.says(
        "invites",
        "accept",
        link,
        typed=[("Your name", "Eve"), ("Password", PASSWORD), ("Password again", PASSWORD)],
    )

    assert f"Signed in to {server.url} as {EVE}" in said
    assert "You are a member of Guild (guild) now. Your role: developer." in said
    assert re.search(r"guild.*developer", desktop.says("orgs", "list"))
    page.goto(link)
    assert "accepted already" in page.locator("main").inner_text()


def test_a_person_with_an_account_is_asked_to_sign_in_on_the_same_page(
    server: Instance, owner: Owner, page: Page, tmp_path: Path
) -> None:
    owner.invite(owner.project, FAY, "viewer")
    laptop = Machine(tmp_path / "laptop", server.url)
    typed = [("Your name", "Fay"), ("Password", PASSWORD), ("Password again", PASSWORD)]
    laptop.says("register", "--invite", mailed_link(server, FAY), typed=typed)

    owner.invite(owner.org, FAY, "viewer")
    page.goto(mailed_link(server, FAY, mails=2))
    assert page.get_by_label("Email").input_value() == FAY
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Accept").click()

    assert page.get_by_role("heading").inner_text() == "You are a member now"
