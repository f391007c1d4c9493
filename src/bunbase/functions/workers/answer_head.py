"""Parses the head of a function's answer: its status and its headers.

The head becomes part of the HTTP response without changes, so it is checked here. If a header has an effect beyond this
answer, it is dropped (far_reaching.py).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Annotated, Final

import msgspec

from bunbase.functions.workers.far_reaching import reaches_far
from bunbase.functions.workers.frames import BadFrame
from bunbase.functions.workers.limits import MAX_HEADER_BYTES, MAX_HEADERS

NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")  # Names have the form of RFC 9110 §5.6.2, in lower case.
VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")

# Headers for one connection only (RFC 9110 §7.6.1), and headers that the HTTP server writes itself.
HOP_BY_HOP: Final = frozenset(
    {
        "connection",
        "content-length",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)

MAX_REMEMBERED_BYTES: Final = 512
REMEMBERED: Final = 1024

Headers = tuple[tuple[str, str], ...]


class AnswerHead(msgspec.Struct, frozen=True):
    status: Annotated[int, msgspec.Meta(ge=200, le=599)]
    headers: Headers


def read_head(payload: bytes) -> AnswerHead:
    """Parse a HEAD frame. Raises: BadFrame if HTTP does not allow such a head."""
    return _remembered(payload) if len(payload) <= MAX_REMEMBERED_BYTES else _read(payload)


def _read(payload: bytes) -> AnswerHead:
    try:
        head = msgspec.json.decode(payload, type=AnswerHead)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadFrame(f"a head that cannot be read: {error}") from None
    if (
        len(head.headers) > MAX_HEADERS
        or sum(len(name) + len(value) for name, value in head.headers) > MAX_HEADER_BYTES
    ):
        raise BadFrame("too many headers")
    if not all(NAME.fullmatch(name) and VALUE.fullmatch(value) for name, value in head.headers):
        raise BadFrame("a header that HTTP does not allow")
    kept = tuple([one for one in without_hop_by_hop(head.headers) if not reaches_far(*one)])
    return AnswerHead(head.status, kept)


_remembered: Final = lru_cache(REMEMBERED)(_read)  # A function usually sends the same few heads again and again.


def without_hop_by_hop(headers: Headers, also: frozenset[str] = frozenset()) -> Headers:
    """Return the headers without those that are only for one connection, or that `connection` names, or that are in
    `also`.

    All names are in lower case.
    """
    named = {token.strip().lower() for name, value in headers if name == "connection" for token in value.split(",")}
    return tuple([one for one in headers if not (one[0] in HOP_BY_HOP or one[0] in also or one[0] in named)])
