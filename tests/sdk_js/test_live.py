"""Live queries and channels of the client, against a server of the protocol in memory and a running BunBase."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx
import pytest
from playwright.sync_api import Browser, Page

from tests.e2e.browser import chromium
from tests.e2e.instance import poll
from tests.sdk_js.fault_proxy import serving
from tests.sdk_js.sites import BUN, ESBUILD, PROGRAMS, ROOT, Site, bundles, failures, removed, run_program, short_folder
from tests.sdk_js.strict_server import StrictServer
from tests.sdk_js.test_runtimes import COMMANDS, IN_A_PAGE, README

PAGES: Final = Path(__file__).parent / "pages"
PROGRAM_NAMES: Final = ("live", "live_writes", "live_refusals", "live_states", "changes_of_user")
GUIDE: Final = ROOT / "docs/live-queries.md"
PROTOCOL: Final = ROOT / "docs/live-protocol.md"


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Yield a folder with the bundles of all entries and of the page."""
    folder = bundles(short_folder())
    page: list[str | Path] = [ESBUILD, PAGES / "live.js", "--bundle", f"--outfile={folder}/page.js"]
    subprocess.run(
        [*page, '--define:process.env.NODE_ENV="development"', "--format=esm", "--log-level=warning"],
        check=True,
        cwd=ROOT,
    )
    yield folder
    removed(folder)


@pytest.fixture(scope="module")
def pages(folder: Path) -> Iterator[StrictServer]:
    with serving(StrictServer({"bundles": folder, "programs": PROGRAMS})) as server:
        server.pages["/"] = "<!doctype html><title>page</title><main></main>"
        server.pages["/live"] = "<!doctype html><main></main><script type=module src=/bundles/page.js></script>"
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def rooms(site: Site) -> Site:
    """Return the project of a running server, with channels for all users."""
    pattern = {"rules": dict.fromkeys(("subscribe", "publish", "presence"), "auth != null"), "presence": True}
    channels = {"rooms/{room}": pattern | {"history": {"messages": 100, "seconds": 300}}}
    headers = {"X-Bunbase-Key": site.secret}
    httpx.put(f"{site.url}/v1/channels", json={"channels": channels}, headers=headers).raise_for_status()
    return site


@pytest.fixture
def page(browser: Browser, pages: StrictServer) -> Iterator[Page]:
    context = browser.new_context()
    context.set_default_timeout(20_000)
    errors: list[str] = []
    context.on("weberror", lambda error: errors.append(str(error.error)))
    page = context.new_page()
    page.goto(f"{pages.url}/live")
    page.wait_for_function("() => window.live")
    yield page
    context.close()
    assert errors == []


@pytest.mark.parametrize("program", PROGRAM_NAMES)
@pytest.mark.parametrize("runtime", COMMANDS)
def test_live_queries_survive_all_that_happens_and_the_process_ends_by_itself(
    runtime: str, program: str, folder: Path
) -> None:
    assert run_program(COMMANDS[runtime], program, folder, {}) == {}


@pytest.mark.parametrize("program", PROGRAM_NAMES)
def test_live_queries_survive_all_that_happens_in_a_page(program: str, browser: Browser, pages: StrictServer) -> None:
    page = browser.new_context().new_page()
    page.goto(pages.url)

    assert failures(program, page.evaluate(IN_A_PAGE, [program, {}])) == {}


def test_the_hook_of_react_follows_its_query_in_strict_mode_and_ends_with_its_component(page: Page) -> None:
    page.evaluate("() => server.commit([['posts', 'put', 'a', { n: 1 }], ['posts', 'put', 'b', { n: 2 }]])")
    assert page.evaluate("() => onServer()") == "<p>1: loading behind</p>"

    page.evaluate("() => render(1)")
    page.get_by_text("1: a live").wait_for()
    page.evaluate("() => server.commit([['posts', 'put', 'c', { n: 1 }]])")
    page.get_by_text("1: a,c live").wait_for()
    page.evaluate("() => render(2)")
    page.get_by_text("2: b live").wait_for()
    page.evaluate("() => render(null)")
    page.get_by_text("null: behind").wait_for()
    page.evaluate("() => render(1)")
    page.get_by_text("1: a,c live").wait_for()

    assert page.evaluate("() => seen.filter(line => line.startsWith('2: a') || line.startsWith('1: b'))") == []
    # In strict mode every effect runs twice, but the query is watched once.
    assert page.evaluate("() => server.heard.filter(({ message }) => message.t === 'watch').length") <= 3
    page.evaluate("() => unmount()")
    page.wait_for_function("() => server.sessions.size === 0")


