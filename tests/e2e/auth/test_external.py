"""A user of an app signs in with a real OpenID Connect provider in Chromium, and reads a document under a rule.

The provider (the npm package oidc-provider) is on a different site than BunBase, and the app has its own origin.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Page

from bunbase.pkg.bun import find_bun
from tests.e2e.auth.app import PASSWORD, App

PROGRAM: Final = Path(__file__).parents[2] / "bunauth/whole/provider.mjs"
NAMES: Final = ("plain", "posting")  # The provider "posting" answers with a form, as Apple does.


@pytest.fixture(scope="module")
def app_with_providers(app_of_another_origin: App) -> Iterator[App]:
    app = app_of_another_origin
    callbacks = ",".join(f"{app.instance.url}/v1/auth/oauth/{name}/callback" for name in NAMES)
    command = [str(find_bun()), str(PROGRAM), callbacks, "localhost", "ask"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            issuer = next(line.strip() for line in process.stdout if line.startswith("http"))
            one = {"issuer": issuer, "client_id": "bunbase", "client_secret": "a secret: of the client/+"}
            posting = one | {"options": {"response_mode": "form_post"}}
            app.change_settings(providers={"plain": one, "posting": posting})
            yield app
        finally:
            app.change_settings(providers=None)
            process.terminate()


def signed_in_by(app: App, page: Page, provider: str, person: str, link: str = "") -> dict[str, Any]:
    """Leave the app's page, choose a person at the provider, and come back. Return the answer of the exchange."""
    app.ask(page, "signInBy", provider, link)
    page.get_by_role("heading", name="Sign in at the provider").wait_for()
    with page.expect_navigation(url=f"{app.url}/**"):
        page.get_by_role("button", name=person).click()
    answer: dict[str, Any] = app.ask(page, "exchange")
    return answer


def test_a_user_signs_in_at_a_provider_and_reads_a_document(app_with_providers: App, page: Page) -> None:
    app = app_with_providers
    first = signed_in_by(app, page, "plain", "ada")
    ada = first["body"]["user"]
    app.give_note(ada["id"])
    app.give_note("usr_somebody")
    shown = page.url
    page.context.clear_cookies()
    posted = signed_in_by(app, page, "posting", "ada")

    assert (first["status"], ada["email"], ada["email_verified"]) == (200, "ada@example.com", True)
    assert "code" not in shown
    assert posted["body"]["user"]["id"] == ada["id"], "the same address, verified by both sides"
    assert app.reads_note(page, ada["id"])
    assert not app.reads_note(page, "usr_somebody")


def test_a_user_with_a_password_links_a_person_without_an_address_and_signs_in_by_it(
    app_with_providers: App, page: Page
) -> None:
    app = app_with_providers
    eve = app.ask(page, "signUp", "linking@example.com", PASSWORD)["body"]["user"]
    app.give_note(eve["id"])
    ticket = app.ask(page, "call", "POST", "/v1/auth/identities/link", {"provider": "plain"})["body"]["ticket"]
    linked = signed_in_by(app, page, "plain", "nobody", ticket)
    page.context.clear_cookies()
    again = signed_in_by(app, page, "plain", "nobody")
    identities = app.ask(page, "call", "GET", "/v1/auth/identities")["body"]["items"]

    assert linked["body"]["user"]["id"] == again["body"]["user"]["id"] == eve["id"]
    assert [one["provider"] for one in identities] == ["plain"]
    assert app.reads_note(page, eve["id"])
