"""The form that signs in with a passkey on a page, and its script.

The policy of the page allows exactly the text of this script, by its hash. Without the script, the form stays hidden,
and the rest of the page works as before.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

from bunbase.pkg.web_pages.forms import button, hidden
from bunbase.pkg.web_pages.layout import allow, script_hash

SCRIPT: Final = """
for (const form of document.querySelectorAll("form[data-options]")) {
  if (!window.PublicKeyCredential?.parseRequestOptionsFromJSON) continue;
  form.hidden = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const told = form.querySelector("[role=status]");
    told.textContent = "";
    try {
      const body = JSON.stringify({ challenge: form.elements.challenge.value || null });
      const headers = { "content-type": "application/json" };
      const answer = await fetch(form.dataset.options, { method: "POST", headers, body });
      const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON((await answer.json()).public_key);
      const credential = await navigator.credentials.get({ publicKey });
      form.elements.credential.value = JSON.stringify(credential.toJSON());
      form.submit();
    } catch {
      told.textContent = form.dataset.failed;
    }
  });
}
"""
SCRIPT_HASH: Final = script_hash(SCRIPT)
SCRIPT_TAG: Final = f"<script>{SCRIPT}</script>"
LABEL: Final = "Use a passkey"
FAILED: Final = "The passkey could not be used. Try again, or sign in in another way."


def passkey_form(
    path: str,
    options: str,
    fields: Sequence[tuple[str, str]],
    challenge: str = "",
    label: str = LABEL,
    failed: str = FAILED,
) -> str:
    """Return the form with its script. Put it after all other forms of the page.

    `options`: the path that returns the options. `challenge`: the challenge of a sign-in that waits for its second
    factor. `label`: the label of the button. `failed`: the text if the browser finds no passkey.
    """
    parts = (
        *(hidden(name, value) for name, value in (*fields, ("challenge", challenge), ("credential", ""))),
        '<p class="small" role="status"></p>',
        button(label, second=True),
    )
    attributes = f'action="{escape(path)}" data-options="{escape(options)}" data-failed="{escape(failed)}"'
    return f'<form method="post" {attributes} hidden>\n' + "\n".join(parts) + "\n</form>\n" + SCRIPT_TAG


def with_script(policy: str) -> str:
    """Return a policy that also allows the script, and its request to this server."""
    return allow(allow(policy, "script-src", f"'sha256-{SCRIPT_HASH}'"), "connect-src", "'self'")
