"""One server, one project and one app of another origin, for all journeys of end users."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.e2e.auth.app import App, app_on
from tests.e2e.browser import chromium
from tests.e2e.conftest import dev_instance
from tests.tenant_auth.siteverify import site_verify


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="package")
def app_of_another_origin() -> Iterator[App]:
    """Yield the app. All tests share its users, so each test uses new addresses and does not change the rules."""
    with dev_instance() as instance, site_verify() as captchas:
        # The sign-in provider of these tests is on this machine.
        instance.commands["dev"][1]["BUNBASE_TENANT_AUTH__PROVIDER_HOSTS"] = '["localhost"]'
        urls = json.dumps({"turnstile": captchas.url})
        instance.commands["dev"][1]["BUNBASE_TENANT_AUTH__CAPTCHA_URLS"] = urls
        with app_on(instance.start()) as app:
            yield app


@pytest.fixture
def page(browser: Browser, app_of_another_origin: App) -> Iterator[Page]:
    """Yield the page of the app in a fresh browser. The test fails if a page of BunBase breaks its own policy."""
    context = browser.new_context()
    context.set_default_timeout(20_000)
    found = context.new_page()
    errors: list[str] = []
    context.on("console", lambda message: errors.append(message.text))
    app_of_another_origin.open(found)
    try:
        yield found
        assert [error for error in errors if "Content Security Policy" in error] == []
    finally:
        context.close()
