"""People follow examples/chat/README.md on a running `bunbase dev`, and chat in several browsers."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from playwright.sync_api import Browser, Page, expect

from bunbase.pkg.bun import find_bun
from tests.e2e.axe import faults
from tests.e2e.browser import chromium
from tests.e2e.example_app import REPOSITORY, SHELL, cloned, served
from tests.e2e.instance import STOP_SECONDS, Instance, poll

CHAT: Final = REPOSITORY / "examples/chat"
PROVIDER: Final = REPOSITORY / "tests/bunauth/whole/provider.mjs"
PROVIDER_TABLE: Final = """
[auth.providers.club]
label = "The Club"
issuer = "{issuer}"
client_id = "bunbase"
client_secret = {{ env = "CLUB_SECRET" }}
"""
PASSWORD: Final = "apples and pears"
PATIENCE_MS: Final = 20_000
AUTHENTICATOR: Final = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture(scope="module")
def server(running_dev: Instance) -> Instance:
    return running_dev


@pytest.fixture(scope="module")
def place(server: Instance) -> Path:
    return cloned(server, "chat") / "examples/chat"


@pytest.fixture(scope="module")
def url(server: Instance, place: Path) -> Iterator[str]:
    with served(server, place.parents[1], "chat") as url:
        yield url.replace("127.0.0.1", "localhost")


@pytest.fixture(scope="module")
def worker(server: Instance, place: Path, url: str) -> Iterator[None]:
    """Run the worker with the command of the README."""
    block = re.search(r"^```sh worker\n(.*?)^```$", (CHAT / "README.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert block
    environment = server.environment()
    with subprocess.Popen([*SHELL, block[1]], cwd=place, env=environment, start_new_session=True) as process:
        try:
            yield
        finally:
            assert process.poll() is None, "the worker ended"
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(STOP_SECONDS)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


class Person:
    """A person with a browser. `errors`: the errors of the page that it did not show to the person."""

    def __init__(self, browser: Browser, server: Instance, url: str, email: str) -> None:
        self.server, self.url, self.email = server, url, email
        self.context = browser.new_context()
        self.context.set_default_timeout(PATIENCE_MS)
        self.page: Page = self.context.new_page()
        self.errors: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(url)

    def press(self, button: str) -> None:
        self.page.get_by_role("button", name=button, exact=True).click()

    def enter(self, label: str, text: str) -> None:
        self.page.get_by_label(label, exact=True).fill(text)
        self.page.keyboard.press("Enter")

    def open_mail(self) -> None:
        """Open the link of the newest mail."""
        mails = poll(lambda: self._mails(), 20, f"a mail to {self.email}")
        found = re.search(r"http://\S+/v1/auth/ui/\S+", mails[0]["text"])
        assert found
        self.page.goto(found[0])

    def _mails(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.server.http.get("/api/dev/mail", params={"to": self.email}).json()["items"]
        return items

    def accept(self) -> None:
        """Choose a password on the page of a mail, and sign in to the app."""
        self.open_mail()
        self.page.get_by_label("Password").fill(PASSWORD)
        self.press("Create an account")
        expect(self.page.get_by_text("Your account is ready")).to_be_visible()
        self.page.goto(self.url)
        self.page.get_by_label("Email").fill(self.email)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.press("Sign in")
        self.is_in()

    def is_in(self) -> None:
        expect(self.page.get_by_role("banner")).to_contain_text(self.email)

    def open(self, room: str) -> None:
        self.page.get_by_label("Rooms").get_by_role("button", name=room).click()
        expect(self.page.get_by_label("Message", exact=True)).to_be_visible()

    def sees(self, *messages: str) -> None:
        """Wait until the room has these messages, the newest first."""
        expect(self.page.get_by_label("Messages").get_by_role("listitem")).to_contain_text(list(messages))

    def unread(self, number: str) -> None:
        expect(self.page.get_by_label("Rooms")).to_contain_text(number)


@pytest.fixture(scope="module")
def ada(browser: Browser, server: Instance, url: str) -> Person:
    """Yield Ada, who has signed up by password, and has a room."""
    ada = Person(browser, server, url, "ada@example.com")
    assert faults(ada.page) == []
    ada.page.get_by_label("Email").fill(ada.email)
    ada.page.get_by_label("Password").fill(PASSWORD)
    ada.press("Sign up")
    expect(ada.page.get_by_role("alert")).to_contain_text("Look into your mailbox.")
    ada.accept()
    ada.enter("New room", "Kitchen")
    expect(ada.page.get_by_label("Message", exact=True)).to_be_visible()
    return ada


@pytest.mark.usefixtures("worker")
def test_an_invited_person_chats_until_the_owner_removes_them(
    browser: Browser, server: Instance, url: str, ada: Person
) -> None:
    ada.enter("Message", "What the heck is burning?")
    ada.sees("What the **** is burning?")
    bob = Person(browser, server, url, "bob@example.com")
    ada.enter("Invite (email)", bob.email)
    bob.accept()
    bob.unread("Kitchen 1")
    bob.open("Kitchen")
    bob.sees("What the **** is burning?")
    expect(bob.page.get_by_label("Rooms")).not_to_contain_text("1")
    expect(ada.page.get_by_label("People")).to_contain_text("● bob (member)")
    assert faults(bob.page) == []

    # One person types, and sends a message without a network.
    bob.page.get_by_label("Message", exact=True).fill("T")
    expect(ada.page.get_by_text("bob is typing …")).to_be_visible()
    bob.context.set_offline(True)
    bob.enter("Message", "Toast.")
    bob.sees("Toast.", "What the **** is burning?")
    bob.context.set_offline(False)
    ada.sees("Toast.", "What the **** is burning?")
    expect(ada.page.get_by_text("bob is typing …")).to_be_hidden()

    # A moderator may delete the messages of other people.
    expect(bob.page.get_by_role("button", name="Delete")).to_have_count(1)
    ada.press("Make moderator")
    bob.page.get_by_role("listitem").filter(has_text="burning").get_by_role("button", name="Delete").click()
    ada.sees("Toast.")

    bob.enter("Search", "toa*")
    expect(bob.page.get_by_label("Found")).to_contain_text("bob: Toast.")

    # A direct message goes to somebody who has signed up before.
    bob.enter("Write to (email)", ada.email)
    expect(bob.page.get_by_role("button", name="bob@example.com and")).to_have_attribute("aria-current", "true")
    bob.enter("Message", "Psst")
    ada.unread("bob@example.com and ada@example.com 1")

    ada.press("Remove")
    expect(bob.page.get_by_label("Rooms")).not_to_contain_text("Kitchen")
    expect(ada.page.get_by_label("People")).not_to_contain_text("bob")
    assert ada.errors + bob.errors == []


def test_a_person_signs_in_by_a_link_and_then_with_a_passkey(browser: Browser, server: Instance, url: str) -> None:
    eve = Person(browser, server, url, "eve@example.com")
    eve.page.get_by_label("Email").fill(eve.email)
    eve.press("Mail me a link")
    expect(eve.page.get_by_role("alert")).to_contain_text("Look into your mailbox.")
    eve.open_mail()
    eve.page.locator("a, button").first.click()
    eve.is_in()

    devtools = eve.context.new_cdp_session(eve.page)
    devtools.send("WebAuthn.enable")
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    eve.press("Add a passkey")
    expect(eve.page.get_by_role("alert")).to_contain_text("This device has a passkey.")
    eve.press("Sign out")
    eve.press("Use a passkey")
    eve.is_in()

    # An administrator helps a user.
    server.bunbase("users", "update", eve.email, "--role", "admin", "--project", "chat")
    poll(lambda: eve.page.get_by_role("button", name="Admin page").is_visible() or eve.page.reload(), 20)
    eve.press("Admin page")
    expect(eve.page.get_by_role("main")).to_contain_text(eve.email)
    assert eve.errors == []


def test_a_person_signs_in_by_another_service(
    browser: Browser, server: Instance, place: Path, url: str, ada: Person
) -> None:
    callback = f"{server.url}/v1/auth/oauth/club/callback"
    command = [str(find_bun()), str(PROVIDER), callback, "localhost", "ask"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            issuer = next(line.strip() for line in process.stdout if line.startswith("http"))
            with (place / "bunbase.toml").open("a", encoding="utf-8") as file:
                file.write(PROVIDER_TABLE.format(issuer=issuer))
            secret = {"CLUB_SECRET": "a secret: of the client/+"}
            subprocess.run([*SHELL, "bunbase auth push"], cwd=place, env=server.environment() | secret, check=True)
            again = Person(browser, server, url, ada.email)
            again.press("Continue with The Club")
            again.press("ada")
            again.is_in()
            again.open("Kitchen")
            assert again.errors == []
        finally:
            process.terminate()


def test_a_webhook_sent_twice_posts_one_message_which_a_job_archives(
    server: Instance, place: Path, ada: Person
) -> None:
    room = server.bunbase_json("data", "query", "rooms", '{"name": "Kitchen"}', cwd=place)["items"][0]
    secret = base64.b64decode((place / "webhook.secret").read_text("utf-8").strip().removeprefix("whsec_"))
    body = msgspec.json.encode({"room": room["_id"], "text": "The disk is full."})
    project = server.bunbase_json("projects", "list")["items"][0]["id"]

    def post(key: bytes) -> int:
        now = str(int(time.time()))
        signed = base64.b64encode(hmac.new(key, f"alarm.{now}.".encode() + body, hashlib.sha256).digest()).decode()
        headers = {"webhook-id": "alarm", "webhook-timestamp": now, "webhook-signature": f"v1,{signed}"}
        path = f"/v1/functions/webhook?project={project}"
        return server.http.post(path, content=body, headers=headers | {"content-type": "application/json"}).status_code

    assert [post(b"wrong"), post(secret), post(secret)] == [401, 204, 204]
    ada.open("Kitchen")
    expect(ada.page.get_by_text("The disk is full.")).to_have_count(1)

    server.bunbase("jobs", "add", "nightly", "--data", '{"before": "2100-01-01T00:00:00.000Z"}', cwd=place)

    expect(ada.page.get_by_text("The disk is full.")).to_have_count(0)
    archived = server.bunbase_json("data", "get", "archive", "alarm", cwd=place)
    assert archived["text"] == "The disk is full."


def test_the_types_fit_the_schema_and_every_condition_of_the_rules_is_tested(
    url: str, server: Instance, place: Path
) -> None:
    server.bunbase("gen", "types", "--lang", "ts", "--out", "src/database.ts", "--check", cwd=place)
    assert "41 of 41 cases passed" in server.bunbase("rules", "test", "--min-coverage", "100", cwd=place)


def test_the_page_needs_only_the_client() -> None:
    sources = [*(CHAT / "src").iterdir()]

    assert len(sources) > 10
    assert [
        path.name for path in sources if re.search(r"\bfetch\b|XMLHttpRequest|WebSocket", path.read_text("utf-8"))
    ] == []
