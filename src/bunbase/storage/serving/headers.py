"""The headers of a download.

An answer must never become a page of this server. `nosniff` keeps browsers from guessing another type, and the policy
`sandbox` takes scripts and the origin away, even if a browser shows the content. Types that could hold a script are
attachments.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

import msgspec

from bunbase.contracts.storage import Opened
from bunbase.pkg.numbers import whole_number
from bunbase.storage.serving.conditions import last_modified
from bunbase.storage.serving.media_types import INLINE, essence

POLICY: Final = "sandbox; default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'"
METADATA: Final = "x-bunbase-metadata"
DEFAULT_CACHING: Final = "no-cache"
SHARED: Final = ("public", "private", "s-maxage")
CREDENTIALS: Final = "Authorization, Cookie, Origin, X-Bunbase-As, X-Bunbase-Key, X-Bunbase-Project"
MAX_NAME: Final = 150  # characters of the file name in Content-Disposition


def download_headers(opened: Opened) -> dict[str, str]:
    """Return the headers of status 200, 206 or 304."""
    found = opened.object
    headers = {
        "etag": f'"{found.etag}"',
        "last-modified": last_modified(found.updated_at),
        "cache-control": cache_control(opened),
        "content-disposition": disposition(found.key, found.content_type),
        "content-security-policy": POLICY,
        "x-content-type-options": "nosniff",
        "accept-ranges": "bytes",
        "vary": _vary(opened),  # the CORS headers depend on the page that asks
    }
    if found.metadata:
        headers[METADATA] = ascii_json(found.metadata)
    if opened.status == 206:
        headers["content-range"] = f"bytes {opened.start}-{opened.end - 1}/{found.size}"
    return headers


def _vary(opened: Opened) -> str:
    names = "Origin" if opened.public else CREDENTIALS
    return f"{opened.vary}, {names}" if opened.vary else names


def cache_control(opened: Opened) -> str:
    """Return the stored Cache-Control, which only objects that everybody may read can share among callers. Nobody
    keeps the answer to a signed link for longer than the link is valid.
    """
    left = None if opened.link_seconds is None else max(0, opened.link_seconds)
    default = DEFAULT_CACHING if left is None else f"max-age={left}"
    parts = [part.strip() for part in (opened.cache_control or default).split(",")]
    kept = [part for part in parts if part and _name(part) not in SHARED]
    if left is not None:
        kept = [_capped(part, left) for part in kept]
    return ", ".join(["public" if opened.public else "private", *kept])


def _name(directive: str) -> str:
    return directive.partition("=")[0].strip().lower()


def _capped(directive: str, most: int) -> str:
    if _name(directive) != "max-age":
        return directive
    sent = whole_number(directive.partition("=")[2].strip(), most)
    return f"max-age={most if sent is None else sent}"


def disposition(key: str, content_type: str) -> str:
    """Return Content-Disposition (RFC 6266) with the last part of the key as the name of the file."""
    name = key.rstrip("/").rpartition("/")[2][-MAX_NAME:] or "download"
    plain = "".join([one if one.isascii() and one.isprintable() and one not in '"\\%' else "_" for one in name])
    kind = "inline" if essence(content_type) in INLINE else "attachment"
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def ascii_json(value: object) -> str:
    """Return JSON in printable ASCII, because headers have no other characters (RFC 9110 §5.5)."""
    text = msgspec.json.encode(value).decode()
    return "".join([one if one.isascii() and one.isprintable() else _escaped(one) for one in text])


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be")
    return "".join([f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2)])
