"""A sign-in in a separate window: with a real OpenID Connect provider, in Chromium, against one running BunBase."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from bunbase.pkg.bun import find_bun
from tests.e2e.browser import chromium
from tests.e2e.conftest import dev_instance
from tests.e2e.instance import Instance, poll
from tests.sdk_js.sites import Site, prepared
from tests.sdk_js.strict_server import StrictServer

PROVIDER: Final = Path(__file__).parents[1] / "bunauth/whole/provider.mjs"
# `left` counts the channels, timers and listeners that a sign-in could leave behind.
COUNTED: Final = """
    window.left = 0;
    window.BroadcastChannel = class extends BroadcastChannel {
        constructor(name) { super(name); left++; }
        close() { super.close(); left--; }
    };
    const begin = setInterval, end = clearInterval, running = new Set();
    window.setInterval = (...given) => { const id = begin(...given); running.add(id); left++; return id; };
    window.clearInterval = id => { if (running.delete(id)) left--; end(id); };
"""
PAGE: Final = """<!doctype html><title>app</title><button>Sign in</button><script type=module>
    import { createClient } from "/bundles/index.js";
    window.client = createClient(%r, %r);
    window.answers = [];
    document.querySelector("button").onclick = () => begin(client.auth).then(
        user => answers.push(user.email), problem => answers.push(problem.code));
</script>"""
COMES_BACK: Final = """<!doctype html><title>signed in</title><script type=module>
    import { createClient } from "/bundles/index.js";
    window.client = createClient(%r, %r);
    await client.auth.finishRedirect().catch(problem => { document.title = problem.code; });
