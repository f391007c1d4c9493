"""A user signs in without a password: with the code of a mail, and with the link of a mail."""

from __future__ import annotations

import re

from playwright.sync_api import Page

from tests.e2e.auth.app import PASSWORD, App
from tests.e2e.instance import poll

FAY, GUS = "fay@example.com", "gus@example.com"


def test_a_user_signs_up_with_a_code_and_reads_a_document(app_of_another_origin: App, page: Page) -> None:
    app = app_of_another_origin

    def codes() -> list[str]:
        asked = {"to": FAY, "project": app.project}
        mails = app.instance.http.get("/api/dev/mail", params=asked).raise_for_status().json()["items"]
        return [found[0] for mail in mails if (found := re.search(r"\b\d{6}\b", mail["text"]))]

    app.ask(page, "call", "POST", "/v1/auth/code", {"email": FAY})
    code = poll(codes, what="a mail with a code")[0]
    wrong = app.ask(page, "signedIn", "POST", "/v1/auth/login/code", {"email": FAY, "code": f"{code[:5]}x"})
    fay = app.ask(page, "signedIn", "POST", "/v1/auth/login/code", {"email": FAY, "code": code})["body"]["user"]
    app.give_note(fay["id"])

    assert (wrong["status"], wrong["body"]["code"]) == (401, "invalid_code")
    assert app.reads_note(page, fay["id"])


def test_only_the_button_behind_a_link_signs_in_and_leads_to_the_app(app_of_another_origin: App, page: Page) -> None:
    app = app_of_another_origin
    gus = app.ask(page, "signUp", GUS, PASSWORD)["body"]["user"]
    app.give_note(gus["id"])
    app.instance.http.patch(f"/v1/auth/users/{gus['id']}", json={"email_verified": True}, headers=app.server)
    app.ask(page, "call", "POST", "/v1/auth/link", {"email": GUS, "redirect_to": page.url})
    link = app.link(GUS, "sign-in-link")
    scanner = [app.instance.http.get(link).status_code for _ in range(2)]

    page.goto(link)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{app.url}/**")
    page.evaluate("sessionStorage.clear()")
    token = re.search(r"token=([^&]+)", page.url)
    assert token is not None
    user = app.ask(page, "signedIn", "POST", "/v1/auth/login/link", {"token": token[1]})["body"]["user"]
    again = app.ask(page, "call", "POST", "/v1/auth/login/link", {"token": token[1]})

    assert scanner == [200, 200]
    assert (user["id"], again["body"]["code"]) == (gus["id"], "link_expired")
    assert app.reads_note(page, gus["id"])
