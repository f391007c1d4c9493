"""An ASGI app that normalises the path of a request once, before anything reads it.

`scope["path"]` gets no empty segments, and each segment is unescaped. An escaped slash stays `%2F`, because it is part
of a segment and does not separate segments (RFC 3986 §2.2). `scope["raw_path"]` stays as it was sent, with one
exception: the part up to the name of a function is normalised. The function gets the rest unchanged, byte for byte.

The key of an object (`/v1/storage/objects/{bucket}/{key}`) is everything after the bucket, with all its slashes. In
`scope["path"]` it is one segment; the route reads it from `raw_path`, because only there `%2F` and `%252F` differ.
"""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import quote, unquote

from bunbase.gateway.project_hosts import FUNCTIONS
from bunbase.pkg.object_paths import OBJECTS, object_key

OBJECTS_ROOT: Final = OBJECTS.encode() + b"/"
NORMAL: Final = re.compile(rb"(?:/[^/%]+)+|/")
PLACE_AND_NAME: Final = re.compile(rb"/+[^/]+/+[^/]+/+([^/]+)")
ROOT: Final = FUNCTIONS.encode() + b"/"


class NormalPaths:
    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            sent = scope.get("raw_path") or quote(scope["path"]).encode()
            if sent.startswith(OBJECTS_ROOT) or not NORMAL.fullmatch(sent):
                scope["path"], scope["raw_path"] = normal_path(sent)
        await self.app(scope, receive, send)


def normal_path(sent: bytes) -> tuple[str, bytes]:
    """Return the unescaped path, and the escaped one. `sent`: the path as it was sent, without the query."""
    segments = [_unescaped(segment) for segment in sent.split(b"/") if segment]
    path = "/" + "/".join(segments)
    if path.startswith(FUNCTIONS + "/") and (below := PLACE_AND_NAME.match(sent)):
        return path, ROOT + below[1] + sent[below.end() :]
    if path.startswith(OBJECTS + "/") and (key := object_key(sent)):
        bucket = path.removeprefix(OBJECTS + "/").partition("/")[0]
        return f"{OBJECTS}/{bucket}/{_unescaped(key.replace(b'/', b'%2F'))}", sent
    return path, sent


def _unescaped(segment: bytes) -> str:
    return unquote(segment.decode("latin-1")).replace("/", "%2F")