</script>"""


class App:
    """The page of the app, at the origin of the strict server, in its own profile."""

    def __init__(self, context: BrowserContext, strict: StrictServer) -> None:
        self.context = context
        self.page = context.new_page()
        self.page.goto(strict.url)
        self.page.wait_for_function("() => window.client")

    def click(self, call: str) -> None:
        """Make `call` in the handler of a click on a button."""
        self.page.evaluate(f"() => {{ window.begin = auth => {call}; }}")
        self.page.get_by_role("button", name="Sign in").click()

    def window(self, call: str) -> Page:
        """Make `call` in the handler of a click on a button, and return the window that the call opens."""
        with self.context.expect_page() as opening:
            self.click(call)
        return opening.value

    def answer(self) -> Any:
        """Return the email of the user, or the code of the problem. The sign-in must leave nothing behind."""
        self.page.wait_for_function("() => answers.length === 1")
        poll(lambda: self.page.evaluate("() => left") == 0 and self.context.pages == [self.page])
        return self.page.evaluate("() => answers.pop()")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """Yield a project with a provider, and with a provider that removes the `opener` of its page."""
    with dev_instance() as instance:
        # The providers of these tests are on this machine.
        instance.commands["dev"][1]["BUNBASE_TENANT_AUTH__PROVIDER_HOSTS"] = '["localhost"]'
        site = prepared(instance.start())
        with provider(site, "plain") as plain, provider(site, "isolated") as isolated:
            change_settings(instance, site, providers={"plain": plain, "isolated": isolated})
            yield site


@contextmanager
def provider(site: Site, name: str) -> Iterator[dict[str, str]]:
    """Yield the settings of a running provider."""
    callback = f"{site.url}/v1/auth/oauth/{name}/callback"
    command = [
        str(find_bun()),
        str(PROVIDER),
        callback,
        "localhost",
        "ask",
        *(["isolated"] if name == "isolated" else []),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            issuer = next(line.strip() for line in process.stdout if line.startswith("http"))
            yield {"issuer": issuer, "client_id": "bunbase", "client_secret": "a secret: of the client/+"}
        finally:
            process.terminate()


def change_settings(instance: Instance, site: Site, **settings: Any) -> None:
    account = {"email": "ada@example.com", "password": "correct horse battery"}
    token = instance.http.post("/api/auth/login", json=account).raise_for_status().json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    instance.http.patch(f"/api/projects/{site.project}/auth", json=settings, headers=headers).raise_for_status()


@pytest.fixture
def app(browser: Browser, site: Site, strict: StrictServer) -> Iterator[App]:
    strict.pages |= {"/": PAGE % (site.url, site.key), "/signed-in": COMES_BACK % (site.url, site.key)}
    context = browser.new_context()
    context.set_default_timeout(20_000)
    context.add_init_script(COUNTED)
    errors: list[str] = []
    context.on("weberror", lambda error: errors.append(str(error.error)))
    yield App(context, strict)
    context.close()
    assert errors == []


@pytest.mark.parametrize("name", ["plain", "isolated"])
def test_a_window_at_a_provider_signs_in_the_page_that_opened_it(app: App, name: str) -> None:
    # When Chromium is driven from outside, it reports that every page has the focus.
    app.page.evaluate("() => { document.hasFocus = () => false; }")

    window = app.window(f"auth.signInWith('{name}', {{ popup: true, redirectTo: location.origin + '/signed-in' }})")
    window.get_by_role("heading", name="Sign in at the provider").wait_for()
    assert window.evaluate("() => opener === null") is (name == "isolated")
    window.get_by_role("button", name="ada").click()

    assert app.answer() == "ada@example.com"
    assert app.page.evaluate("() => client.auth.user.email") == "ada@example.com"
    assert app.page.evaluate("() => [localStorage.length, sessionStorage.length, location.search]") == [1, 0, ""]


def test_a_window_at_the_sign_in_page_signs_in_the_page_that_opened_it(app: App) -> None:
    account = {"email": "wanda@example.com", "password": "apples and pears"}
    app.page.evaluate("async account => { await client.auth.signUp(account); await client.auth.signOut(); }", account)

    window = app.window("auth.openSignInPage({ popup: true, redirectTo: location.origin + '/signed-in' })")
    window.get_by_label("Email").fill(account["email"])
    window.get_by_label("Password").fill(account["password"])
    window.get_by_role("button", name="Sign in", exact=True).click()

    assert app.answer() == account["email"]


def test_a_window_that_is_closed_blocked_aborted_or_too_slow_ends_with_a_code_and_leaves_nothing(app: App) -> None:
    to = "popup: true, redirectTo: location.origin + '/signed-in'"

    app.window(f"auth.signInWith('plain', {{ {to} }})").close()
    assert app.answer() == "popup_closed"
    app.window(f"auth.signInWith('plain', {{ {to}, timeoutMs: 500 }})")
    assert app.answer() == "timeout"
    app.window(f"auth.signInWith('plain', {{ {to}, signal: (window.ending = new AbortController()).signal }})")
    app.page.evaluate("() => ending.abort()")
    assert app.answer() == "aborted"
    app.window("auth.signInWith('plain', { popup: true, redirectTo: 'https://elsewhere.example' })")
    assert app.answer() == "invalid_value"
    app.page.evaluate("() => { window.open = () => null; }")
    app.click(f"auth.signInWith('plain', {{ {to} }})")
    assert app.answer() == "popup_blocked"
    assert app.page.evaluate("() => [localStorage.length, sessionStorage.length]") == [0, 0]


def test_a_part_that_cannot_be_loaded_is_a_problem_of_the_network_and_closes_the_window(app: App) -> None:
    app.context.route("**/bundles/browser-*.js", lambda route: route.abort())

    app.window("auth.signInWith('plain', { popup: true, redirectTo: location.origin + '/signed-in' })")

    assert app.answer() == "network"
    assert app.page.evaluate("() => client.auth.totp.state().catch(problem => problem.code)") == "network"


def test_a_window_that_comes_back_to_nobody_says_so_and_one_that_was_refused_tells_the_page(
    app: App, strict: StrictServer
) -> None:
    alone = app.context.new_page()
    alone.goto(f"{strict.url}/signed-in?code=c&bunbase_window=nobody")
    poll(lambda: alone.title() == "popup_closed")
    alone.close()

    window = app.window("auth.signInWith('plain', { popup: true, redirectTo: location.origin + '/signed-in' })")
    window.get_by_role("button", name="ada").evaluate("button => { button.value = 'refuses'; }")
    window.get_by_role("button", name="ada").click()

    assert app.answer() == "access_denied"
