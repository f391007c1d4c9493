"""Register a passkey in Chromium, whose virtual authenticator answers, and sign in with it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.e2e.browser import chromium
from tests.e2e.conftest import dev_instance
from tests.e2e.instance import Instance

ACCOUNT = {"email": "ada@example.com", "password": "correct horse battery"}
AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}
PATIENCE_MS = 20_000

# This is the code of a sign-in page: it passes the options to the browser, and the browser's answer back. `toJSON` and
# `parse…OptionsFromJSON` are part of WebAuthn Level 3.
CREATE = """async options => (await navigator.credentials.create({
    publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) })).toJSON()"""
GET = """async options => (await navigator.credentials.get({
    publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) })).toJSON()"""


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with chromium() as browser:
        page = browser.new_context().new_page()
        page.set_default_timeout(PATIENCE_MS)
        devtools = page.context.new_cdp_session(page)
        devtools.send("WebAuthn.enable")
        devtools.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
        yield page


@pytest.fixture(scope="module")
def instance(page: Page) -> Iterator[Instance]:
    """Yield an instance at `localhost`, whose page the browser shows. Without a browser no instance is started."""
    with dev_instance() as instance:
        instance.commands["dev"][1]["BUNBASE_GATEWAY__PUBLIC_URL"] = f"http://localhost:{instance.port}"
        instance.start()
        page.goto(f"http://localhost:{instance.port}/api/health")
        yield instance


def test_a_passkey_of_a_browser_registers_and_signs_in_without_an_email(page: Page, instance: Instance) -> None:
    def send(path: str, body: Any = None, token: str = "") -> Any:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return instance.http.post(f"/api/auth/{path}", json=body, headers=headers).raise_for_status().json()

    token = send("register", ACCOUNT)["access_token"]
    options = send("passkeys/options", token=token)["public_key"]
    made = send("passkeys/register", {"credential": page.evaluate(CREATE, options), "name": "Chromium"}, token)

    for _ in range(2):  # The counter of the authenticator grows.
        options = send("login/passkey/options", {})["public_key"]
        signed_in = send("login/passkey/verify", {"credential": page.evaluate(GET, options)})

    headers = {"Authorization": f"Bearer {signed_in['access_token']}"}
    (listed,) = instance.http.get("/api/auth/passkeys", headers=headers).json()["items"]
    assert signed_in["user"]["email"] == ACCOUNT["email"]
    assert (listed["id"], listed["name"], listed["last_used_at"] is not None) == (made["id"], "Chromium", True)


def test_a_passkey_of_the_browser_approves_a_device_on_its_page(page: Page, instance: Instance) -> None:
    def send(path: str, body: Any = None, token: str = "") -> Any:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return instance.http.post(f"/api/auth/{path}", json=body, headers=headers).raise_for_status().json()

    login = send("device", {"client": "a machine"})
    page.goto(f"http://localhost:{instance.port}/device?user_code={login['user_code']}")
    page.get_by_role("button", name="Use a passkey").click()
    page.get_by_text(f"signed in as {ACCOUNT['email']}").wait_for()
    page.get_by_role("button", name="Approve").first.click()
    page.get_by_role("heading", name="The device is signed in").wait_for()

    assert send("device/token", {"device_code": login["device_code"]})["user"]["email"] == ACCOUNT["email"]
