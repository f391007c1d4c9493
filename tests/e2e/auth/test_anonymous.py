"""A visitor of an app is a user in Chromium before signing up, and keeps the documents afterwards."""

from __future__ import annotations

import re

from playwright.sync_api import Page

from tests.e2e.auth.app import PASSWORD, App
from tests.e2e.instance import poll

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


def test_a_visitor_keeps_the_documents_with_a_code_of_a_mail(app_of_another_origin: App, page: Page) -> None:
    app = app_of_another_origin
    app.change_settings(anonymous={"enabled": True})
    visitor = app.ask(page, "visit")["body"]["user"]
    app.give_note(visitor["id"])
    app.ask(page, "call", "POST", "/v1/auth/code", {"email": "coder@example.com"})

    def codes() -> list[str]:
        asked = {"to": "coder@example.com", "project": app.project}
        mails = app.instance.http.get("/api/dev/mail", params=asked).raise_for_status().json()["items"]
        return [found[0] for mail in mails if (found := re.search(r"\b\d{6}\b", mail["text"]))]

    code = {"email": "coder@example.com", "code": poll(codes, what="a mail with a code")[0]}
    joined = app.ask(page, "upgrade", "/v1/auth/login/code", code)

    try:
        assert joined["status"] == 200, joined
        assert (joined["body"]["user"]["id"], joined["body"]["user"]["anonymous"]) == (visitor["id"], False)
        assert app.reads_note(page, visitor["id"])
    finally:
        app.change_settings(anonymous=None)
