"""The default Cache-Control of all answers, in both lanes: `private, no-cache`, unless the route sets another value.

Answers depend on the caller's credentials. Shared caches respect Authorization (RFC 9111 §3.5), but do not know
X-Bunbase-Key, X-Bunbase-Project and X-Bunbase-As. Errors need the header too: caches may store a 404 that has none
(RFC 9110 §15.1). An answer with an ETag also varies by credentials: otherwise a browser could revalidate one person's
answer for the next person.

No cache may store an answer that sets or removes the cookie of a user, even if the function's own headers allow it.
Many CDNs store Set-Cookie in a `public` answer, and so give the session of one person to all others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

Pairs = tuple[tuple[bytes, bytes], ...]

OWN: Final = b"cache-control"
TAG: Final = b"etag"
PRIVATE: Final[Pairs] = ((OWN, b"private, no-cache"),)
NOT_STORED: Final = ("cache-control", "private, no-store")
# These headers include those that only CDNs read, such as CDN-Cache-Control (RFC 9213) and
# Cloudflare-CDN-Cache-Control.
FOR_CACHES: Final = re.compile(r"(.+-)?cache-control|surrogate-control|edge-control|(x-accel-)?expires|pragma")
TAGGED: Final[Pairs] = (
    *PRIVATE,
    (b"vary", b"Authorization, Cookie, Origin, X-Bunbase-As, X-Bunbase-Key, X-Bunbase-Project"),
)


def caching(names: Iterable[bytes]) -> Pairs:
    """Return the headers to add to an answer. `names`: its header names, in lower case."""
    tagged = False
    for name in names:
        if name == OWN:
            return ()
        tagged = tagged or name == TAG
    return TAGGED if tagged else PRIVATE


def not_stored(headers: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Return the headers, changed so that no cache may store the answer. The names are in lower case."""
    return (*[pair for pair in headers if not FOR_CACHES.fullmatch(pair[0])], NOT_STORED)
