"""Sessions in one process and in many tabs, against a server on which a refresh token works once."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec
import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.e2e.browser import chromium
from tests.e2e.instance import poll
from tests.sdk_js.sites import ESBUILD, ROOT, run_program
from tests.sdk_js.strict_server import State, StrictServer

Control = Callable[..., State]
PAGES: Final = Path(__file__).parent / "pages"
TABS: Final = 6
CLIENT: Final = """async storage => {
    const { createClient } = await import("/bundles/index.js");
    const options = { retries: 0 };
    if (storage === null) options.storage = null;
    window.client = createClient(location.origin, "pk_tabs", options);
    window.whys = [];
    client.auth.onChange((user, why) => whys.push(`${why} ${user?.email ?? null}`));
    await client.auth.ready;
}"""
SIGN_IN: Final = "() => client.auth.signIn({ email: 'eve@example.com', password: 'apples and pears' })"
HOUR_LATER: Final = "() => { const now = Date.now.bind(Date); Date.now = () => now() + 3_600_000; }"
START_QUERY: Final = (
    "() => { window.answer = client.data.collection('things').query(); window.answer.catch(() => {}); }"
)
ANSWER: Final = "() => window.answer.then(page => page.bearer, error => error.code)"
NO_LOCKS: Final = "Object.defineProperty(navigator, 'locks', { value: undefined })"


def test_a_session_survives_all_that_happens_in_one_process(strict: StrictServer, folder: Path) -> None:
    strict.reset()
    command: list[str | Path] = ["node", "--expose-gc"]
    assert run_program(command, "sessions", folder, {"strict": strict.url}) == {}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def context(browser: Browser, strict: StrictServer) -> Iterator[BrowserContext]:
    """Yield an empty profile, and fail if a page of it had an error that nobody caught."""
    strict.reset()
    strict.pages["/"] = "<!doctype html><title>page</title><main></main>"
    context = browser.new_context()
    context.set_default_timeout(20_000)
    errors: list[str] = []
    context.on("weberror", lambda error: errors.append(str(error.error)))
    yield context
    context.close()
    assert errors == []


@pytest.fixture
def control(strict: StrictServer) -> Control:
    def change(**values: Any) -> State:
        answer = httpx.post(f"{strict.url}/control", content=msgspec.json.encode(values))
        return msgspec.json.decode(answer.content, type=State)

    return change


def tab(context: BrowserContext, strict: StrictServer, *, storage: Any = 0) -> Page:
    page = context.new_page()
    page.goto(strict.url)
    page.evaluate(CLIENT, storage)
    return page


@pytest.mark.parametrize("tabs", [2, TABS])
def test_tabs_that_need_a_new_token_at_once_renew_it_once(
    tabs: int, context: BrowserContext, strict: StrictServer, control: Control
) -> None:
    first = tab(context, strict)
    first.evaluate(SIGN_IN)
    pages = [first, *(tab(context, strict) for _ in range(tabs - 1))]
    control(delay_ms=50)

    for page in pages:
        page.evaluate(HOUR_LATER)
    for page in pages:
        page.evaluate(START_QUERY)
    bearers = {page.evaluate(ANSWER) for page in pages}

    state = control()
    assert (state.refreshes, state.reuses, state.anonymous) == (1, 0, 0)
    assert len(bearers) == 1
    assert {page.evaluate("() => client.auth.user.email") for page in pages} == {"eve@example.com"}


def test_tabs_without_locks_all_stay_signed_in_with_one_token(
    context: BrowserContext, strict: StrictServer, control: Control
) -> None:
    context.add_init_script(NO_LOCKS)
    first = tab(context, strict)
    first.evaluate(SIGN_IN)
    pages = [first, *(tab(context, strict) for _ in range(TABS - 1))]
    control(reuse="same", delay_ms=100)

    for page in pages:
        page.evaluate(HOUR_LATER)
    for page in pages:
        page.evaluate(START_QUERY)

    assert len({page.evaluate(ANSWER) for page in pages}) == 1
    assert control().anonymous == 0
    assert {page.evaluate("() => client.auth.user.email") for page in pages} == {"eve@example.com"}


def test_a_lock_that_a_frozen_tab_holds_for_ever_signs_nobody_out(
    context: BrowserContext, strict: StrictServer, control: Control
) -> None:
    frozen, page = tab(context, strict), tab(context, strict)
    page.evaluate(SIGN_IN)
    frozen.evaluate("""() => new Promise(held => {
        const [name] = Object.keys(localStorage);
        navigator.locks.request(name, () => (held(), new Promise(() => {})));
    })""")

    page.evaluate(HOUR_LATER)
    page.evaluate(START_QUERY)

    assert page.evaluate(ANSWER).startswith("access")
    assert control().refreshes == 1


def test_another_tab_hears_of_a_sign_in_and_of_a_sign_out(context: BrowserContext, strict: StrictServer) -> None:
    one, other = tab(context, strict), tab(context, strict)

    one.evaluate(SIGN_IN)
    poll(lambda: other.evaluate("() => whys.length") == 2)
    other.evaluate("() => client.auth.signOut()")
    poll(lambda: one.evaluate("() => whys.length") == 3)

    assert one.evaluate("() => whys") == ["initial null", "signed_in eve@example.com", "other_tab null"]
    assert other.evaluate("() => whys") == ["initial null", "other_tab eve@example.com", "signed_out null"]
    assert one.evaluate("() => localStorage.length") == 0


def test_a_page_from_the_cache_of_the_browser_has_the_session_of_now(
    context: BrowserContext, strict: StrictServer
) -> None:
    page = tab(context, strict)
    page.evaluate(SIGN_IN)
    # While a page is in the browser's cache, it hears of no change.
    page.evaluate("() => localStorage.clear()")
    assert page.evaluate("() => client.auth.user?.email") == "eve@example.com"

    page.evaluate("() => dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")

    poll(lambda: page.evaluate("() => client.auth.user === null"))
    assert page.evaluate("() => whys.at(-1)") == "other_tab null"


def test_two_clients_of_one_page_agree_and_a_stored_user_is_there_at_once(
    context: BrowserContext, strict: StrictServer
) -> None:
    page = tab(context, strict)
    page.evaluate(SIGN_IN)
    second = """async () => {
        const { createClient } = await import("/bundles/index.js");
        window.second = createClient(location.origin, "pk_tabs", { retries: 0 });
        const elsewhere = createClient(location.origin, "pk_other");
        return [second.auth.user?.email, elsewhere.auth.user];
    }"""

    assert page.evaluate(second) == ["eve@example.com", None]
    page.evaluate("() => second.auth.signOut()")
    poll(lambda: page.evaluate("() => client.auth.user === null"))


def test_the_return_of_the_network_ends_the_pause_after_a_failed_renewal(
    context: BrowserContext, strict: StrictServer, control: Control
) -> None:
    page = tab(context, strict)
    page.evaluate(SIGN_IN)
    control(refresh="offline")
    page.evaluate(HOUR_LATER)
    page.evaluate(START_QUERY)
    assert page.evaluate(ANSWER) == "network"
    control(refresh="ok")
    page.evaluate(START_QUERY)
    assert page.evaluate(ANSWER) == "network"  # The call still waits.

    page.evaluate("() => window.dispatchEvent(new Event('online'))")
    page.evaluate(START_QUERY)

    assert page.evaluate(ANSWER).startswith("access")


def test_a_page_that_may_not_store_and_a_worker_have_sessions_in_memory(
    context: BrowserContext, strict: StrictServer
) -> None:
    work = """
        const { createClient } = await import("/bundles/index.js".replace(/^/, base));
        const client = createClient(base, "pk_tabs", { retries: 0 });
        await client.auth.signIn({ email: "eve@example.com", password: "apples and pears" });
        const { bearer } = await client.data.collection("things").query();
        tell(`${bearer.slice(0, 6)} ${client.auth.user.email}`);
    """
    strict.pages["/frame"] = (
        f"<script type=module>const base = {strict.url!r}, tell = (t) => parent.postMessage(t, '*'); {work}</script>"
    )
    page = context.new_page()
    page.goto(strict.url)

    told = page.evaluate(
        """async ([base, work]) => {
        const heard = target => new Promise((done, fail) => {
            target.addEventListener("message", event => done(event.data));
            setTimeout(fail, 20_000, new Error("nothing was told"));
        });
        // one after the other, because a sign-in at this server ends the session of the other
        const frame = Object.assign(document.createElement("iframe"), { sandbox: "allow-scripts", src: "/frame" });
        const fromFrame = heard(window);
        document.body.append(frame);
        const told = [await fromFrame];
        const source = `const base = ${JSON.stringify(base)}; const tell = text => postMessage(text); ${work}`;
        const blob = new Blob([source], { type: "text/javascript" });
        const worker = new Worker(URL.createObjectURL(blob), { type: "module" });
        return [...told, await heard(worker)];
    }""",
        [strict.url, work],
    )

    assert told == ["access eve@example.com"] * 2
    assert page.evaluate("() => localStorage.length") == 0


def test_the_hooks_of_react_follow_the_user_and_the_query_in_strict_mode(
    context: BrowserContext, strict: StrictServer, folder: Path, control: Control
) -> None:
    hooks: list[str | Path] = [ESBUILD, PAGES / "hooks.js", "--bundle", f"--outfile={folder}/hooks.js"]
    subprocess.run(
        [*hooks, '--define:process.env.NODE_ENV="development"', "--format=esm", "--log-level=warning"],
        check=True,
        cwd=ROOT,
    )
    strict.pages["/hooks"] = "<!doctype html><main></main><script type=module src=/bundles/hooks.js></script>"
    page = context.new_page()
    page.goto(f"{strict.url}/hooks")

    def shows(text: str) -> None:
        page.get_by_text(text, exact=True).wait_for()

    shows("a nobody nothing")
    page.evaluate(SIGN_IN)
    shows("a eve@example.com access")
    page.evaluate("() => render('b')")
    shows("b eve@example.com access")
    page.wait_for_function("() => window.always")
    of_eve = page.evaluate("() => window.always")
    control(user="fred")
    page.evaluate("() => client.auth.signIn({ email: 'fred@example.com', password: 'apples and pears' })")
    shows("b fred@example.com access")
    page.wait_for_function("of_eve => window.always && window.always !== of_eve", arg=of_eve)
    seen = page.evaluate("() => seen")
    assert f"eve@example.com sees {of_eve}" in seen
    assert f"fred@example.com sees {of_eve}" not in seen, "a page of another user"
    control(refresh="500")
    page.evaluate(HOUR_LATER)
    page.evaluate("() => reload()")
    shows("b fred@example.com internal")
    page.evaluate("() => client.auth.signOut().catch(() => {})")
    page.evaluate("() => { unmount(); client.close(); }")
