"""A visitor of an app is a user in Chromium before signing up, and keeps the documents afterwards."""

from __future__ import annotations

from playwright.sync_api import Page

from tests.e2e.auth.app import PASSWORD, App

RULE = "auth != null && auth.uid == doc.owner"


def test_a_visitor_signs_up_and_keeps_the_documents(app_of_another_origin: App, page: Page) -> None:
    app = app_of_another_origin
    app.change_settings(anonymous={"enabled": True})
    visitor = app.ask(page, "visit")["body"]["user"]
    app.give_note(visitor["id"])
    before = app.reads_note(page, visitor["id"])
    app.set_rules(get=f"{RULE} && !auth.anonymous && auth.provider == 'password'")
    as_visitor = app.reads_note(page, visitor["id"])

    joined = app.ask(page, "join", "visitor@example.com", PASSWORD)

    try:
        assert (before, as_visitor) == (True, False), "a rule tells anonymous users from others"
        assert joined["status"] == 201
        assert joined["body"]["user"]["id"] == visitor["id"]
        assert app.reads_note(page, visitor["id"])
        assert app.ask(page, "refresh")["status"] == 200
        assert app.reads_note(page, visitor["id"])
    finally:
        app.set_rules()
        app.change_settings(anonymous=None)
