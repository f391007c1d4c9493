"""The HTML of all pages, and the headers with which they are sent.

A page has no scripts except those in `passkeys.py` and `copying.py`, no images except drawings in the page, and no URLs
of other servers; the policy in `HEADERS` forbids everything else. So if a text was not escaped by mistake, it could not
run as a script, and could not send a token or a password elsewhere. A page that needs more, such as the widget of a
captcha, allows it with `allow`.

The URLs of pages contain tokens. `Referrer-Policy: same-origin` never sends a URL to another site. The stricter
`no-referrer` would make browsers send `Origin: null` with each form (Fetch §3.2.5), and then the server could not
distinguish its own forms from forms of other sites.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from html import escape
from typing import Final

from bunbase.pkg.colours import ACCENT, readable, text_on

STYLE: Final = """
:root { color-scheme: light dark; --page: #f4f5f7; --card: #ffffff; --line: #c9ced8; --edge: #7b8394; --text: #14171d;
  --small: #565d6b; --accent: #1d4fd7; --on-accent: #ffffff; --button: var(--accent);
  --on-button: var(--on-accent); --bad: #a3160f; --bad-card: #fdecea; }
@media (prefers-color-scheme: dark) {
  :root { --page: #16181d; --card: #1f2229; --line: #4a505c; --edge: #868e9c; --text: #eceef2;
    --small: #aab1bd; --accent: #8ab4ff; --on-accent: #10131a; --bad: #ffb4ab; --bad-card: #3b1f1d; }
}
* { box-sizing: border-box; }
body { margin: 0; padding: 24px 16px; background: var(--page); color: var(--text);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; }
main { max-width: 440px; margin: 4vh auto 0; padding: 28px 24px; background: var(--card); border: 1px solid var(--line);
  border-radius: 12px; overflow-wrap: anywhere; }
h1 { margin: 0 0 16px; font-size: 22px; line-height: 1.3; }
p, dl, ul { margin: 0 0 16px; }
a { color: var(--accent); }
label { display: block; margin: 0 0 4px; font-weight: 600; }
input { width: 100%; min-height: 44px; margin: 0 0 16px; padding: 8px 12px; border: 1px solid var(--edge);
  border-radius: 8px; background: var(--card); color: var(--text); font: inherit; }
button, a.button { display: block; width: 100%; min-height: 44px; margin: 4px 0 8px; padding: 9px 20px;
  border: 1px solid var(--button); border-radius: 8px; background: var(--button); color: var(--on-button);
  font: inherit; font-weight: 600; text-align: center; text-decoration: none; cursor: pointer; }
button.second, a.second { border-color: var(--edge); background: transparent; color: var(--text); }
button:hover, a.button:hover { filter: brightness(1.08); }
button.second:hover, a.second:hover { background: var(--page); }
input[aria-invalid] { border-color: var(--bad); }
input + .small { margin: -10px 0 16px; }
.divider { display: flex; align-items: center; gap: 12px; margin: 20px 0 12px; color: var(--small); font-size: 14px; }
.divider::before, .divider::after { content: ""; flex: 1; border-top: 1px solid var(--line); }
.end { margin: 20px 0 0; text-align: center; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.captcha { min-height: 144px; margin: 0 0 16px; }
.captcha > :not(:empty) + p { display: none; }
.captcha > p { animation: appear 1ms 3s backwards; }
@keyframes appear { from { visibility: hidden; } }
@media (scripting: none) { .captcha > p { animation: none; } }
.qr { max-width: 240px; margin: 0 auto 16px; }
.qr svg { display: block; border-radius: 8px; }
form p:empty { margin: 0; }
.small { color: var(--small); font-size: 14px; }
.app { margin: 0 0 20px; color: var(--small); font-weight: 600; }
.bad { padding: 12px 14px; border: 1px solid var(--bad); border-radius: 8px; background: var(--bad-card);
  color: var(--bad); }
.code { font: 600 26px ui-monospace, Menlo, Consolas, monospace; letter-spacing: 3px; text-align: center; }
dt { color: var(--small); font-size: 14px; }
dd { margin: 0 0 8px; }
"""
CARDS: Final = {"light": "#ffffff", "dark": "#1f2229"}  # Links have this background, as in the style.


def script_hash(text: str) -> str:
    """Return the hash with which a policy names a script or a style."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


STYLE_HASH: Final = script_hash(STYLE)
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
ACCENT_TAG: Final = re.compile(
    r"<style>(:root \{ --button: #[0-9a-f]{6}; --on-button: #(?:000000|ffffff); \}"
    r"(?:\n@media \(prefers-color-scheme: (?:light|dark)\) \{ :root \{ --accent: #[0-9a-f]{6}; \} \})*)</style>"
)
PAGE: Final = """\
<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title} · {app}</title>
<style>{style}</style>{accent}
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


def page(app: str, title: str, *parts: str, language: str = "en", accent: str = "") -> str:
    """Return a page. `app`: the name of the site. `title` is plain text; the parts are HTML from the functions below.

    `language`: the language of the texts, as a tag of BCP 47. `accent`: the colour of buttons and links, such as
    `#1d4fd7`.
    """
    body = "\n".join(part for part in parts if part)
    known = {"style": STYLE, "accent": _accent_style(accent) if ACCENT.fullmatch(accent) else ""}
    return PAGE.format(title=escape(title), app=escape(app), parts=body, language=escape(language), **known)


def allow(policy: str, directive: str, *sources: str) -> str:
    """Return a policy with more sources in one of its directives."""
    directives = [part.split() for part in policy.split(";")]
    named = next((parts for parts in directives if parts[0] == directive), None)
    if named is None:
        directives.append([directive, *sources])
    else:
        named.extend(source for source in sources if source not in named)
    return "; ".join(" ".join(parts) for parts in directives)


def with_accent(policy: str, text: str) -> str:
    """Return a policy that also allows the colour of a page's buttons, if it has one."""
    found = ACCENT_TAG.search(text)
    return policy if found is None else allow(policy, "style-src", f"'sha256-{script_hash(found[1])}'")


def _accent_style(accent: str) -> str:
    """Return the style of buttons and links. Links keep the default colour if people could not read this colour."""
    style = f":root {{ --button: {accent}; --on-button: {text_on(accent)}; }}"
    for scheme, card in CARDS.items():
        if readable(accent, card, ""):
            style += f"\n@media (prefers-color-scheme: {scheme}) {{ :root {{ --accent: {accent}; }} }}"
    return f"<style>{style}</style>"


def paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def small(text: str) -> str:
    return f'<p class="small">{escape(text)}</p>'


def alert(text: str, id: str = "") -> str:
    """Return a text that screen readers read first; "" if there is no text. `id`: the id with which a field refers to
    the text.
    """
    named = f' id="{escape(id)}"' if id else ""
    return f'<p class="bad" role="alert"{named}>{escape(text)}</p>' if text else ""


def link(url: str, label: str) -> str:
    return f'<p><a href="{escape(url)}">{escape(label)}</a></p>'


def button_link(url: str, label: str, main: bool = False) -> str:
    """Return a link that looks like a button. `main`: true if most people continue with this link."""
    return f'<a class="{"button" if main else "button second"}" href="{escape(url)}">{escape(label)}</a>'


def divider(text: str) -> str:
    return f'<p class="divider">{escape(text)}</p>'


def ending(text: str, url: str, label: str) -> str:
    """Return the last line of a page: another way to continue. `text`: the text before the link, or ""."""
    before = f"{escape(text)} " if text else ""
    return f'<p class="end">{before}<a href="{escape(url)}">{escape(label)}</a></p>'


def facts(*pairs: tuple[str, str]) -> str:
    """Return a list of names and values."""
    return "<dl>" + "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in pairs) + "</dl>"


def items(texts: Sequence[str], id: str = "") -> str:
    named = f' id="{escape(id)}"' if id else ""
    return f"<ul{named}>" + "".join(f"<li>{escape(text)}</li>" for text in texts) + "</ul>"


def code(text: str) -> str:
    return f'<p class="code">{escape(text)}</p>'
