"""A user signs in by text message. The project has no hook, so the mailbox of dev mode gets the messages."""

from __future__ import annotations

from playwright.sync_api import Page

from tests.e2e.auth.app import App
from tests.e2e.instance import poll

PHONE = "+491701234567"


def test_a_user_signs_up_by_text_message_and_reads_a_document(app_of_another_origin: App, page: Page) -> None:
    app = app_of_another_origin
    before = app.ask(page, "call", "POST", "/v1/auth/phone", {"phone": PHONE})
    app.change_settings(phone={"countries": ["DE"]})
    abroad = app.ask(page, "call", "POST", "/v1/auth/phone", {"phone": "+44 7400 123456"})

    def codes() -> list[str]:
        asked = {"to": PHONE, "project": app.project}
        items = app.instance.http.get("/api/dev/mail", params=asked).raise_for_status().json()["items"]
        return [item["text"].strip() for item in items]

    asked = app.ask(page, "call", "POST", "/v1/auth/phone", {"phone": "+49 (0)170 123 45 67"})
    code = poll(codes, what="a text message with a code")[0]
    wrong = app.ask(page, "signedIn", "POST", "/v1/auth/login/phone", {"phone": PHONE, "code": f"{code[:5]}x"})
    user = app.ask(page, "signedIn", "POST", "/v1/auth/login/phone", {"phone": PHONE, "code": code})["body"]["user"]
    app.give_note(user["id"])
    app.set_rules(get="auth != null && auth.uid == doc.owner && auth.provider == 'phone'")

    try:
        assert (before["status"], before["body"]["code"]) == (422, "phone_not_configured")
        assert (abroad["status"], abroad["body"]["code"]) == (422, "phone_not_allowed")
        assert (asked["status"], wrong["body"]["code"]) == (202, "invalid_code")
        assert (user["phone"], user["email"]) == (PHONE, None)
        assert app.reads_note(page, user["id"])
    finally:
        app.set_rules()
        app.change_settings(phone=None)
