"""Tells caches, in both lanes, to keep an answer for its reader alone, unless the route says otherwise.

Answers depend on who asks, and not every cache knows that X-Bunbase-Key says so (RFC 9111 §3.5 protects Authorization
alone). Errors too: a 404 without a word may be kept (RFC 9110 §15.1). An answer with an ETag varies by credentials: a
browser that several people use must not ask with one person's tag on behalf of another.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

Pairs = tuple[tuple[bytes, bytes], ...]

OWN: Final = b"cache-control"
TAG: Final = b"etag"
PRIVATE: Final[Pairs] = ((OWN, b"private, no-cache"),)
TAGGED: Final[Pairs] = (*PRIVATE, (b"vary", b"Authorization, Origin, X-Bunbase-Key"))


def caching(names: Iterable[bytes]) -> Pairs:
    """Return what to add to an answer with headers of these names, in lower case."""
    tagged = False
    for name in names:
        if name == OWN:
            return ()
        tagged = tagged or name == TAG
    return TAGGED if tagged else PRIVATE
