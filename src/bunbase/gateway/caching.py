"""The default Cache-Control of all answers, in both lanes: `private, no-cache`, unless the route sets another value.

Answers depend on the caller's credentials. Shared caches respect Authorization (RFC 9111 §3.5), but do not know
X-Bunbase-Key and X-Bunbase-Project. Errors need the header too: caches may store a 404 that has none (RFC 9110 §15.1).
An answer with an ETag also varies by credentials: otherwise a browser could revalidate one person's answer for the next
person.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

Pairs = tuple[tuple[bytes, bytes], ...]

OWN: Final = b"cache-control"
TAG: Final = b"etag"
PRIVATE: Final[Pairs] = ((OWN, b"private, no-cache"),)
TAGGED: Final[Pairs] = (*PRIVATE, (b"vary", b"Authorization, Origin, X-Bunbase-Key, X-Bunbase-Project"))


def caching(names: Iterable[bytes]) -> Pairs:
    """Return the headers to add to an answer. `names`: its header names, in lower case."""
    tagged = False
    for name in names:
        if name == OWN:
            return ()
        tagged = tagged or name == TAG
    return TAGGED if tagged else PRIVATE
