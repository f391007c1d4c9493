"""Open pages of a hostile function in Chromium. The hostile pages attack pages of BunBase and of other projects."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, BrowserContext

from tests.e2e.browser import chromium
from tests.e2e.instance import Instance

PAGES = Path(__file__).parent / "pages"
ATTACKS = (PAGES / "attacks.js").read_text()
HOSTILE = (PAGES / "hostile.cjs").read_bytes()
PLAIN = b"module.exports.default = (r) => Response.json({ url: r.url, cookie: r.headers.get('cookie') })"

# Pages and routes of BunBase itself. Add every new page here (a console, consent, sign-in).
VICTIMS = (
    "/api/auth/me",
    "/api/health",
    "/api/openapi.json",
    "/v1/auth/me",
    "/v1/data/papers",
    "/account/forgot-password",
    "/invite",
    "/oauth/authorize",
    "/oauth/consent",
)
# Routes that sign in or register; a form on a hostile page must get nothing from them.
FORMS = (
    "/api/auth/login",
    "/api/auth/register",
    "/api/invites/register",
    "/v1/auth/login",
    "/v1/auth/signup",
    "/v1/auth/ui",
    "/rpc",
    "/account/forgot-password",
    "/invite",
    "/invite/open",
    "/invite/send",
    "/oauth/sign-in",
)
TYPES = ("application/x-www-form-urlencoded", "multipart/form-data", "text/plain")

PATIENCE_SECONDS = 20.0

NAME = "bb_console"  # A cookie of BunBase has this name.
STORED = "of the console"


@dataclass(frozen=True)
class Town:
    """An instance with two projects. `url` is the shared host; `hostile` and `other` are projects with id and slug."""

    url: str
    port: int
    hostile: dict[str, Any]
    other: dict[str, Any]

    def shared(self, path: str, project: dict[str, Any]) -> str:
        return f"{self.url}/v1/functions/{path}?{urlencode({'project': project['id']})}"

    def own(self, path: str, project: dict[str, Any]) -> str:
        return f"http://{project['slug']}.fn.localhost:{self.port}/{path}"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def town(browser: Browser) -> Iterator[Town]:
    """Yield an instance with two projects. Without a browser no instance is started."""
    home = Path(tempfile.mkdtemp(prefix="bb-pages-", dir="/tmp"))
    home.chmod(0o755)
    instance = Instance("one", home)
    url = f"http://localhost:{instance.port}"
    instance.commands["dev"][1].update(
        {"BUNBASE_GATEWAY__PUBLIC_URL": url, "BUNBASE_FUNCTIONS__HOST": "*.fn.localhost"}
    )
    try:
        instance.start()
        yield Town(url, instance.port, _project(instance, "hostile"), _project(instance, "other"))
    finally:
        instance.close()
        shutil.rmtree(home, ignore_errors=True)


def _project(instance: Instance, name: str) -> dict[str, Any]:
    account = {"email": f"{name}@example.com", "password": "correct horse battery"}
    signed_in = instance.http.post("/api/auth/register", json=account).raise_for_status().json()
    developer = {"Authorization": f"Bearer {signed_in['access_token']}"}
    made: dict[str, Any] = instance.http.post("/api/projects", json={"name": name}, headers=developer).json()
    for function, code in (("hostile", HOSTILE), ("plain", PLAIN)):
        files: dict[str, Any] = {"bundle": ("f.js", code), "config": (None, b'{"access": "public"}')}
        path = f"/api/projects/{made['id']}/functions/{function}"
        instance.http.put(path, files=files, headers=developer).raise_for_status()
    return made


@pytest.fixture
def context(browser: Browser, town: Town) -> Iterator[BrowserContext]:
    """Yield a browser context with a cookie and a stored token of a console on the shared host."""
    context = browser.new_context()
    context.set_default_timeout(PATIENCE_SECONDS * 1000)
    context.add_cookies(
        [{"name": NAME, "value": STORED, "url": town.url, "httpOnly": True, "sameSite": "Lax"}],
    )
    page = context.new_page()
    page.goto(f"{town.url}/api/health")
    page.evaluate("value => localStorage.setItem('bb_token', value)", STORED)
    page.close()
    try:
        yield context
    finally:
        context.close()


def ours_is_untouched(context: BrowserContext, town: Town) -> None:
    """Assert that the cookie and the storage are unchanged and that no service worker is registered."""
    cookies = context.cookies(town.url)
    assert [(one["name"], one["value"]) for one in cookies if "bb_" in one["name"] or "bb_" in one["value"]] == [
        (NAME, STORED)
    ]
    page = context.new_page()
    page.goto(f"{town.url}/api/health")
    assert page.evaluate("localStorage.getItem('bb_token')") == STORED
    assert "ok" in page.content()
    assert page.evaluate("navigator.serviceWorker.getRegistrations().then(found => found.length)") == 0
    page.close()


def victims_of(town: Town) -> list[str]:
    others = [town.own("plain", town.other), town.shared("plain", town.other), town.shared("plain", town.hostile)]
    return [town.url + path for path in VICTIMS] + others


@pytest.mark.parametrize("own_host", [False, True], ids=["shared host", "own host"])
def test_a_hostile_page_reads_no_data_of_other_pages_and_projects(
    context: BrowserContext, town: Town, own_host: bool
) -> None:
    """The page tries fetch with credentials, iframe, window.open, service worker, storage and cookie tossing."""
    at = town.own if own_host else town.shared
    page = context.new_page()
    page.goto(at("hostile", town.hostile))

    got = page.evaluate(ATTACKS, {"victims": victims_of(town), "worker": at("hostile/sw.js", town.hostile)})

    # Any website may read these without credentials: public answers, and refusals of anonymous callers.
    read = {name: text for name, text in got.items() if name.startswith("fetch ")}
    assert {name: text for name, text in got.items() if name not in read} == {}
    for name, text in read.items():
        assert STORED not in text, name
        assert "bb_" not in text, name
    ours_is_untouched(context, town)


@pytest.mark.parametrize("own_host", [False, True], ids=["shared host", "own host"])
def test_a_hostile_page_cannot_read_the_page_that_opened_or_framed_it(
    context: BrowserContext, town: Town, own_host: bool
) -> None:
    """The browser blocks access through `opener`, `parent` and `top`."""
    address = (town.own if own_host else town.shared)("hostile", town.hostile)
    ours = context.new_page()
    ours.goto(f"{town.url}/api/health")

    with context.expect_page() as opening:
        ours.evaluate("address => void window.open(address)", address)
    opened = opening.value
    opened.wait_for_load_state()
    ours.evaluate(
        """address => new Promise(loaded => {
            const frame = document.createElement("iframe");
            frame.onload = loaded;
            frame.src = address;
            document.body.append(frame);
        })""",
        address,
    )
    framed = ours.frames[1]

    reach = """() => { const seen = []; for (const one of [window.opener, window.parent, window.top]) {
        if (!one || one === window) continue;
        try { seen.push(one.document.body.innerText + one.localStorage.bb_token) } catch {}
    } return seen }"""
    assert opened.evaluate("() => !!window.opener")
    assert opened.evaluate(reach) == []
    assert framed.evaluate(reach) == []
    ours_is_untouched(context, town)


@pytest.mark.parametrize("own_host", [False, True], ids=["shared host", "own host"])
def test_every_form_of_a_hostile_page_to_a_sign_in_route_is_refused(
    context: BrowserContext, town: Town, own_host: bool
) -> None:
    """A browser sends forms across origins, and adds cookies that are not SameSite."""
    page = context.new_page()
    page.goto((town.own if own_host else town.shared)("hostile", town.hostile))
    answers: dict[str, list[int]] = {town.url + victim: [] for victim in FORMS}
    page.on("response", lambda response: answers[response.url].append(response.status))

    page.evaluate(SUBMIT, [list(answers), TYPES])
    end = time.monotonic() + PATIENCE_SECONDS
    while sum(map(len, answers.values())) < len(FORMS) * len(TYPES):
        assert time.monotonic() < end, answers
        page.wait_for_timeout(20)  # This processes the events of the browser.

    assert [one for one in answers.items() if not all(400 <= status < 500 for status in one[1])] == []
    ours_is_untouched(context, town)


# This sends each form into a separate frame. The text of the frame is JSON if the form is sent as plain text.
SUBMIT = """([addresses, types]) => {
    for (const address of addresses) for (const type of types) {
        const frame = Object.assign(document.createElement("iframe"), { name: `${address} ${type}` });
        document.body.append(frame);
        const form = Object.assign(document.createElement("form"), {
            action: address, method: "post", enctype: type, target: frame.name,
        });
        const field = { name: '{"email":"a@b.example","password":"correct horse battery","x":"', value: '"}' };
        form.append(Object.assign(document.createElement("input"), field));
        document.body.append(form);
        form.submit();
    }
}"""


@pytest.mark.parametrize("own_host", [False, True], ids=["shared host", "own host"])
def test_cookies_and_headers_of_a_hostile_function_affect_only_its_own_answers(
    context: BrowserContext, town: Town, own_host: bool
) -> None:
    """The function cannot read or set cookies of BunBase."""
    at = town.own if own_host else town.shared
    page = context.new_page()
    answer = page.goto(at("hostile", town.hostile))
    assert answer is not None
    page.goto(at("hostile/told", town.hostile))
    told = json.loads(page.inner_text("body"))["headers"]
    page.goto(at("hostile/told", town.other))
    other = json.loads(page.inner_text("body"))["headers"]
    refused = page.goto(at("hostile/401", town.hostile))
    assert refused is not None

    sent = {name: value for name, value in answer.all_headers().items() if name != "set-cookie"}
    assert not sent.keys() & {"service-worker-allowed", "clear-site-data", "strict-transport-security", "alt-svc"}
    assert not sent.keys() & {"nel", "report-to", "origin-agent-cluster", "link", "www-authenticate"}
    assert sent["x-content-type-options"] == "nosniff"
    assert sent["x-request-id"].startswith("req_")
    assert ("sandbox" in sent.get("content-security-policy", "")) is not own_host
    assert refused.status == 401
    cookies = {pair.strip() for pair in told.get("cookie", "").split(";")}
    assert cookies == {"mine=1", "wide=1"}
    assert "cookie" not in other
    assert {one["name"] for one in context.cookies(town.url)} >= {NAME}
    ours_is_untouched(context, town)


def test_a_page_on_its_projects_own_host_has_storage_cookies_and_service_workers(
    context: BrowserContext, town: Town
) -> None:
    """The setting functions.host gives each project its own host, and therefore its own origin."""
    page = context.new_page()
    page.goto(town.own("hostile", town.hostile))

    page.evaluate("localStorage.setItem('a', '1'); document.cookie = 'b=2'")
    scope = page.evaluate(
        "worker => navigator.serviceWorker.register(worker).then(made => made.scope)", "/hostile/sw.js"
    )

    assert page.evaluate("localStorage.getItem('a') + document.cookie").startswith("1")
    assert scope == town.own("hostile/", town.hostile)
    assert page.evaluate("fetch('/api/health').then(answer => answer.status)") == 404


def test_a_page_on_the_shared_host_has_no_storage(context: BrowserContext, town: Town) -> None:
    """The sandbox of the page causes this; docs/functions.md describes it."""
    page = context.new_page()
    page.goto(town.shared("hostile", town.hostile))

    assert page.evaluate("window.origin") == "null"
    assert (
        page.evaluate("(() => { try { return localStorage.length } catch (e) { return e.name } })()") == "SecurityError"
    )
