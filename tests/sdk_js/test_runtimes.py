"""The same programs run in Node, in Bun and in a page of Chromium, against one running BunBase."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser

from tests.e2e.browser import chromium
from tests.sdk_js.documents_page import blocks, emptied, left
from tests.sdk_js.fault_proxy import FaultProxy
from tests.sdk_js.sites import BUN, ROOT, SDK, Site, failures, run_program
from tests.sdk_js.strict_server import StrictServer

COMMANDS: Final[dict[str, list[str | Path]]] = {"node": ["node"], "bun": [BUN]}
IN_A_PAGE: Final = """async ([program, environment]) => {
    const { Claims } = await import("/programs/harness.mjs");
    const { add } = await import(`/programs/${program}.mjs`);
    const claims = new Claims();
    await add(claims.claim, { load: name => import(`/bundles/${name}.js`), ...environment });
    return claims.checked();
}"""


GUIDE: Final = ROOT / "docs/javascript.md"
README: Final = re.compile(r"```js run\n(.*?)```", re.DOTALL)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.mark.parametrize("runtime", COMMANDS)
def test_an_app_does_its_work_and_its_process_ends_by_itself(runtime: str, site: Site, folder: Path) -> None:
    assert run_program(COMMANDS[runtime], "journey", folder, site.environment) == {}


@pytest.mark.parametrize("program", ["files", "large_files"])
@pytest.mark.parametrize("runtime", COMMANDS)
def test_an_app_stores_reads_and_lists_files(program: str, runtime: str, site: Site, folder: Path) -> None:
    assert run_program(COMMANDS[runtime], program, folder, site.with_buckets()) == {}


@pytest.mark.parametrize("runtime", COMMANDS)
def test_files_of_the_server_in_memory_are_those_of_a_running_server(runtime: str, folder: Path) -> None:
    memory = {"url": "http://bunbase.test", "key": "pk_test", "run": "memory", "memory": "yes"}
    assert run_program(COMMANDS[runtime], "files", folder, memory) == {}


@pytest.mark.parametrize("program", ["journey", "files", "large_files"])
def test_an_app_does_its_work_in_a_page_of_another_origin(
    program: str, browser: Browser, site: Site, strict: StrictServer
) -> None:
    strict.pages["/"] = "<!doctype html><title>page</title>"
    page = browser.new_context().new_page()
    page.goto(strict.url)

    assert failures(program, page.evaluate(IN_A_PAGE, [program, site.with_buckets()])) == {}


def test_broken_connections_and_slow_answers_are_survived_or_explained(
    site: Site, proxy: FaultProxy, folder: Path
) -> None:
    assert run_program(["node"], "faults", folder, site.environment | {"proxy": proxy.url}) == {}


@pytest.mark.parametrize("runtime", COMMANDS)
def test_hostile_values_answers_and_moments_are_withstood(runtime: str, folder: Path) -> None:
    assert run_program(COMMANDS[runtime], "hostile", folder, {}) == {}


def test_the_blocks_of_the_page_on_documents_run_in_each_language(site: Site, folder: Path) -> None:
    sign_up = 'await client.auth.signUp({ email: "documents@example.com", password: "apples and pears" });'
    client = f'import {{ createClient }} from "./index.js"; const client = createClient("{site.url}", "{site.key}");'
    python = f'from bunbase_sdk import Client\nclient = Client("{site.url}", "{site.secret}")'
    runs: dict[str, tuple[list[str], list[str]]] = {
        "sh": (["bash", "-euo", "pipefail", "documents.sh"], [f"API={site.url}", f"KEY={site.secret}"]),
        "js": (["node", "documents.mjs"], [client, sign_up]),
        "python": ([sys.executable, "documents.python"], [python]),
    }

    for language, (command, before) in runs.items():
        emptied(site)
        lines = blocks(language)
        (folder / command[-1]).write_text("\n".join([*before, *lines]))
        said = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)

        assert said.returncode == 0, said.stderr
        assert len(lines) >= 9
        cents = {"ada": 1000, "eve": 0} if language == "sh" else {"ada": 700, "eve": 300}
        assert left(site) == (cents, [])


def test_a_server_of_pages_checks_tokens_and_passes_cookies_on(site: Site, folder: Path) -> None:
    assert run_program(["node"], "servers", folder, site.environment) == {}


def test_the_lines_of_the_readme_run_in_node_and_in_a_page(
    browser: Browser, site: Site, strict: StrictServer, folder: Path
) -> None:
    (lines,) = README.findall((SDK / "README.md").read_text())
    lines = lines.replace("BUNBASE_URL", f'"{site.url}"').replace("PUBLISHABLE_KEY", f'"{site.key}"')
    in_node = lines.replace('"bunbase-js"', '"./index.js"')
    (folder / "readme.mjs").write_text(in_node)

    said = subprocess.run(["node", "readme.mjs"], cwd=folder, capture_output=True, text=True, timeout=60)

    assert said.returncode == 0, said.stderr
    assert said.stdout.startswith("Hello Hello, Eve!")
    strict.pages["/readme"] = f"""<!doctype html>
        <script type="importmap">{{"imports": {{"bunbase-js": "/bundles/index.js"}}}}</script>
        <script type="module">{lines.replace("eve@", "fred@")}</script>"""
    page = browser.new_context().new_page()
    # Chromium may also report that the page has no icon.
    with page.expect_console_message(lambda said: said.text.startswith("Hello Hello, Eve!")):
        page.goto(f"{strict.url}/readme")


def test_the_lines_of_the_guide_run_one_block_after_the_other(site: Site, folder: Path) -> None:
    blocks = README.findall(GUIDE.read_text())
    for word, value in (
        ("BUNBASE_URL", f'"{site.url}"'),
        ("PUBLISHABLE_KEY", f'"{site.key}"'),
        ("eve@", "guide@"),
        ('"bunbase-js"', '"./index.js"'),
        ('"bunbase-js/testing"', '"./testing/index.js"'),
    ):
        blocks = [block.replace(word, value) for block in blocks]
    (folder / "guide.mjs").write_text("\n".join(blocks))

    said = subprocess.run(["node", "guide.mjs"], cwd=folder, capture_output=True, text=True, timeout=60)

    assert said.returncode == 0, said.stderr
    assert len(blocks) == 13
    lines = said.stdout.splitlines()
    assert lines[0] == "Hello Hello, Eve!"
    assert "initial guide@example.com" in lines
    assert "Somebody was faster." in lines
    assert "9 of 9 bytes" in lines
    assert "Rye Rye bread" in lines
    last = ["1 { hello: 'Ada' }", "stale_revision POST /v1/data/posts", "1 object_too_large Rye bread"]
    assert lines[-3:] == last
