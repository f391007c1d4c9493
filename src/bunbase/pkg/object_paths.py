"""The path of an object, `/v1/storage/objects/{bucket}/{key}`, as it was sent.

A key is data: `a//b`, `..`, a leading or trailing slash and `%2F` are ordinary parts of it. So the key is everything
after the slash behind the bucket, unescaped once.
"""

from __future__ import annotations

import re
from typing import Final

OBJECTS: Final = "/v1/storage/objects"
# Matches the four segments up to the bucket, and one slash.
BEFORE_KEY: Final = re.compile(rb"/+[^/]+/+[^/]+/+[^/]+/+[^/]+/")


def object_key(sent: bytes) -> bytes:
    """Return the escaped key, or nothing if the path has no key. `sent`: the path as it was sent, without the query."""
    found = BEFORE_KEY.match(sent)
    return sent[found.end() :] if found else b""
