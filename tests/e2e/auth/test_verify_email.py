"""A user of an app clicks the link in a mail in Chromium, confirms the address, and reads a document under a rule."""

from __future__ import annotations

from playwright.sync_api import Page

from tests.e2e.auth.app import PASSWORD, App

EVE = "eve@example.com"


def test_a_user_confirms_the_address_by_mail_and_reads_a_document(app_of_another_origin: App, page: Page) -> None:
    app = app_of_another_origin
    eve = app.ask(page, "signUp", EVE, PASSWORD)["body"]["user"]
    app.give_note(eve["id"])
    app.give_note("usr_somebody")
    asked = app.ask(page, "call", "POST", "/v1/auth/verify-email", {"email": EVE})
    unknown = app.ask(page, "call", "POST", "/v1/auth/verify-email", {"email": "nobody@example.com"})
    link = app.link(EVE, "verify-email")

    with page.context.expect_page() as opening:
        page.evaluate("link => void window.open(link, '_blank', 'noopener')", link)
    mail = opening.value
    name = mail.locator(".app").inner_text()
    before = app.ask(page, "me")["email_verified"]
    mail.get_by_role("button", name="Confirm").click()
    mail.get_by_role("heading", name="Your address is confirmed").wait_for()
    shown = mail.url
    mail.goto(link)
    again = mail.locator("main").inner_text()
    app.ask(page, "refresh")

    assert (asked, unknown) == ({"status": 202, "body": {"status": "accepted"}},) * 2
    assert (before, app.ask(page, "me")["email_verified"]) == (False, True)
    assert name == "Bakery"
    assert "token" not in shown
    assert "used before" in again
    assert app.reads_note(page, eve["id"])
    assert not app.reads_note(page, "usr_somebody")
