"""A user who forgot the password sets a new one by mail, on a page of BunBase, and signs in to the app with it."""

from __future__ import annotations

from playwright.sync_api import Page

from tests.e2e.auth.app import PASSWORD, App

BEA = "bea@example.com"
NEW = "another horse battery"


def test_a_user_resets_the_password_by_mail_goes_back_to_the_app_and_reads_a_document(
    app_of_another_origin: App, page: Page
) -> None:
    app = app_of_another_origin
    bea = app.ask(page, "signUp", BEA, PASSWORD)["body"]["user"]
    app.give_note(bea["id"])
    home = page.url.partition("?")[0]
    asked = app.ask(page, "call", "POST", "/v1/auth/password-reset", {"email": BEA, "redirect_to": home})
    evil = {"email": BEA, "redirect_to": "https://evil.example/"}
    refused = app.ask(page, "call", "POST", "/v1/auth/password-reset", evil)
    app_page, link = page.url, app.link(BEA, "reset-password")

    page.goto(link)
    page.get_by_label("Password").evaluate("field => field.removeAttribute('minlength')")
    page.get_by_label("Password").fill("short")
    page.get_by_role("button", name="Set the password").click()
    page.get_by_role("alert").wait_for()
    page.get_by_label("Password").fill(NEW)
    page.get_by_role("button", name="Set the password").click()
    page.get_by_role("heading", name="Your password is set").wait_for()
    page.get_by_role("link", name="Go back to Bakery").click()
    back = page.url
    page.goto(app_page)
    old = app.ask(page, "signIn", BEA, PASSWORD)["status"]
    app.ask(page, "signIn", BEA, NEW)

    assert (asked["status"], refused["status"], old, back) == (202, 422, 401, home)
    assert app.reads_note(page, bea["id"])
    assert app.ask(page, "me")["email_verified"]


def test_a_user_changes_the_password_and_reads_a_document_in_the_same_session(
    app_of_another_origin: App, page: Page
) -> None:
    app = app_of_another_origin
    cat = app.ask(page, "signUp", "cat@example.com", PASSWORD)["body"]["user"]
    app.give_note(cat["id"])

    changed = app.ask(page, "call", "POST", "/v1/auth/password", {"password": NEW, "current": PASSWORD})
    app.ask(page, "refresh")

    assert changed["status"] == 204
    assert app.reads_note(page, cat["id"])
