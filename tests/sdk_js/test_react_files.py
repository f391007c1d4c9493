"""The hooks of React for files, in a page of Chromium in strict mode."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, FilePayload, Page

from tests.e2e.browser import chromium
from tests.sdk_js.sites import ESBUILD, ROOT, SDK
from tests.sdk_js.strict_server import StrictServer

PAGES: Final = Path(__file__).parent / "pages"
SIGN_IN: Final = "email => client.auth.signUp({ email, password: 'apples and pears' })"
PUT: Final = "([key, text]) => client.files.bucket('photos').upload(key, text)"
GET: Final = "key => server.requests.filter((one) => one.method === 'GET' && one.path.endsWith(key)).length"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, strict: StrictServer, folder: Path) -> Iterator[Page]:
    """Yield the page, and fail if it had an error that nobody caught."""
    hooks: list[str | Path] = [ESBUILD, PAGES / "files.js", "--bundle", f"--outfile={folder}/files_page.js"]
    subprocess.run(
        [*hooks, '--define:process.env.NODE_ENV="development"', "--format=esm", "--log-level=warning"],
        check=True,
        cwd=ROOT,
    )
    strict.pages["/files"] = "<!doctype html><main></main><script type=module src=/bundles/files_page.js></script>"
    context = browser.new_context()
    context.set_default_timeout(20_000)
    errors: list[str] = []
    context.on("weberror", lambda error: errors.append(str(error.error)))
    page = context.new_page()
    page.goto(f"{strict.url}/files")
    page.wait_for_function("() => window.client")
    page.evaluate(SIGN_IN, "eve@example.com")
    yield page
    context.close()
    assert errors == []


def shows(page: Page, selector: str, text: str) -> None:
    page.wait_for_function(
        "([selector, text]) => document.querySelector(selector)?.textContent === text", arg=[selector, text]
    )


def test_an_upload_shows_its_progress_its_file_and_its_problem_and_can_be_tried_again(page: Page) -> None:
    page.evaluate("() => render(['upload'])")
    shows(page, "#upload", "idle")
    page.evaluate("() => { use.upload('a.txt', 'bread') }")
    shows(page, "#upload", "done 5/5 a.txt")

    page.evaluate(
        "() => { server.failNext({ status: 507, code: 'storage_quota_exceeded' }); use.upload('b.txt', 'rye') }"
    )
    shows(page, "#upload", "failed 0/3 storage_quota_exceeded")
    page.evaluate("() => { use.retry() }")
    shows(page, "#upload", "done 3/3 b.txt")
    page.evaluate("() => use.reset()")
    shows(page, "#upload", "idle")

    assert page.evaluate("() => server.files('photos').map(({ key }) => key)") == ["a.txt", "b.txt"]


def test_an_upload_that_is_aborted_or_unmounted_stores_nothing_and_a_retry_continues_it(page: Page) -> None:
    page.evaluate("() => { window.held = /^PATCH/; render(['upload']) }")
    shows(page, "#upload", "idle")
    page.evaluate("() => { window.ended = use.upload('large', new Uint8Array(100), { resumable: true }) }")
    page.wait_for_function("() => window.stopped")
    page.evaluate("() => use.abort()")
    shows(page, "#upload", "aborted 0/100")
    assert page.evaluate("() => ended") is None

    page.evaluate("() => { window.held = undefined; use.retry() }")
    shows(page, "#upload", "done 100/100 large")
    page.evaluate("() => { window.held = /^PUT/; window.stopped = ''; window.ended = use.upload('never', 'x') }")
    page.wait_for_function("() => window.stopped")
    page.evaluate("() => unmount()")

    assert page.evaluate("() => ended") is None
    assert page.evaluate("() => server.files('photos').map(({ key }) => key)") == ["large"]


def test_an_upload_ends_with_the_user_who_has_begun_it(page: Page) -> None:
    page.evaluate("() => { window.held = /^PUT/; render(['upload']) }")
    shows(page, "#upload", "idle")
    page.evaluate("() => { window.ended = use.upload('eve', 'x') }")
    page.wait_for_function("() => window.stopped")
    page.evaluate("() => client.auth.signOut()")
    shows(page, "#upload", "idle")

    assert page.evaluate("() => ended") is None
    page.evaluate("() => { window.held = undefined }")
    page.evaluate(SIGN_IN, "fred@example.com")
    assert page.evaluate("() => use.retry()") is None
    assert page.evaluate("() => server.files('photos')") == []


def test_a_list_has_pages_and_follows_the_uploads_and_removals_of_its_client(page: Page) -> None:
    for key in "abc":
        page.evaluate(PUT, [f"list/{key}", key])
    page.evaluate("() => render(['list'])")
    shows(page, "#list", "ready a,b more")
    page.evaluate("() => more()")
    shows(page, "#list", "ready a,b,c end")
    page.evaluate(PUT, ["list/aa", "new"])
    shows(page, "#list", "ready a,aa,b,c end")
    page.evaluate("() => client.files.bucket('photos').upload('list/ab', 'x', { resumable: true })")
    shows(page, "#list", "ready a,aa,ab,b more")
    page.evaluate("() => client.files.bucket('photos').removeMany(['list/a', 'list/b'])")
    shows(page, "#list", "ready aa,ab,c end")

    page.evaluate("() => client.auth.signOut()")
    page.evaluate(SIGN_IN, "fred@example.com")
    shows(page, "#list", "ready aa,ab more")
    lists = page.evaluate("() => lists")
    first_of_fred = next(owners for email, owners in lists if email == "fred@example.com")
    assert first_of_fred == [], "a list of another user"


def test_two_components_share_the_bytes_of_a_file_which_are_freed_after_them(page: Page) -> None:
    page.evaluate(PUT, ["one.txt", "secret"])
    page.evaluate("() => render(['one', 'other'], 'one.txt')")
    page.wait_for_function("() => document.querySelector('#other')?.src && document.querySelector('#one').src")
    one, other = page.evaluate("() => [...document.querySelectorAll('img')].map(({ src }) => src)")
    assert one == other
    assert one.startswith("blob:")
    assert page.evaluate("url => text(url)", one) == "secret"
    assert page.evaluate(GET, "one.txt") == 1

    page.evaluate("() => client.auth.signOut()")
    page.evaluate(SIGN_IN, "fred@example.com")
    page.wait_for_function("() => document.querySelector('#one').alt === 'ready'")
    page.wait_for_function("url => text(url).then(() => false, () => true)", arg=one)
    addresses = page.evaluate("() => addresses")
    assert [email for email, url in addresses if url == one and email != "eve@example.com"] == []
    assert page.evaluate(GET, "one.txt") == 3  # once for eve, for the visitor and for fred

    page.evaluate("() => render(['one'], 'missing.txt')")
    page.wait_for_function("() => document.querySelector('#one').alt === 'object_not_found'")
    page.evaluate("() => render(['one'], null)")
    page.wait_for_function(
        "() => document.querySelector('#one').alt === 'ready' && !document.querySelector('#one').src"
    )


def test_a_signed_link_is_renewed_before_it_expires_and_no_longer_after_its_component(page: Page) -> None:
    page.clock.install()
    page.evaluate(PUT, ["film.mp4", "film"])
    page.evaluate("() => render(['signed'], 'film.mp4')")
    page.wait_for_function("() => document.querySelector('#signed')?.src.endsWith('#1')")
    page.clock.run_for(6000)
    page.wait_for_function("() => document.querySelector('#signed').src.endsWith('#2')")
    page.evaluate("() => unmount()")
    page.clock.run_for(60_000)

    assert page.evaluate("() => signs.length") == 2


def test_on_a_server_the_hooks_load_nothing(page: Page) -> None:
    shown = page.evaluate("() => onServer()")

    assert '<p id="upload">idle</p>' in shown
    assert '<p id="list">loading  end</p>' in shown
    assert shown.count('alt="loading"') == 2
    assert page.evaluate("() => server.requests.filter(({ path }) => path.includes('storage'))") == []


def test_the_example_of_the_guide_uploads_shows_and_removes_photos(
    page: Page, strict: StrictServer, folder: Path
) -> None:
    (example,) = re.findall(r"```tsx run\n(.*?)```", (ROOT / "docs/javascript.md").read_text(), re.DOTALL)
    before = """
        import { createElement, StrictMode } from "react";
        import { createRoot } from "react-dom/client";
        import { createTestClient } from "bunbase-js/testing";
        const { client, server } = createTestClient({ buckets: { photos: {} } });
        Object.assign(window, { client, server });
    """
    after = "createRoot(document.querySelector('main')).render(<StrictMode><Photos /></StrictMode>);"
    entries = {"bunbase-js/react": "react/index", "bunbase-js/testing": "testing/index"}
    alias = [f"--alias:{name}={SDK}/src/{entry}.ts" for name, entry in entries.items()]
    options = ["--bundle", "--loader=tsx", "--jsx=automatic", "--format=esm", "--log-level=warning"]
    subprocess.run(
        [ESBUILD, *options, *alias, '--define:process.env.NODE_ENV="development"', f"--outfile={folder}/photos.js"],
        input=before + example + after,
        text=True,
        check=True,
        cwd=ROOT,
    )
    strict.pages["/photos"] = "<!doctype html><main></main><script type=module src=/bundles/photos.js></script>"
    page.goto(f"{strict.url}/photos")
    rye: FilePayload = {"name": "rye.png", "mimeType": "image/png", "buffer": b"\x89PNG"}
    oat: FilePayload = {"name": "oat.png", "mimeType": "image/png", "buffer": b"\x89PNG"}

    page.get_by_label("Photo").set_input_files([rye])
    page.get_by_alt_text("rye.png").wait_for()
    page.evaluate("() => server.failNext({ status: 507, code: 'storage_quota_exceeded', detail: 'No room.' })")
    page.get_by_label("Photo").set_input_files([oat])
    page.get_by_text("No room.").wait_for()
    page.get_by_role("button", name="Try again").click()
    page.get_by_alt_text("oat.png").wait_for()
    page.get_by_role("button", name="Remove").first.click()
    page.get_by_alt_text("oat.png").wait_for(state="detached")

    assert page.evaluate("() => server.files('photos').map(({ key }) => key)") == ["rye.png"]
