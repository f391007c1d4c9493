"""A user changes the address with the links of two mails, and then deletes the account."""

from __future__ import annotations

from playwright.sync_api import Page

from tests.e2e.auth.app import PASSWORD, App

DAN, NEW = "dan@example.com", "dan@new.example"


def test_a_user_changes_the_address_by_two_mails_reads_a_document_and_deletes_the_account(
    app_of_another_origin: App, page: Page
) -> None:
    app = app_of_another_origin
    dan = app.ask(page, "signUp", DAN, PASSWORD)["body"]["user"]
    app.give_note(dan["id"])
    at = f"/v1/auth/users/{dan['id']}"
    app.instance.http.patch(at, json={"email_verified": True}, headers=app.server).raise_for_status()
    app.ask(page, "signIn", DAN, PASSWORD)  # The change of the address has ended the token.
    app.ask(page, "call", "POST", "/v1/auth/email", {"email": NEW})
    app_page = page.url

    headings = []
    for to in (DAN, NEW):
        page.goto(app.link(to, "change-email"))
        page.get_by_role("button", name="Confirm the change").click()
        page.get_by_text("step is left").or_(page.get_by_text("is changed")).wait_for()
        headings.append(page.get_by_role("heading").inner_text())
    page.goto(app_page)
    old = app.ask(page, "signIn", DAN, PASSWORD)["status"]
    new = app.ask(page, "signIn", NEW, PASSWORD)["body"]["user"]
    reads = app.reads_note(page, dan["id"])
    deleted = app.ask(page, "call", "DELETE", "/v1/auth/me")["status"]
    after = app.ask(page, "signIn", NEW, PASSWORD)["status"]

    assert headings == ["One step is left", "Your address is changed"]
    assert (old, new["id"], new["email_verified"], reads) == (401, dan["id"], True, True)
    assert (deleted, after) == (204, 401)
