"""A user with two tabs stays signed in, although both tabs use the same refresh token at the same time."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page

from tests.e2e.auth.app import PASSWORD, App

EVE = "two-tabs@example.com"


def both(tabs: tuple[Page, Page], call: str) -> list[Any]:
    """Call a function of the app in both tabs at once, and return both results."""
    for tab in tabs:
        tab.evaluate(f"() => {{ window.called = app.{call} }}")
    return [tab.evaluate("() => window.called") for tab in tabs]


def test_two_tabs_that_refresh_at_once_stay_signed_in(app_of_another_origin: App, page: Page) -> None:
    app = app_of_another_origin
    eve = app.ask(page, "signUp", EVE, PASSWORD)["body"]["user"]["id"]
    app.give_note(eve)
    with page.context.expect_page() as opening:  # A duplicated tab begins with a copy of the sessionStorage.
        page.evaluate("() => void window.open(location.href)")
    tabs = page, opening.value
    opening.value.wait_for_function("() => window.app && sessionStorage.getItem('refresh_token')")

    for _ in range(4):
        first, second = both(tabs, "refresh()")
        assert (first["status"], second["status"]) == (200, 200)
        assert first["body"]["refresh_token"] == second["body"]["refresh_token"], "both continue the same session"
        assert [one["status"] for one in both(tabs, f"read('{eve}')")] == [200, 200]

    # One tab is faster: it uses the new pair before the other tab sends the old token.
    assert app.ask(page, "refresh")["status"] == 200
    assert app.reads_note(page, eve)
    assert app.ask(opening.value, "refresh")["status"] == 200
    assert all(app.reads_note(tab, eve) for tab in tabs)
    assert len(app.ask(page, "call", "GET", "/v1/auth/sessions")["body"]["items"]) == 1
