"""Cookie mode in Chromium: a page on the same site, and an app that renders its pages on its own server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from tests.e2e.auth.app import PASSWORD, App
from tests.e2e.auth.rendered import rendered_app

ROSE = "rose@example.com"


@pytest.fixture(scope="module")
def cookie_app(app_of_another_origin: App) -> Iterator[tuple[App, str, str]]:
    """Yield the app with cookie mode, the address of the app with a server, and the id of a user with a note."""
    app = app_of_another_origin
    with rendered_app(app) as rendered:
        app.change_settings(cookies=True, redirect_urls=[app.url, rendered])
        new = {"email": ROSE, "password": PASSWORD}
        rose = app.instance.http.post("/v1/auth/signup", json=new, headers=app.server).raise_for_status().json()
        app.give_note(rose["user"]["id"])
        yield app, rendered, rose["user"]["id"]
        app.change_settings(cookies=None, redirect_urls=[app.url])


def test_a_page_signs_in_by_cookie_reads_in_two_tabs_and_signs_out(
    cookie_app: tuple[App, str, str], page: Page
) -> None:
    app, _, rose = cookie_app
    note = f"/v1/data/notes/{rose}"
    assert app.ask(page, "byCookie", "GET", note)["status"] == 404
    signed_in = app.ask(page, "byCookie", "POST", "/v1/auth/login?cookies=1", {"email": ROSE, "password": PASSWORD})
    assert (signed_in["status"], sorted(signed_in["body"])) == (200, ["aal", "amr", "user"])

    with page.context.expect_page() as opening:
        page.evaluate("() => void window.open(location.href)")
    tabs = (page, opening.value)
    opening.value.wait_for_function("() => window.app")
    for tab in tabs:
        tab.evaluate("path => { window.called = app.byCookie('GET', path) }", note)
    assert [tab.evaluate("() => window.called")["body"]["text"] for tab in tabs] == [f"a note of {rose}"] * 2
    assert page.evaluate("() => document.cookie") == "", "no script can read the cookie"
    for tab in tabs:  # Both tabs replace the cookie at the same time.
        tab.evaluate("() => { window.called = app.byCookie('POST', '/v1/auth/refresh?cookies=1', {}) }")
    assert [tab.evaluate("() => window.called")["status"] for tab in tabs] == [200, 200]
    assert [app.ask(tab, "byCookie", "GET", note)["status"] for tab in tabs] == [200, 200]

    assert app.ask(page, "byCookie", "POST", "/v1/auth/logout", {}, {})["body"]["code"] == "csrf_refused"
    assert app.ask(page, "byCookie", "POST", "/v1/auth/logout", {})["status"] == 204
    assert [app.ask(tab, "byCookie", "GET", note)["status"] for tab in tabs] == [404, 404]
    assert page.context.cookies() == []


def test_a_page_of_another_port_can_neither_read_nor_write_with_the_cookie(
    cookie_app: tuple[App, str, str], page: Page
) -> None:
    app, rendered, rose = cookie_app
    login = {"email": ROSE, "password": PASSWORD}
    assert app.ask(page, "byCookie", "POST", "/v1/auth/login?cookies=1", login)["status"] == 200
    app.change_settings(redirect_urls=[rendered])  # The page is of a foreign origin now, on the same site.
    try:
        page.wait_for_function(f"() => app.byCookie('GET', '/v1/data/notes/{rose}').then(() => false, () => true)")
        written = page.evaluate(
            f"() => app.byCookie('PATCH', '/v1/data/notes/{rose}', {{}}).then(() => 'read', e => e.name)"
        )
        assert written == "TypeError", "the preflight does not allow credentials"
    finally:
        app.change_settings(redirect_urls=[app.url, rendered])


def test_an_app_that_renders_its_pages_on_its_server_shows_the_note_of_the_user(
    cookie_app: tuple[App, str, str], page: Page
) -> None:
    _, rendered, rose = cookie_app
    page.goto(rendered)
    page.locator("[name=email]").fill(ROSE)
    page.locator("[name=password]").fill(PASSWORD)
    page.get_by_text("Sign in").click()
    page.get_by_text(f"a note of {rose}").wait_for()
    other = page.context.new_page()
    other.goto(rendered)
    other.get_by_text(f"a note of {rose}").wait_for()
    other.close()

    page.get_by_text("Sign out").click()
    page.get_by_text("Sign in").wait_for()
    assert page.context.cookies() == []
