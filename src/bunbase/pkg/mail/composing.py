"""Make a letter from a template: the plain text and the HTML from the same few fields.

The values of fields may come from unknown people: anybody can invite anybody and choose the name in the invitation. So
a field never becomes a link or markup. All text is escaped in HTML, and `harmless` breaks up texts that mail programs
would turn into a link or decode. Only the field `url` becomes a link, and the room makes it from the installation's own
address.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from string import Template as Pattern
from typing import Final
from urllib.parse import urlsplit

from bunbase.pkg.addresses import email_or_none
from bunbase.pkg.ip_addresses import canonical_address
from bunbase.pkg.mail.headers import one_line, plain_words
from bunbase.pkg.mail.languages import ENGLISH, fallback_in, fields_in
from bunbase.pkg.mail.layout import FALLBACK, Content, html_of, text_of
from bunbase.pkg.mail.letters import MAX_SUBJECT, Letter
from bunbase.pkg.mail.templates import DAY, HOUR, MINUTE, Template

MAX_FIELD: Final = 120  # A field has at most this many characters.
MAX_URL: Final = 2000
ADDRESSES: Final = frozenset(
    {"email", "new_email", "inviter_email"}
)  # these fields are shown whole if they are an email address
# These are controls, bidirectional marks and line breaks.
HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# The signs after the first also separate the labels of a domain (RFC 3490).
DOT: Final = re.compile(r"(?<=\w)([.。．｡])(?=\w)")
DOT_BESIDE_LETTER: Final = re.compile(rf"{DOT.pattern}(?!(?<=[0-9]\.)[0-9])")  # Versions of programs stay whole.
SCHEME: Final = re.compile(r":(?=[\w/])")


def compose(
    template: Template,
    to: str,
    fields: Mapping[str, str],
    project: str = "",
    language: str = ENGLISH,
    accent: str = "",
) -> Letter:
    """Return the letter for an address.

    `fields`: `app`, the fields of the template, `url` if the template has a button, and `code` if the reader types one.
    `project`: the id of the project in whose name the mail is sent. Two fields are not texts of people: `url` is the
    link of the button, and `code` is the only text on its line.
    `language`: the language of the texts of the template. `accent`: the colour of the button; empty for the default
    colour.
    Raises: ValueError if a field is missing or `url` is not a complete URL, which is a bug of the caller.
    """
    fields = fields_in(language, fields)
    url, code = fields.get("url", ""), fields.get("code", "")
    missing = template.needs() - {name for name, value in fields.items() if value}
    if missing:
        raise ValueError(f"{template.kind} needs more fields: {', '.join(sorted(missing))}")
    if url:
        _check_url(url)
    known = {name: shown(name, value) for name, value in fields.items()}
    subject, heading, body, button, footer = (
        Pattern(text).safe_substitute(known)
        for text in (template.subject, template.heading, template.body, template.button, template.footer)
    )
    paragraphs = tuple(" ".join(paragraph.split()) for paragraph in body.split("\n\n"))
    content = Content(
        known["app"],
        heading,
        paragraphs,
        button,
        url,
        code,
        footer,
        language,
        fallback_in(language) or FALLBACK,
        accent,
    )
    return Letter(
        to=to,
        subject=one_line(subject)[:MAX_SUBJECT] or template.kind,  # A subject may consist only of spaces.
        text=text_of(content),
        html=html_of(content),
        project=project,
        kind=template.kind,
        notice=template.notice,
        useful_seconds=template.useful_seconds,
    )


def in_words(seconds: int) -> str:
    """Return a duration for the field `valid_for`, in the largest unit without a rest, such as `90 minutes`."""
    units = {"day": DAY, "hour": HOUR, "minute": MINUTE, "second": 1}
    unit = next(name for name, size in units.items() if seconds % size == 0)
    number = seconds // units[unit]
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"


def shown(name: str, value: str) -> str:
    """Return the value of a field for display. An address is shown whole in the fields for addresses.

    `at` is a time, which the room itself has written.
    """
    if name == "at" or (name in ADDRESSES and email_or_none(value) is not None):
        return value
    if name == "ip" and canonical_address(value) == value:
        return value
    return harmless(value, DOT_BESIDE_LETTER if name == "agent" else DOT)


def harmless(value: str, dots: re.Pattern[str] = DOT) -> str:
    """Return a text that mail programs do not turn into a link, on one line and without invisible characters.

    `dots`: the characters after which a space is inserted.
    """
    visible = "".join(
        " " if character.isspace() else character
        for character in value
        if character.isspace() or unicodedata.category(character) not in HIDDEN
    )
    line = " ".join(visible.split())
    if len(line) > MAX_FIELD:
        line = line[: MAX_FIELD - 1] + "…"
    return plain_words(SCHEME.sub(": ", dots.sub(r"\1 ", line)))


def _check_url(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc or len(url) > MAX_URL:
        raise ValueError("the link of a mail must be a complete http or https address")
    if not url.isprintable() or any(character in ' <>"' for character in url):
        raise ValueError("the link of a mail must be percent-encoded")
