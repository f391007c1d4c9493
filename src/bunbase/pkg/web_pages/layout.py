"""The HTML of all pages, and the headers with which they are sent.

A page has no scripts except the one in `passkeys.py`, no images and no addresses of other servers; the policy in
`HEADERS` forbids them. So a text that was not escaped by mistake could not run as a script, and could not send a token
or a password elsewhere.

The addresses of pages contain tokens. `Referrer-Policy: same-origin` never sends an address to another site. The
stricter `no-referrer` would make browsers send `Origin: null` with each form (Fetch §3.2.5), and then the server could
not distinguish its own forms from those of other sites.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from html import escape
from typing import Final

STYLE: Final = """
:root { color-scheme: light dark; --page: #f4f5f7; --card: #ffffff; --line: #c9ced8; --text: #14171d; --small: #565d6b;
  --accent: #1d4fd7; --on-accent: #ffffff; --bad: #a3160f; --bad-card: #fdecea; }
@media (prefers-color-scheme: dark) {
  :root { --page: #16181d; --card: #1f2229; --line: #4a505c; --text: #eceef2; --small: #aab1bd; --accent: #8ab4ff;
    --on-accent: #10131a; --bad: #ffb4ab; --bad-card: #3b1f1d; }
}
* { box-sizing: border-box; }
body { margin: 0; padding: 24px 16px; background: var(--page); color: var(--text); line-height: 1.5;
  font: 16px system-ui, -apple-system, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; }
main { max-width: 440px; margin: 4vh auto 0; padding: 28px 24px; background: var(--card); border: 1px solid var(--line);
  border-radius: 12px; overflow-wrap: anywhere; }
h1 { margin: 0 0 16px; font-size: 22px; line-height: 1.3; }
p, dl { margin: 0 0 16px; }
a { color: var(--accent); }
label { display: block; margin: 0 0 4px; font-weight: 600; }
input { width: 100%; min-height: 44px; margin: 0 0 16px; padding: 8px 12px; border: 1px solid var(--line);
  border-radius: 8px; background: var(--card); color: var(--text); font: inherit; }
button { width: 100%; min-height: 44px; margin: 4px 0 8px; padding: 10px 20px; border: 1px solid var(--accent);
  border-radius: 8px; background: var(--accent); color: var(--on-accent); font: inherit; font-weight: 600;
  cursor: pointer; }
button.second { background: transparent; color: var(--accent); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.small { color: var(--small); font-size: 14px; }
.app { margin: 0 0 20px; color: var(--small); font-weight: 600; }
.bad { padding: 12px 14px; border: 1px solid var(--bad); border-radius: 8px; background: var(--bad-card);
  color: var(--bad); }
.code { font: 600 26px ui-monospace, Menlo, Consolas, monospace; letter-spacing: 3px; text-align: center; }
dt { color: var(--small); font-size: 14px; }
dd { margin: 0 0 8px; }
"""
STYLE_HASH: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS: Final = {
    "cache-control": "no-store",
    "content-security-policy": POLICY,
    "referrer-policy": "same-origin",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "x-robots-tag": "noindex",
}
PAGE: Final = """\
<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title} · {app}</title>
<style>{style}</style>
</head>
<body>
<main>
<p class="app">{app}</p>
<h1>{title}</h1>
{parts}
</main>
</body>
</html>
"""


def page(app: str, title: str, *parts: str, language: str = "en") -> str:
    """Return a page. `app`: the name of the site. `title` is plain text; the parts are HTML from the functions below.

    `language`: of the texts, as BCP 47 writes it.
    """
    body = "\n".join(part for part in parts if part)
    return PAGE.format(title=escape(title), app=escape(app), style=STYLE, parts=body, language=escape(language))


def paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def small(text: str) -> str:
    return f'<p class="small">{escape(text)}</p>'


def alert(text: str) -> str:
    """Return a text that screen readers read first; "" if there is no text."""
    return f'<p class="bad" role="alert">{escape(text)}</p>' if text else ""


def link(url: str, label: str) -> str:
    return f'<p><a href="{escape(url)}">{escape(label)}</a></p>'


def facts(*pairs: tuple[str, str]) -> str:
    """Return a list of names and values."""
    return "<dl>" + "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in pairs) + "</dl>"


def items(texts: Sequence[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(text)}</li>" for text in texts) + "</ul>"


def code(text: str) -> str:
    return f'<p class="code">{escape(text)}</p>'
