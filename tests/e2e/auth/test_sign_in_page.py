"""Users sign in on the ready-made page of a project in Chromium.

Most tests begin with a click in the app, and end when the app reads a document of the signed-in user.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import pyotp
import pytest
from playwright.sync_api import Browser, Page, ViewportSize

from tests.e2e.auth.app import PASSWORD, App
from tests.e2e.axe import faults
from tests.e2e.instance import poll
from tests.e2e.test_passkeys_in_a_browser import AUTHENTICATOR, CREATE
from tests.tenant_auth.siteverify import RIGHT, SECRET

LOOKS: Final = [("light", "en", True), ("dark", "de", True), ("light", "fr", False), ("light", "es", False)]
PHONE: Final = ViewportSize(width=320, height=640)
FORMS: Final = ("", "/new-account", "/forgot-password", "/by-email", "/by-phone", "/new-mail")


@pytest.fixture(scope="module")
def app(app_of_another_origin: App) -> Iterator[App]:
    app = app_of_another_origin
    google = {"client_id": "bakery", "client_secret": "only-google-knows"}
    app.change_settings(
        sign_in_page={"languages": [look[1] for look in LOOKS], "accent": "#b3541e"}, providers={"google": google}
    )
    yield app
    app.change_settings(sign_in_page=None, providers=None)


def begin(app: App, page: Page, **more: str) -> None:
    """Click in the app, and wait for the sign-in page."""
    app.ask(page, "signInOnPage", more)
    page.wait_for_url("**/v1/auth/ui?**")


def back_in_the_app(app: App, page: Page, **user: Any) -> str:
    """Wait for the app, exchange the code, and read the user's document. Return the id of the user."""
    page.wait_for_url(f"{app.url}/**")
    assert "access_token" not in page.url
    answer = app.ask(page, "exchange")
    assert answer["status"] == 200, answer
    found = answer["body"]["user"]
    assert {name: found[name] for name in user} == user
    app.give_note(found["id"])
    assert app.reads_note(page, found["id"])
    return str(found["id"])


def code_sent(app: App, to: str) -> str:
    """Return the code in the newest mail or text message to an address or a number."""

    def codes() -> list[str]:
        asked = {"to": to, "project": app.project}
        sent = app.instance.http.get("/api/dev/mail", params=asked).raise_for_status().json()["items"]
        return [found[0] for one in sent if (found := re.search(r"\b\d{6}\b", one["text"]))]

    code: str = poll(codes, what=f"a code for {to}")[0]
    return code


def test_a_person_signs_up_signs_in_and_is_told_of_a_wrong_password_by_keyboard_alone(app: App, page: Page) -> None:
    def type_in(*texts: str) -> None:
        for text in texts:
            page.keyboard.press("Tab")
            page.keyboard.type(text)
        page.keyboard.press("Enter")

    begin(app, page, state="mine")
    page.keyboard.press("Shift+Tab")  # This key selects the last link of the page.
    page.keyboard.press("Enter")
    page.wait_for_url("**/new-account?**")
    type_in("hal@example.com", PASSWORD)
    page.wait_for_url(f"{app.url}/**")
    state = re.search(r"[?&]state=([^&]+)", page.url)
    hal = back_in_the_app(app, page, email="hal@example.com")
    begin(app, page)
    type_in("hal@example.com", "a wrong password")
    page.get_by_role("alert").wait_for()
    focused = page.evaluate("[document.activeElement.id, document.activeElement.getAttribute('aria-describedby')]")
    kept = [page.get_by_label(name).input_value() for name in ("Email", "Password")]
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")

    assert state is not None
    assert state[1] == "mine"
    assert (focused, kept) == (["password", "alert"], ["hal@example.com", ""])
    assert back_in_the_app(app, page) == hal


def test_a_code_and_a_link_of_a_mail_lead_back_to_the_app(app: App, page: Page) -> None:
    begin(app, page)
    page.get_by_role("link", name="Sign in by email").click()
    page.get_by_label("Email").fill("ida@example.com")
    page.get_by_role("button", name="Send a code").click()
    page.get_by_label("Code").fill(code_sent(app, "ida@example.com"))
    page.get_by_role("button", name="Sign in").click()
    ida = back_in_the_app(app, page, email="ida@example.com", email_verified=True)
    begin(app, page)
    page.get_by_role("link", name="Sign in by email").click()
    page.get_by_label("Email").fill("ida@example.com")
    page.get_by_role("button", name="Send a link").click()
    page.get_by_role("heading", name="Look in your mail").wait_for()
    page.goto(app.link("ida@example.com", "sign-in-link"))
    page.get_by_role("button", name="Sign in").click()

    assert back_in_the_app(app, page) == ida


