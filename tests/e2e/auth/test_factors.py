"""Users of an app sign in with passkeys and with second factors in Chromium, and read documents under rules."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pyotp
import pytest
from playwright.sync_api import Page

from tests.e2e.auth.app import OWN_NOTES, PASSWORD, App
from tests.e2e.test_passkeys_in_a_browser import AUTHENTICATOR


@pytest.fixture
def with_authenticator(page: Page, app_of_another_origin: App) -> Iterator[Page]:
    """Yield the page of an app that is its own relying party, in a browser with a virtual authenticator."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    app_of_another_origin.change_settings(passkeys={"rp_id": "localhost", "origins": [app_of_another_origin.url]})
    try:
        yield page
    finally:
        app_of_another_origin.change_settings(passkeys=None)


def test_a_user_adds_a_passkey_on_the_page_of_the_app_and_signs_in_with_it_alone(
    app_of_another_origin: App, with_authenticator: Page
) -> None:
    app, page = app_of_another_origin, with_authenticator
    user = app.ask(page, "signUp", "passkey@example.com", PASSWORD)["body"]["user"]
    app.give_note(user["id"])

    made = app.ask(page, "createPasskey", "Chromium")["body"]
    signed_in = [app.ask(page, "signInWithPasskey")["body"] for _ in range(2)]  # The counter of the passkey grows.

    assert [(one["user"]["email"], one["aal"]) for one in signed_in] == [("passkey@example.com", 2)] * 2
    assert app.reads_note(page, user["id"])
    (listed,) = app.ask(page, "call", "GET", "/v1/auth/passkeys")["body"]["items"]
    assert (listed["id"], listed["name"], listed["last_used_at"] is not None) == (made["id"], "Chromium", True)


def test_a_user_turns_the_second_factor_on_and_then_signs_in_with_a_code(
    app_of_another_origin: App, page: Page
) -> None:
    app = app_of_another_origin
    user = app.ask(page, "signUp", "totp@example.com", PASSWORD)["body"]["user"]
    app.give_note(user["id"])

    phone = pyotp.TOTP(app.ask(page, "call", "POST", "/v1/auth/totp")["body"]["secret"])
    codes = app.ask(page, "call", "POST", "/v1/auth/totp/confirm", {"code": phone.now()})["body"]["recovery_codes"]
    raised = app.ask(page, "refresh")["body"]
    asked = app.ask(page, "signIn", "totp@example.com", PASSWORD)
    before = app.ask(page, "read", user["id"])["status"]
    code = phone.at(int(time.time()) + 30)  # The next code is already valid, and the present code was used.
    ended = app.ask(page, "endSignIn", "second-factor", {"challenge": asked["body"]["challenge"], "code": code})

    assert (raised["aal"], len(codes), before) == (2, 10, 404)
    assert (asked["status"], asked["body"]["code"]) == (401, "second_factor_required")
    assert (ended["status"], ended["body"]["amr"]) == (200, ["pwd", "otp", "mfa"])
    assert app.reads_note(page, user["id"])


def test_a_proof_by_a_code_opens_a_document_that_a_rule_keeps_for_two_factors(
    app_of_another_origin: App, page: Page
) -> None:
    app = app_of_another_origin
    user = app.ask(page, "signUp", "step-up@example.com", PASSWORD)["body"]["user"]
    app.give_note(user["id"])
    elsewhere = page.context.new_page()  # This page is in a separate session, which turns the second factor on.
    app.open(elsewhere)
    app.ask(elsewhere, "signIn", "step-up@example.com", PASSWORD)
    phone = pyotp.TOTP(app.ask(elsewhere, "call", "POST", "/v1/auth/totp")["body"]["secret"])
    app.ask(elsewhere, "call", "POST", "/v1/auth/totp/confirm", {"code": phone.now()})
    app.set_rules(get=f"{OWN_NOTES['get']} && auth.aal == 2")
    try:
        refreshed = app.ask(page, "refresh")["body"]
        before = app.reads_note(page, user["id"])
        wrong = app.ask(page, "stepUp", "000000")
        unchanged = app.reads_note(page, user["id"])
        raised = app.ask(page, "stepUp", phone.at(int(time.time()) + 30))
        after = app.reads_note(page, user["id"])
        kept = app.ask(page, "refresh")["body"]
    finally:
        app.set_rules()

    assert (refreshed["aal"], before, unchanged) == (1, False, False)
    assert (wrong["status"], wrong["body"]["code"]) == (403, "wrong_proof")
    assert (raised["status"], raised["body"]["aal"], after) == (200, 2, True)
    assert (kept["aal"], kept["amr"]) == (2, ["pwd", "otp", "mfa"]), "the session keeps both factors"


def test_a_project_that_needs_a_second_factor_lets_a_user_set_it_up_at_the_sign_in(
    app_of_another_origin: App, page: Page
) -> None:
    app = app_of_another_origin
    app.change_settings(second_factor="required")
    try:
        asked = app.ask(page, "signUp", "required@example.com", PASSWORD)["body"]
        secret = app.ask(page, "endSignIn", "enrolment", {"challenge": asked["challenge"]})["body"]["secret"]
    finally:
        app.change_settings(second_factor=None)
    sent = {"challenge": asked["challenge"], "code": pyotp.TOTP(secret).now()}
    enrolled = app.ask(page, "endSignIn", "enrolment/confirm", sent)["body"]
    app.give_note(enrolled["user"]["id"])

    assert asked["code"] == "mfa_enrolment_required"
    assert (enrolled["aal"], len(enrolled["recovery_codes"])) == (2, 10)
    assert app.reads_note(page, enrolled["user"]["id"])
