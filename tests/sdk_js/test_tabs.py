"""Tabs of one user share one live connection, in Chromium, against a running BunBase."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, Final

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.e2e.browser import chromium
from tests.e2e.instance import poll
from tests.sdk_js.sites import Site
from tests.sdk_js.strict_server import StrictServer

TABS: Final = 8
dear = pytest.mark.skipif(os.environ.get("BUNBASE_SDK") != "1", reason="make sdk runs what takes longer")
BEGIN: Final = """async ([url, key, options, watched]) => {
    const { createClient } = await import("/bundles/index.js");
    const { createLive } = await import("/bundles/live/index.js");
    window.client = createClient(url, key);
    await client.auth.ready;
    if (!client.auth.user) await client.auth.signIn({ anonymous: true });
    window.live = createLive(client, options);
    window.seen = [];
    live.collection("posts").watch({ where: { run: watched }, sort: ["n"] }, ({ items, added, removed }) => {
        window.shown = items.map(({ n }) => n).join();
        seen.push(...added.map(({ n }) => `+${n}`), ...removed.map(({ n }) => `-${n}`));
    });
}"""
WAIT: Final = """async ([url, key, watched]) => {
    const { createClient } = await import("/bundles/index.js");
    const { createLive } = await import("/bundles/live/index.js");
    const client = createClient(url, key);
    await client.auth.ready;
    if (!client.auth.user) await client.auth.signIn({ anonymous: true });
    window.go = () => void createLive(client).collection("posts").watch({ where: { run: watched }, sort: ["n"] },
        ({ items }) => (window.shown = items.map(({ n }) => n).join()));
    new BroadcastChannel("go").onmessage = go;
}"""
# This tab learns late that it has the lock: only after the other tab has asked for its leader.
LATE_LOCK: Final = """() => {
    const request = navigator.locks.request.bind(navigator.locks);
    navigator.locks.request = (name, options, held) => request(name, options, async lock => {
        if (options.ifAvailable) {
            const bus = new BroadcastChannel(name.slice(0, -1));
            const asked = new Promise(resolve => (bus.onmessage = ({ data }) => data.t === "open" && resolve()));
            window.locked = true;
            await asked;
            bus.close();
        }
        return held(lock);
    });
}"""
# The pauses between attempts take no time. The longest pause does not end by itself, and sets `waits` to true.
LAST_PAUSE: Final = """() => {
    const [random, timeout] = [Math.random, setTimeout];
    Math.random = () => 1;
    window.setTimeout = (call, ms, ...given) => {
        if (ms !== 10_000) return timeout(call, [1000, 2000, 4000, 8000].includes(ms) ? 0 : ms, ...given);
        Object.assign(window, { setTimeout: timeout, waits: true });
        Math.random = random;
        return timeout(() => {}, 1e9);
    };
}"""
ENTER: Final = """async name => {
    live.channel("rooms/tabs").join({
        members: members => (window.members = members.map(({ data }) => data).sort().join()),
        message: ({ data }) => (window.heard ??= []).push(data),
    }, { presence: name });
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def rooms(site: Site) -> Site:
    """Return the project of a running server, with channels for all users."""
    pattern = {"rules": dict.fromkeys(("subscribe", "publish", "presence"), "auth != null"), "presence": True}
    channels = {"channels": {"rooms/{room}": pattern | {"history": {"messages": 100, "seconds": 300}}}}
    httpx.put(f"{site.url}/v1/channels", json=channels, headers={"X-Bunbase-Key": site.secret}).raise_for_status()
    return site


class Person:
    """A person with several tabs. `streams` has the live connections of all open tabs.

    `begun` is the number of connections so far.
    """

    def __init__(self, context: BrowserContext, pages: StrictServer, site: Site, run: str) -> None:
        self.context, self.origin, self.site, self.run = context, pages.url, site, run
        self.streams: dict[Any, Page] = {}
        self.begun = 0

    def tab(self, options: dict[str, Any] | None = None, begin: tuple[str, list[Any]] | None = None) -> Page:
        page = self.context.new_page()

        def opened(stream: Any) -> None:
            self.streams[stream] = page
            self.begun += 1

        def ended(stream: Any) -> None:
            self.streams.pop(stream, None)

        def begun(socket: Any) -> None:
            opened(socket)
            socket.on("close", lambda: ended(socket))

        def asked(request: Any) -> None:
            if request.headers.get("accept") == "text/event-stream":
                opened(request)

        def closed(_: Page) -> None:
            self.streams = {stream: of for stream, of in self.streams.items() if of != page}

        page.on("websocket", begun)
        page.on("request", asked)
        page.on("requestfinished", lambda request: ended(request))
        page.on("requestfailed", lambda request: ended(request))
        page.on("close", closed)
        page.goto(self.origin)
        program, given = begin or (BEGIN, [self.site.url, self.site.key, options or {}, self.run])
        page.evaluate(program, given)
        return page

    def write(self, n: int) -> None:
        document = {"_id": f"{self.run}-{n}", "run": self.run, "n": n}
        headers = {"X-Bunbase-Key": self.site.secret}
        httpx.post(f"{self.site.url}/v1/data/posts", json=document, headers=headers).raise_for_status()


@pytest.fixture
def person(browser: Browser, strict: StrictServer, rooms: Site, request: pytest.FixtureRequest) -> Iterator[Person]:
    strict.pages["/"] = "<!doctype html><title>page</title>"
    context = browser.new_context()
    context.set_default_timeout(20_000)
    yield Person(context, strict, rooms, str(abs(hash(request.node.name))))
    context.close()


def shown(page: Page, wanted: str) -> None:
    page.wait_for_function(f"() => window.shown === '{wanted}'")


def test_eight_tabs_hold_one_socket_and_another_tab_takes_over_without_a_lost_change(person: Person) -> None:
    person.write(1)
    tabs = [person.tab() for _ in range(TABS)]
    for tab in tabs:
        shown(tab, "1")
    person.write(2)
    for tab in tabs:
        shown(tab, "1,2")
        assert tab.evaluate("() => live.state") == "live"
    assert len(person.streams) == 1

    tabs[0].close()  # This tab has the socket.
    person.write(3)
    tabs[3].evaluate(f"() => live.collection('posts').create({{ run: '{person.run}', n: 4 }})")
    for tab in tabs[1:]:
        shown(tab, "1,2,3,4")
    tabs[5].close()  # This tab has no socket.
    person.write(5)
    for tab in (*tabs[1:5], *tabs[6:]):
        shown(tab, "1,2,3,4,5")
        seen = [one for one in tab.evaluate("() => seen") if one != "+4"]  # The tab itself made the local write "+4".
        assert seen == ["+1", "+2", "+3", "+5"]
    assert len(person.streams) == 1


@pytest.mark.parametrize("elects", [True, False])
def test_tabs_that_begin_and_lose_their_leader_at_one_moment_elect_one_of_them(person: Person, elects: bool) -> None:
    """The second run breaks the election of the leader. The same check of the connections must then fail."""

    def broken(route: Any) -> None:
        whole = route.fetch().text()
        assert "ifAvailable: true" in whole
        route.fulfill(body=whole.replace("ifAvailable: true", 'mode: "shared"'), content_type="text/javascript")

    if not elects:
        person.context.route("**/tabs-*.js", broken)
    person.write(1)
    tabs = [person.tab(begin=(WAIT, [person.site.url, person.site.key, person.run])) for _ in range(5)]
    tabs[0].evaluate("() => new BroadcastChannel('go').postMessage('')")
    for tab in tabs:
        shown(tab, "1")
    if not elects:
        assert person.begun > 1
        return
    assert person.begun == 1
    locks = tabs[0].evaluate("() => navigator.locks.query()")
    assert sum(lock["name"].endswith(":") for lock in locks["held"]) == 1
    assert sum(lock["name"].endswith(":") for lock in locks["pending"]) == len(tabs) - 1

    (leader,) = person.streams.values()
    leader.close()  # The other tabs want the lock at the same moment.
    tabs.remove(leader)
    person.write(2)
    for tab in tabs:
        shown(tab, "1,2")
    assert (person.begun, len(person.streams)) == (2, 1)


def test_a_tab_that_asks_before_the_leader_knows_that_it_leads_is_answered(person: Person) -> None:
    person.write(1)
    tabs = [person.tab(begin=(WAIT, [person.site.url, person.site.key, person.run])) for _ in range(2)]
    tabs[0].evaluate(LATE_LOCK)
    tabs[0].evaluate("() => go()")
    tabs[0].wait_for_function("() => window.locked")
    tabs[1].evaluate("() => go()")

    for tab in tabs:
        shown(tab, "1")
    assert person.begun == 1


def test_a_request_of_any_tab_that_is_answered_ends_the_wait_of_the_tab_with_the_connection(person: Person) -> None:
    down, sockets = [False], []

    def passed(socket: Any) -> None:
        sockets.append(socket)
        if down[0]:
            socket.close()
        else:
            socket.connect_to_server()

    person.context.route_web_socket("**/v1/live", passed)
    person.write(1)
    leader, follower = [person.tab({"transports": ["socket"]}) for _ in range(2)]
    for tab in (leader, follower):
        shown(tab, "1")

    leader.evaluate(LAST_PAUSE)
    down[0] = True
    sockets[0].close()
    leader.wait_for_function("() => window.waits")
    down[0] = False
    person.write(2)
    follower.evaluate("() => client.data.collection('posts').query({})")

    for tab in (leader, follower):
        shown(tab, "1,2")


@dear
def test_eight_tabs_share_one_stream_of_events_so_requests_still_pass(person: Person) -> None:
    tabs = [person.tab({"transports": ["sse"]}) for _ in range(TABS)]
    person.write(1)

    for tab in tabs:
        shown(tab, "1")
    assert len(person.streams) == 1


@dear
def test_a_tab_that_is_frozen_loses_the_connection_and_follows_when_it_wakes_up(person: Person) -> None:
    person.write(1)
    tabs = [person.tab() for _ in range(3)]
    for tab in tabs:
        shown(tab, "1")
    devtools = person.context.new_cdp_session(tabs[0])
    devtools.send("Debugger.enable")
    devtools.send("Debugger.pause")
    person.write(2)
    tabs[1].evaluate("() => void dispatchEvent(new Event('online'))")
    for tab in tabs[1:]:
        shown(tab, "1,2")

    devtools.send("Debugger.disable")
    person.write(3)

    for tab in tabs:
        shown(tab, "1,2,3")
    poll(lambda: len(person.streams) == 1)
    assert tabs[0] not in person.streams.values()


def test_each_tab_in_a_channel_is_a_member_with_its_own_connection(person: Person) -> None:
    tabs = [person.tab() for _ in range(4)]
    for name, tab in zip("ab", tabs[2:], strict=True):
        tab.evaluate(ENTER, name)
    for tab in tabs[2:]:
        tab.wait_for_function("() => window.members === 'a,b'")
    assert len(person.streams) == 2

    tabs[0].evaluate(ENTER, "c")  # The tab with the connection keeps the connection.
    tabs[3].evaluate("() => live.channel('rooms/tabs').publish(1)")
    tabs[1].evaluate("() => live.channel('rooms/tabs').publish(2, { echo: false })")
    for tab in (tabs[0], *tabs[2:]):
        tab.wait_for_function("() => window.members === 'a,b,c' && window.heard.join() === '1,2'")
    tabs[2].close()

    tabs[0].wait_for_function("() => window.members === 'b,c'")
    assert len(person.streams) == 2


@dear
def test_a_tab_with_too_many_queries_gets_its_own_connection(person: Person) -> None:
    tabs = [person.tab() for _ in range(2)]
    watch = """count => {
        window.results = 0;
        const shown = ({ loading, problem }) => loading || problem || results++;
        for (let n = 0; n < count; n++) live.collection("posts").watch({ where: { n } }, shown);
    }"""
    for tab in tabs:
        tab.evaluate(watch, 60)
    for tab in tabs:
        tab.wait_for_function("() => results >= 60")

    assert len(person.streams) == 2


@dear
def test_tabs_of_two_users_have_two_connections_and_follow_a_sign_out(person: Person) -> None:
    tabs = [person.tab() for _ in range(2)]
    person.write(1)
    for tab in tabs:
        shown(tab, "1")
    alone = person.tab({"tabs": False})
    shown(alone, "1")
    assert len(person.streams) == 2

    alone.close()
    tabs[1].evaluate("() => client.auth.signOut()")
    for tab in tabs:
        shown(tab, "")
    tabs[0].evaluate("() => client.auth.signIn({ anonymous: true })")

    for tab in tabs:
        shown(tab, "1")
    poll(lambda: len(person.streams) == 1)


@dear
def test_tabs_of_one_user_with_sessions_of_their_own_have_their_own_connections(person: Person) -> None:
    begin = """async ([url, key, email, session]) => {
        const { createClient } = await import("/bundles/index.js");
        const { createLive } = await import("/bundles/live/index.js");
        const own = session === "kept" ? { storage: sessionStorage } : { storageKey: session };
        const client = createClient(url, key, own);
        const password = "apples and pears";
        await client.auth.signUp({ email, password }).catch(() => client.auth.signIn({ email, password }));
        createLive(client).collection("posts").watch({}, () => (window.shown = "result"));
    }"""
    for session in ("one", "other", "kept", "kept"):
        tab = person.tab(begin=(begin, [person.site.url, person.site.key, f"{person.run}@example.com", session]))
        shown(tab, "result")

    assert len(person.streams) == 4


def test_a_user_who_changes_before_the_tab_has_its_connection_gets_none_of_the_user_before(person: Person) -> None:
    released: list[Any] = []
    person.context.route("**/tabs-*.js", lambda route: released.append(route))
    tab = person.tab()  # This tab asks for the module of tabs, which does not arrive.
    poll(lambda: tab.evaluate("() => true") and released)  # Playwright hears of requests only while it waits.
    before = tab.evaluate("() => client.auth.user.id")

    tab.evaluate("async () => { await client.auth.signOut(); await client.auth.signIn({ anonymous: true }); }")
    person.write(1)
    released[0].continue_()

    shown(tab, "1")
    places = tab.evaluate("async () => (await navigator.locks.query()).held.map(({ name }) => name)")
    assert [name for name in places if before in name] == []
    assert any(tab.evaluate("() => client.auth.user.id") in name for name in places)