def test_a_code_of_a_text_message_leads_back_to_the_app(app: App, page: Page) -> None:
    app.change_settings(phone={"countries": ["DE"]})
    try:
        begin(app, page)
        page.get_by_role("link", name="Sign in by phone").click()
        page.get_by_label("Mobile number").fill("+49 (0)170 765 43 21")
        page.get_by_role("button", name="Send a code").click()
        page.get_by_label("Code").fill(code_sent(app, "+491707654321"))
        page.get_by_role("button", name="Sign in").click()
        back_in_the_app(app, page, phone="+491707654321", phone_verified=True, email=None)
    finally:
        app.change_settings(phone=None)


def test_a_forgotten_password_and_an_unconfirmed_address_are_mended_on_the_page(app: App, page: Page) -> None:
    app.ask(page, "signUp", "jan@example.com", PASSWORD)
    app.change_settings(verify_emails=True)
    try:
        begin(app, page)
        page.get_by_label("Email").fill("jan@example.com")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in", exact=True).click()
        page.get_by_role("heading", name="Confirm your address").wait_for()
        page.get_by_role("button", name="Send the mail again").click()
        page.goto(app.link("jan@example.com", "verify-email"))
        page.get_by_role("button", name="Confirm").click()
        page.get_by_role("link", name="Go back to Bakery").click()
        page.wait_for_url(f"{app.url}/**")
    finally:
        app.change_settings(verify_emails=None)
    begin(app, page)
    page.get_by_role("link", name="Forgot your password?").click()
    page.get_by_label("Email").fill("jan@example.com")
    page.get_by_role("button", name="Send the link").click()
    page.get_by_role("heading", name="Look in your mail").wait_for()
    page.goto(app.link("jan@example.com", "reset-password"))
    page.get_by_label("Password").fill("another good battery")
    page.get_by_role("button", name="Set the password").click()
    page.get_by_role("link", name="Go back to Bakery").click()
    page.wait_for_url(f"{app.url}/**")
    begin(app, page)
    page.get_by_label("Email").fill("jan@example.com")
    page.get_by_label("Password").fill("another good battery")
    page.get_by_role("button", name="Sign in", exact=True).click()

    back_in_the_app(app, page, email="jan@example.com", email_verified=True)


def test_a_project_that_demands_a_second_factor_has_it_set_up_and_asked_for_on_the_page(app: App, page: Page) -> None:
    app.ask(page, "signUp", "kim@example.com", PASSWORD)
    app.change_settings(second_factor="required")
    try:
        begin(app, page)
        page.get_by_label("Email").fill("kim@example.com")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in", exact=True).click()
        page.get_by_role("heading", name="Set up a second factor").wait_for()
        wrong = faults(page)
        secret = page.locator(".code").inner_text().replace(" ", "")
        page.get_by_role("img", name="QR code for an authenticator app").wait_for()
        page.get_by_role("textbox", name="Code").fill(pyotp.TOTP(secret).now())
        page.get_by_role("button", name="Turn it on").click()
        recovery = page.get_by_role("listitem").first.inner_text()
        page.get_by_role("button", name="Copy").click()
        page.get_by_text("The codes are copied.").wait_for()
        with page.expect_download() as file:
            page.get_by_role("link", name="Download as a file").click()
        kept = file.value.path().read_text()
        wrong += faults(page)
        page.get_by_role("link", name="Go back to Bakery").click()
        kim = back_in_the_app(app, page)
        begin(app, page)
        page.get_by_label("Email").fill("kim@example.com")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in", exact=True).click()
        page.get_by_label("Code").fill("000 000 0")
        page.get_by_role("button", name="Continue").click()
        page.get_by_role("alert").wait_for()
        wrong += faults(page)
        page.get_by_label("Code").fill(recovery)
        page.get_by_role("button", name="Continue").click()

        assert back_in_the_app(app, page) == kim
        assert (file.value.suggested_filename, recovery in kept.splitlines()) == ("recovery-codes.txt", True)
        assert wrong == []
    finally:
        app.change_settings(second_factor=None)


