"""The HTML of a mail: one column that needs no images and no scripts, in light and in dark.

Mail programs drop much of CSS, so every element has its own style. Programs that support `prefers-color-scheme` use
the few rules in the head of the page. A screen reader reads a heading, paragraphs and one link.
"""

from __future__ import annotations

from html import escape
from typing import Final

import msgspec

from bunbase.pkg.colours import ACCENT, readable, text_on

FONT: Final = "font-family:system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"
MONOSPACE: Final = "font-family:ui-monospace,Menlo,Consolas,monospace"

HEAD: Final = """\
<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<meta name="format-detection" content="telephone=no, date=no, address=no, email=no, url=no">
<title>{heading}</title>
<style>
@media (prefers-color-scheme: dark) {{
  .page {{ background: #16181d !important; }}
  .card {{ background: #1f2229 !important; border-color: #363b45 !important; }}
  .text {{ color: #eceef2 !important; }}
  .small {{ color: #aab1bd !important; border-color: #363b45 !important; }}
  .code {{ background: #2a2e37 !important; color: #eceef2 !important; }}
  .button {{ background: {dark_button} !important; color: {dark_label} !important; }}
  .address {{ color: {dark_link} !important; }}
}}
</style>
</head>
"""
BODY: Final = """\
<body class="page" style="margin:0;padding:24px 12px;background:#f3f4f6;{font}">
<div class="card" role="article" aria-label="{heading}" lang="{language}" style="max-width:520px;margin:0 auto;\
padding:32px;background:#ffffff;border:1px solid #dfe2e8;border-radius:12px">
<p class="small" style="margin:0 0 20px;font-size:14px;color:#565d6b">{app}</p>
<h1 class="text" style="margin:0 0 16px;font-size:22px;line-height:1.3;color:#14171d">{heading}</h1>
{parts}
</div>
</body>
</html>
"""
PARAGRAPH: Final = (
    '<p class="text" style="margin:0 0 16px;font-size:16px;line-height:1.5;color:#14171d;overflow-wrap:anywhere">'
    "{text}</p>"
)
CODE: Final = (
    '<p class="code" style="margin:8px 0 20px;padding:14px;border-radius:8px;background:#eef0f4;text-align:center;'
    'font-size:28px;letter-spacing:4px;color:#14171d;{font}">{code}</p>'
)
BUTTON: Final = (
    '<p style="margin:24px 0"><a class="button" href="{url}" style="display:inline-block;padding:12px 22px;'
    "border-radius:8px;background:{button};color:{on_button};font-size:16px;font-weight:600;text-decoration:none"
    '">{label}</a></p>\n'
    '<p class="small" style="margin:0 0 16px;font-size:14px;line-height:1.5;color:#565d6b">'
    "{fallback}<br>"
    '<a class="address" href="{url}" style="color:{link};overflow-wrap:anywhere">{url}</a></p>'
)
FOOTER: Final = (
    '<p class="small" style="margin:24px 0 0;padding-top:16px;border-top:1px solid #dfe2e8;font-size:14px;'
    'line-height:1.5;color:#565d6b;overflow-wrap:anywhere">{text}</p>'
)


FALLBACK: Final = "If the button does not work, open this address:"


class Colours(msgspec.Struct, frozen=True):
    """The colours of the button and of the link below it, in light and in dark."""

    button: str = "#1d4fd7"
    on_button: str = "#ffffff"
    link: str = "#1d4fd7"
    dark_button: str = "#8ab4ff"
    dark_label: str = "#10131a"
    dark_link: str = "#8ab4ff"


USUAL: Final = Colours()


class Content(msgspec.Struct, frozen=True):
    """The parts of a mail, as plain text. `button` is the label of the link `url`, and `code` is a code to type.

    `url` and `code` may both be empty.

    `fallback`: the sentence above the URL of the button. `accent`: the colour of the button; empty for the default
    colour.
    """

    app: str
    heading: str
    paragraphs: tuple[str, ...]
    button: str = ""
    url: str = ""
    code: str = ""
    footer: str = ""
    language: str = "en"
    fallback: str = FALLBACK
    accent: str = ""


def html_of(content: Content) -> str:
    """Return the HTML page. Every text is escaped."""
    colours = msgspec.structs.asdict(colours_of(content.accent))
    parts = [PARAGRAPH.format(text=escape(paragraph)) for paragraph in content.paragraphs]
    if content.code:
        parts.append(CODE.format(code=escape(content.code), font=MONOSPACE))
    if content.url:
        parts.append(
            BUTTON.format(
                url=escape(content.url), label=escape(content.button), fallback=escape(content.fallback), **colours
            )
        )
    if content.footer:
        parts.append(FOOTER.format(text=escape(content.footer)))
    known = {"heading": escape(content.heading), "language": escape(content.language)}
    body = BODY.format(**known, app=escape(content.app), font=FONT, parts="\n".join(parts))
    return HEAD.format(**known, **colours) + body


def colours_of(accent: str) -> Colours:
    """Return the colours of a mail. A link keeps the default colour where the accent could not be read."""
    if not ACCENT.fullmatch(accent):
        return USUAL
    label = text_on(accent)
    link, dark_link = readable(accent, "#ffffff", USUAL.link), readable(accent, "#1f2229", USUAL.dark_link)
    return Colours(accent, label, link, accent, label, dark_link)


def text_of(content: Content) -> str:
    """Return the plain text."""
    link = f"{content.button}:\n{content.url}" if content.url else ""
    parts = (content.heading, *content.paragraphs, content.code, link, content.footer)
    return "\n\n".join(part for part in parts if part) + "\n"
