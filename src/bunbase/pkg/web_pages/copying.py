"""A list that people should keep: a link downloads it, and a button copies it.

The download needs no script, because its URL contains the text. The button stays hidden without its script. The policy
of the page allows exactly the text of this script, by its hash.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final
from urllib.parse import quote

import msgspec

from bunbase.pkg.web_pages.layout import allow, items, script_hash

SCRIPT: Final = """
for (const button of document.querySelectorAll("button[data-copy]")) {
  if (!navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    const told = document.getElementById("copied");
    told.textContent = "";
    try {
      const lines = document.querySelectorAll(`#${button.dataset.copy} > li`);
      await navigator.clipboard.writeText(Array.from(lines, (line) => line.textContent).join("\\n"));
      told.textContent = button.dataset.done;
    } catch {
      told.textContent = button.dataset.failed;
    }
  });
}
"""
SCRIPT_HASH: Final = script_hash(SCRIPT)
SCRIPT_TAG: Final = f"<script>{SCRIPT}</script>"


class KeepTexts(msgspec.Struct, frozen=True):
    """The texts of the list. `copied`, `failed`: the texts that are shown after a click on the button `copy`."""

    download: str
    copy: str
    copied: str
    failed: str


def kept_list(texts: Sequence[str], title: str, filename: str, labels: KeepTexts) -> str:
    """Return a list with a link and a button to keep it. `title`: the first line of the file.

    Use this function once on a page.
    """
    text = "\n".join((title, "", *texts, ""))
    file = f'download="{escape(filename)}" href="data:text/plain;charset=utf-8,{quote(text)}"'
    answers = f'data-done="{escape(labels.copied)}" data-failed="{escape(labels.failed)}"'
    return "\n".join(
        (
            items(texts, "kept"),
            f'<a class="button second" {file}>{escape(labels.download)}</a>',
            f'<button type="button" class="second" data-copy="kept" {answers} hidden>{escape(labels.copy)}</button>',
            '<p class="small" id="copied" role="status"></p>',
            SCRIPT_TAG,
        )
    )


def with_script(policy: str) -> str:
    """Return a policy that also allows the script."""
    return allow(policy, "script-src", f"'sha256-{SCRIPT_HASH}'")