def test_a_passkey_signs_in_on_the_page(app: App, page: Page) -> None:
    at_name = app.instance.url.replace("127.0.0.1", "localhost")
    devtools = page.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    token = app.ask(page, "signUp", "lou@example.com", PASSWORD)["body"]["access_token"]
    headers = {"X-Bunbase-Key": app.key, "Authorization": f"Bearer {token}"}
    options = app.instance.http.post("/v1/auth/passkeys/options", headers=headers).raise_for_status().json()
    page.goto(f"{at_name}/api/health")
    made = page.evaluate(CREATE, options["public_key"])
    app.instance.http.post(
        "/v1/auth/passkeys/register", json={"credential": made, "name": "laptop"}, headers=headers
    ).raise_for_status()
    page.goto(f"{app.url}/app.html?url={at_name}&key={app.key}")
    begin(app, page)
    page.get_by_role("button", name="Use a passkey").click()

    back_in_the_app(app, page, email="lou@example.com")


@pytest.mark.parametrize(("scheme", "language", "checked"), LOOKS, ids=[look[1] for look in LOOKS])
def test_pages_have_no_fault_that_axe_finds_and_fit_on_a_phone(
    app: App, browser: Browser, scheme: Any, language: str, checked: bool
) -> None:
    context = browser.new_context(viewport=PHONE, color_scheme=scheme, locale=language)
    page = context.new_page()
    app.open(page)
    begin(app, page)
    asked, wrong = page.url.partition("?")[2], []
    for path in FORMS:
        page.goto(f"{app.instance.url}/v1/auth/ui{path}?{asked}")
        wrong += [f"{path} {fault}" for fault in faults(page)] if checked else []
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            wrong.append(f"{path} scrolls sideways")
        assert page.locator("html").get_attribute("lang") == language
    context.close()

    assert wrong == []


def test_a_captcha_is_solved_on_the_page_and_only_its_own_scripts_run_there(app: App, page: Page) -> None:
    """A script at the address of Turnstile replaces the widget, and puts a token into the form."""
    widget = f"""for (const place of document.querySelectorAll(".cf-turnstile")) {{
        const answer = Object.assign(document.createElement("input"),
            {{ type: "hidden", name: "cf-turnstile-response", value: "{RIGHT}" + Math.random() }});
        place.append(answer); place.dataset.shown = "yes"; }}"""
    page.context.route(
        "https://challenges.cloudflare.com/**",
        lambda route: route.fulfill(body=widget, content_type="text/javascript"),
    )
    app.change_settings(captcha={"provider": "turnstile", "site_key": "1x00", "secret": SECRET})
    try:
        refused = app.ask(page, "call", "POST", "/v1/auth/code", {"email": "nan@example.com"})
        begin(app, page)
        page.get_by_role("link", name="Create an account").click()
        page.locator(".cf-turnstile[data-shown]").wait_for(state="attached")
        page.get_by_label("Email").fill("nan@example.com")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Create an account").click()
        back_in_the_app(app, page, email="nan@example.com")
    finally:
        app.change_settings(captcha=None)

    assert (refused["status"], refused["body"]["code"]) == (403, "captcha_required")


def test_the_page_works_without_scripts_and_shows_itself_in_no_frame(app: App, page: Page, browser: Browser) -> None:
    app.ask(page, "signUp", "max@example.com", PASSWORD)
    begin(app, page)
    address = page.url
    context = browser.new_context(java_script_enabled=False)
    plain = context.new_page()
    plain.goto(address)
    plain.get_by_label("Email").fill("max@example.com")
    plain.get_by_label("Password").fill(PASSWORD)
    plain.get_by_role("button", name="Sign in", exact=True).click()
    plain.wait_for_url(f"{app.url}/**")
    code = re.search(r"[?&]code=upc_", plain.url)
    context.close()
    framing = browser.new_page()
    framing.goto(app.url)
    framing.set_content(f'<iframe src="{address.replace("&", "&amp;")}"></iframe>')
    framing.wait_for_timeout(0)
    frame = poll(lambda: [one for one in framing.frames if one != framing.main_frame], what="the frame")[0]
    shown = frame.locator("form").count()
    framing.goto(f"{address.partition('?')[0]}?key=pk_unknown")
    mistake = framing.get_by_role("alert").inner_text()
    framing.close()

    assert mistake.startswith("key: This key is unknown")
    assert code is not None
    assert shown == 0
