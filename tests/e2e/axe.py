"""axe-core: the faults of a page for people who use it with a keyboard or a screen reader."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from playwright.sync_api import Page

AXE: Final = Path(__file__).parents[2] / "node_modules/axe-core/axe.min.js"
RULES: Final = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


def faults(page: Page) -> list[str]:
    """Return the faults that axe finds in the page."""
    # The debugger evaluates the script, so the policy of the page does not stop it.
    page.evaluate(f"{AXE.read_text()}; 0")
    found = page.evaluate("rules => axe.run(document, rules)", RULES)
    return [f"{one['id']}: {[node['html'] for node in one['nodes']]}" for one in found["violations"]]
