"""A person signs up by mail in Chromium, in an app whose answers do not show who has an account."""

from __future__ import annotations

from playwright.sync_api import Page

from tests.e2e.auth.app import PASSWORD, App

NEW, TAKEN, CHOSEN = "new@example.com", "taken@example.com", "chosen with the link"


def test_a_person_signs_up_with_the_link_of_a_mail_and_reads_a_document(app_of_another_origin: App, page: Page) -> None:
    app = app_of_another_origin
    app.ask(page, "signUp", TAKEN, PASSWORD)
    app.change_settings(enumeration="closed", verify_emails=True, password={"min_length": 12})
    try:
        asked = [
            app.ask(page, "call", "POST", "/v1/auth/signup", {"email": to, "password": PASSWORD}) for to in (NEW, TAKEN)
        ]
        mail = page.context.new_page()
        mail.goto(app.link(NEW, "sign-up"))
        for password in ("too short", CHOSEN):
            mail.get_by_label("Password").fill(password)
            mail.get_by_role("button", name="Create an account").click()
            if password != CHOSEN:
                too_short = mail.get_by_label("Password").evaluate("field => field.validity.tooShort")
        mail.get_by_role("heading", name="Your account is ready").wait_for()
        shown = mail.url
        signed_in = app.ask(page, "signedIn", "POST", "/v1/auth/login", {"email": NEW, "password": CHOSEN})
    finally:
        app.change_settings(enumeration=None, verify_emails=None, password=None)
    user = signed_in["body"]["user"]
    app.give_note(user["id"])

    assert asked == [{"status": 202, "body": {"status": "confirmation_sent"}}] * 2
    assert too_short  # The password is too short, so the browser does not send it.
    assert "token" not in shown
    assert user["email_verified"]
    assert app.reads_note(page, user["id"])