def test_the_hook_of_channels_shows_who_is_there_and_leaves_with_its_component(page: Page) -> None:
    page.evaluate("() => enter('7', 'reading')")
    page.get_by_text("7: reading").wait_for()
    page.evaluate("() => enter('7', 'writing')")
    page.get_by_text("7: writing").wait_for()
    page.evaluate("() => live.channel('rooms/7').publish('Hello')")
    page.wait_for_function("() => window.heard?.join() === 'Hello'")

    page.evaluate("() => enter('8', 'reading')")
    page.get_by_text("8: reading").wait_for()
    page.evaluate("() => enter('8', undefined)")
    page.get_by_text("8:", exact=True).wait_for()
    page.evaluate("() => unmount()")

    page.wait_for_function("() => server.sessions.size === 0")


def test_a_page_that_loses_its_network_notices_that_its_connection_is_dead(page: Page) -> None:
    page.evaluate("() => render(1)")
    page.get_by_text("1: live").wait_for()

    page.evaluate(
        "() => { Object.assign(server.faults, { mute: true, down: true }); dispatchEvent(new Event('offline')); }"
    )
    assert page.evaluate("() => live.state") == "offline"  # The state is known before the probe has failed.

    page.get_by_text("1: offline").wait_for()


def test_a_page_without_a_network_stays_live_with_a_server_of_its_own_machine(page: Page) -> None:
    page.evaluate("() => render(1)")
    page.get_by_text("1: live").wait_for()

    page.evaluate("() => { dispatchEvent(new Event('offline')); window.opened = server.heard.length; }")
    page.get_by_text("1: live").wait_for()

    assert page.evaluate("() => server.heard.slice(opened).some(({ message }) => message.t === 'auth')") is False


def test_a_page_without_a_network_does_not_try_each_transport(page: Page) -> None:
    page.evaluate("""() => {
        Object.defineProperty(navigator, "onLine", { get: () => false, configurable: true });
        Object.assign(server.faults, { down: true });
        server.requests.length = 0;
        render(1);
    }""")
    page.get_by_text("1: loading offline").wait_for()

    assert page.evaluate("() => server.requests.filter((line) => line.includes('/v1/live'))") == []


