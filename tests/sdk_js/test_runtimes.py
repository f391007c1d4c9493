"""The same program runs in Node, in Bun and in a page of Chromium, against one running BunBase."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Page

from tests.e2e.browser import chromium
from tests.sdk_js.sites import BUN, Site, failures, run_program
from tests.sdk_js.strict_server import StrictServer

COMMANDS: Final[dict[str, list[str | Path]]] = {"node": ["node"], "bun": [BUN]}
IN_A_PAGE: Final = """async ([program, environment]) => {
    const { Claims } = await import("/programs/harness.mjs");
    const { add } = await import(`/programs/${program}.mjs`);
    const claims = new Claims();
    await add(claims.claim, { load: name => import(`/bundles/${name}.js`), ...environment });
    return claims.checked();
}"""


@pytest.mark.parametrize("runtime", COMMANDS)
def test_an_app_does_its_work_and_its_process_ends_by_itself(runtime: str, site: Site, folder: Path) -> None:
    assert run_program(COMMANDS[runtime], "journey", folder, site.environment) == {}


def test_an_app_does_its_work_in_a_page_of_another_origin(site: Site, strict: StrictServer) -> None:
    strict.pages["/"] = "<!doctype html><title>page</title>"
    with chromium() as browser:
        page: Page = browser.new_context().new_page()
        page.goto(strict.url)

        assert failures("journey", page.evaluate(IN_A_PAGE, ["journey", site.environment])) == {}
