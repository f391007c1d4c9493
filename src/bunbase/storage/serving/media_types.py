"""Types of content: which are valid, what the first bytes of an object show, and which types a browser may show.

A browser that shows a page of an attacker under the address of the server runs its scripts there. So only types that
can hold no script are shown (INLINE); everything else is offered as a download.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

UNKNOWN: Final = "application/octet-stream"
SNIFFED_BYTES: Final = 512
TOKEN: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # RFC 9110 §5.6.2
VALID: Final = re.compile(rf'{TOKEN}/{TOKEN}(?:[ \t]*;[ \t]*{TOKEN}=(?:{TOKEN}|"[^"\\\x00-\x1f\x7f-\U0010ffff]*"))*')
PATTERN: Final = re.compile(rf"{TOKEN}/(?:\*|{TOKEN})")

INLINE: Final = frozenset(
    {
        "image/png",
        "image/jpeg",
        "image/gif",
        "image/webp",
        "image/avif",
        "video/mp4",
        "video/webm",
        "audio/mpeg",
        "audio/mp4",
        "audio/ogg",
        "audio/wav",
    }
)

HTML: Final = "text/html"
SVG: Final = "image/svg+xml"
PDF: Final = "application/pdf"
XML: Final = "application/xml"
ACTIVE: Final = frozenset({HTML, SVG, XML})
# beginnings of a page, as browsers recognise them (WHATWG MIME Sniffing §7.1)
TAGS: Final = re.compile(
    rb"<(?:!doctype html|html|head|script|iframe|h1|div|font|table|a|style|title|b|body|br|p|!--|link|meta|img|object)"
    rb"(?:[\s>/]|$)|<!--|<embed",
    re.IGNORECASE,
)
MAGIC: Final[tuple[tuple[bytes, str], ...]] = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"BM", "image/bmp"),
    (b"%PDF-", PDF),
    (b"PK\x03\x04", "application/zip"),
    (b"\x1f\x8b", "application/gzip"),
    (b"\x1aE\xdf\xa3", "video/webm"),
    (b"ID3", "audio/mpeg"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
    (b"\x7fELF", "application/x-executable"),
    (b"MZ", "application/x-msdownload"),
)
# types whose beginning is always recognised: another beginning shows that the declared type is wrong
RECOGNISED: Final = frozenset(
    {"image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "video/webm", "video/mp4"}
)


PICTURES: Final = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"})


def valid_type(declared: str) -> str:
    """Return the declared type in the form in which it is stored; UNKNOWN if it is not a type."""
    declared = declared.strip()
    return declared if VALID.fullmatch(declared) else UNKNOWN


def essence(content_type: str) -> str:
    """Return the type without its parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()


def is_pattern(text: str) -> bool:
    """True if the text is a type, or `<type>/*`."""
    return PATTERN.fullmatch(text) is not None


def matches(content_type: str, patterns: Sequence[str]) -> bool:
    """True if there are no patterns, or if one of them matches."""
    name = essence(content_type)
    whole = name.partition("/")[0] + "/*"
    return not patterns or any(pattern.lower() in (name, whole, "*/*") for pattern in patterns)


def sniffed(beginning: bytes) -> str:
    """Return the type that the first bytes show, or "" if they show none."""
    for magic, found in MAGIC:
        if beginning.startswith(magic):
            return found
    if beginning[:4] == b"RIFF":
        return {b"WEBP": "image/webp", b"WAVE": "audio/wav"}.get(beginning[8:12], "")
    if beginning[4:8] == b"ftyp":
        brand = beginning[8:12]
        if brand in (b"avif", b"avis"):
            return "image/avif"
        return "audio/mp4" if brand == b"M4A " else "video/mp4"
    if len(beginning) > 1 and beginning[0] == 0xFF and beginning[1] & 0xE6 == 0xE2:
        return "audio/mpeg"
    return _active_text(beginning)


def is_picture(beginning: bytes) -> bool:
    """True if the first bytes are those of an image whose variants can be made. An AVIF may name its kind second."""
    found = sniffed(beginning)
    return found in PICTURES or (beginning[4:8] == b"ftyp" and b"avif" in beginning[8:64])


def fits(content_type: str, beginning: bytes) -> bool:
    """True if the first bytes do not contradict the declared type.

    A page or a drawing with scripts must be declared as such. A file whose type is recognised must be of the declared
    kind (image, video, …), and a type that is always recognised must be found.
    """
    declared, found = essence(content_type), sniffed(beginning)
    if found in ACTIVE:
        return declared == found or (found == XML and declared.endswith(("+xml", "/xml")) and declared != SVG)
    if declared == PDF or found == PDF:
        return declared == found
    if declared in RECOGNISED or found.startswith(("image/", "video/", "audio/")):
        return found.partition("/")[0] == declared.partition("/")[0]
    return True


def _active_text(beginning: bytes) -> str:
    text = beginning
    if text.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = text[2:].replace(b"\0", b"")  # UTF-16: each of these characters has one byte that is 0
    text = text.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n\x0c\0")
    lowered = text.lower()
    if lowered.startswith(b"<svg") or (
        lowered.startswith((b"<?xml", b"<!doctype svg", b"<!--")) and b"<svg" in lowered
    ):
        return SVG
    if lowered.startswith((b"<?xml", b"<xsl", b"<xml")):
        return HTML if b"<html" in lowered else XML
    return HTML if TAGS.match(text) else ""