def test_a_page_that_was_frozen_or_in_the_cache_of_the_browser_probes_its_connection(page: Page) -> None:
    page.evaluate("() => render(1)")
    page.get_by_text("1: live").wait_for()

    # After a sleep of the machine, the connection looks open to the page, but the server has lost it.
    page.evaluate("() => { server.faults.mute = true; document.dispatchEvent(new Event('visibilitychange')); }")
    page.wait_for_function(
        "() => server.heard.filter(({ message }) => message.t === 'auth').length === 2", timeout=8000
    )
    page.evaluate("() => { server.faults.mute = false; server.cut(); }")
    page.get_by_text("1: live").wait_for()
    hide = "() => dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))"
    page.evaluate(hide)
    page.wait_for_function("() => server.sessions.size === 0 && live.state === 'offline'")
    page.evaluate("() => server.commit([['posts', 'put', 'a', { n: 1 }]])")
    page.evaluate("() => dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    page.get_by_text("1: a live").wait_for()


def test_results_and_writes_of_indexeddb_are_there_after_a_reload(page: Page, pages: StrictServer) -> None:
    begin = """name => {
        window.cached = createLive(client, { WebSocket: server.WebSocket, cache: indexedDBCache(name) });
        cached.collection("notes").watch({ sort: ["n"] }, ({ items }) => {
            window.notes = items.map(({ _id }) => _id).join();
        });
    }"""
    page.evaluate("() => server.commit([['notes', 'put', 'a', { n: 1 }], ['notes', 'put', 'b', { n: 2 }]])")
    page.evaluate(begin, "one")
    page.wait_for_function("() => window.notes === 'a,b'")
    kept = "kind => indexedDBCache('one').list(kind + ':')"
    poll(lambda: page.evaluate(kept, "result"))
    page.evaluate("""() => {
        server.faults.down = true;
        server.cut();
        cached.collection("notes").create({ _id: "c", n: 3 }).catch(() => {});
    }""")
    poll(lambda: page.evaluate(kept, "write"))

    page.goto(f"{pages.url}/live")
    page.wait_for_function("() => window.live")
    page.evaluate("() => { server.faults.down = true; }")
    page.evaluate(begin, "one")

    page.wait_for_function("() => window.notes === 'a,b,c'")
    page.evaluate("() => { server.faults.down = false; dispatchEvent(new Event('online')); }")
    page.wait_for_function("() => server.http.documents('notes').map(({ _id }) => _id).join() === 'c'")
    page.wait_for_function("() => window.notes === 'c'")


def test_an_app_with_live_queries_does_its_work_in_bun(rooms: Site, folder: Path) -> None:
    assert run_program([BUN], "live_journey", folder, rooms.environment) == {}


def test_an_app_with_live_queries_does_its_work_in_node_20_which_has_no_socket(rooms: Site, folder: Path) -> None:
    """Newer versions of Node run this program without their WebSocket, too."""
    assert run_program(["node"], "live_journey", folder, rooms.environment | {"withoutSocket": "yes"}) == {}


def test_an_app_with_live_queries_does_its_work_in_a_page_of_another_origin(
    browser: Browser, rooms: Site, pages: StrictServer
) -> None:
    page = browser.new_context().new_page()
    page.goto(pages.url)

    assert failures("live_journey", page.evaluate(IN_A_PAGE, ["live_journey", rooms.environment])) == {}


IN_A_TAB: Final = """async ([url, key]) => {
    const { createClient } = await import("/bundles/index.js");
    const { createLive } = await import("/bundles/live/index.js");
    const client = createClient(url, key, { storage: null });
    await client.auth.signIn({ anonymous: true });
    const query = { where: { topic: "tabs" } };
    window.live = createLive(client);
    live.collection("posts").watch(query, ({ items }) => { window.holds = items.map(({ _id }) => _id).join(); });
}"""


def test_complaint_23_eight_tabs_are_live_at_once(browser: Browser, rooms: Site, pages: StrictServer) -> None:
    """Over HTTP/1.1, a browser allows only six streams to one origin."""
    context = browser.new_context()
    tabs = [context.new_page() for _ in range(8)]
    for tab in tabs:
        tab.goto(pages.url)
        tab.evaluate(IN_A_TAB, [rooms.url, rooms.key])
    for tab in tabs:
        tab.wait_for_function("() => live.state === 'live'")

    headers = {"X-Bunbase-Key": rooms.secret}
    httpx.put(f"{rooms.url}/v1/data/posts/tabs", json={"topic": "tabs"}, headers=headers).raise_for_status()

    for tab in tabs:
        tab.wait_for_function("() => window.holds === 'tabs'")
    context.close()


def test_the_recipe_of_a_group_of_members_runs_as_the_guide_shows_it(site: Site, folder: Path) -> None:
    recipe = GUIDE.read_text().partition("## A group of members")[2].partition("\n## ")[0]
    (toml,), (lines,) = (re.findall(f"```{kind}\n(.*?)```", recipe, re.DOTALL) for kind in ("toml", "js"))
    wanted, server = tomllib.loads(toml), {"X-Bunbase-Key": site.secret}
    for name, spec in wanted["collections"].items():
        httpx.put(f"{site.url}/v1/collections/{name}", json=spec, headers=server).raise_for_status()
    channels = {"channels": wanted["channels"]}
    httpx.put(f"{site.url}/v1/channels", json=channels, headers=server).raise_for_status()
    given = f"const [url, key, secret] = {json.dumps([site.url, site.key, site.secret])};"
    (folder / "recipe.mjs").write_text(f"{BEFORE_RECIPE.replace('GIVEN', given)}\n{lines}\n{AFTER_RECIPE}")

    ran = subprocess.run([BUN, "recipe.mjs"], cwd=folder, capture_output=True, text=True, timeout=60)

    assert ran.returncode == 0, ran.stderr


def test_the_recipe_of_scrolling_back_loses_nothing_and_shows_nothing_twice(site: Site, folder: Path) -> None:
    """Documents of one commit have the same time. The first page ends amid 60 documents of one commit."""
    section = GUIDE.read_text().partition("## Scroll back")[2].partition("\n## ")[0]
    (lines,) = re.findall("```js\n(.*?)```", section, re.DOTALL)
    given = f"const [url, key, secret] = {json.dumps([site.url, site.key, site.secret])};"
    before = BEFORE_RECIPE.replace("GIVEN", given).replace("group@", "history@")
    (folder / "history.mjs").write_text(f"{before}\n{lines}\n{AFTER_HISTORY}")

    ran = subprocess.run([BUN, "history.mjs"], cwd=folder, capture_output=True, text=True, timeout=60)

    assert ran.returncode == 0, ran.stderr


AFTER_HISTORY: Final = """
const put = (id) => ({ op: "put", collection: "posts", id, data: { topic: "history" } });
const all = (name, most) => Array.from({ length: most }, (_, n) => put(`${name}${n}`));
const add = (name, most) => server("POST", "commit", { writes: all(name, most) });
await add("a", 60);
await add("b", 60);
await add("c", 20);
let [ids, left] = [[], true];
const { more, stop } = await history({ topic: "history" }, (items, hasMore) => {
  ids = items.map(({ _id }) => _id);
  left = hasMore;
});
await until(() => ids.length >= 50, "the first page");
await more();
await add("d", 55);
await until(() => ids.includes("d0"), "new documents");
while (left) await more();
await until(() => ids.length === 195, "all documents");
if (new Set(ids).size !== 195) throw new Error("a document is there twice");
const times = ids.map((id) => "dcba".indexOf(id[0]));
if (times.some((time, n) => n && time < times[n - 1])) throw new Error(`a wrong order: ${ids}`);
stop();
live.close();
"""


def test_the_curl_line_of_the_protocol_follows_a_query(rooms: Site) -> None:
    (line,) = re.findall(r"```sh\n(curl -N .*?)```", PROTOCOL.read_text(), re.DOTALL)
    password = {"email": "curl@example.com", "password": "apples and pears"}
    signed_up = httpx.post(f"{rooms.url}/v1/auth/signup", json=password, headers={"X-Bunbase-Key": rooms.key}).json()
    own = {"API": rooms.url, "KEY": rooms.key, "TOKEN": signed_up["access_token"]}

    with subprocess.Popen(
        ["bash", "-c", f"exec {line}"], stdout=subprocess.PIPE, text=True, env=os.environ | own
    ) as curl:
        assert curl.stdout is not None
        first = next(
            text for text in curl.stdout if text.startswith("data:") and '"posts"' not in text and '"now"' in text
        )
        curl.terminate()

    assert '"id":1' in first


BEFORE_RECIPE: Final = """
import { createClient } from "./index.js";
import { createLive } from "./live/index.js";
GIVEN
const client = createClient(url, key, { storage: null });
const live = createLive(client);
await client.auth.signUp({ email: "group@example.com", password: "apples and pears" });
const said = [];
const console = { log: (one) => said.push(JSON.stringify(one)) };
const server = async (method, path, body) => {
  const headers = { "X-Bunbase-Key": secret, "Content-Type": "application/json" };
  const answer = await fetch(`${url}/v1/${path}`, { method, headers, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(await answer.text());
};
const until = async (condition, what) => {
  for (let left = 1000; !condition(); left--) {
    if (!left) throw new Error(`${what}: ${said}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};
"""
AFTER_RECIPE: Final = """
const member = `data/members/7_${client.auth.user.id}`;
await server("PUT", "data/items/one", { room: "7", title: "One" });
await until(() => said.at(-1) === "[]", "no items before");
await server("PUT", member, { uid: client.auth.user.id });
await until(() => said.at(-1)?.includes("One"), "the items of a member");
await until(() => leave, "the channel of a member");
await live.channel("rooms/7").publish("Hello");
await until(() => said.includes('"Hello"'), "a message");
await server("DELETE", member);
await until(() => said.at(-1) === "[]" && !leave, "the end of a member");
await server("PUT", member, { uid: client.auth.user.id });
await until(() => said.at(-1)?.includes("One") && leave, "a member again");
live.close();
"""


def test_the_lines_of_the_guide_of_live_queries_run_one_block_after_the_other(site: Site, folder: Path) -> None:
    blocks = README.findall(GUIDE.read_text())
    text = "\n".join(blocks)
    for word, value in (
        ("BUNBASE_URL", f'"{site.url}"'),
        ("PUBLISHABLE_KEY", f'"{site.key}"'),
        ("eve@", "live@"),
        ('"bunbase-js"', '"./index.js"'),
        ('"bunbase-js/live"', '"./live/index.js"'),
    ):
        text = text.replace(word, value)
    (folder / "guide.mjs").write_text(text)

    said = subprocess.run([BUN, "guide.mjs"], cwd=folder, capture_output=True, text=True, timeout=60)

    assert said.returncode == 0, said.stderr
    assert len(blocks) == 4
    assert "stale_revision" in said.stdout.splitlines()
