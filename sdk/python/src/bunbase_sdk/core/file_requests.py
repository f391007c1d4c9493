"""The paths, headers and answers of files."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Final, cast
from urllib.parse import quote

from bunbase_sdk.core.flow import Answer
from bunbase_sdk.core.transport import HALF, search
from bunbase_sdk.file_values import FileInfo, ImageTransform
from bunbase_sdk.problem import invalid_value

OBJECTS: Final = "/v1/storage/objects"
DOTS: Final = re.compile(r"\.{0,2}")
TOTAL: Final = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


def file_path(bucket: str, key: str) -> str:
    """Return the path of a file. A key is data, so `a//b` and `..` are parts of it: the slashes of such a key are
    escaped, because a proxy would change the path otherwise. Raises: Problem.
    """
    # a URL cannot have such a segment: `%2E` means the same as a dot
    if not isinstance(key, str) or DOTS.fullmatch(key) or HALF.search(key) or "\0" in key:
        raise invalid_value("key", f"{key!r} is no key that a URL can have.")
    segments = key.split("/")
    slash = "%2F" if any(DOTS.fullmatch(segment) for segment in segments) else "/"
    return f"{OBJECTS}/{quote(bucket, safe='')}/{slash.join(quote(segment, safe='') for segment in segments)}"


def variant_query(transform: ImageTransform | None) -> str:
    """Return the query of a variant of an image, or "". Raises: Problem."""
    for name in transform or ():
        if name not in ImageTransform.__annotations__:
            raise invalid_value(name, "An image has no such option.")
    return search(transform or {})


def properties(
    content_type: str | None, cache_control: str | None, metadata: Mapping[str, str] | None
) -> dict[str, str]:
    """Return the headers of an upload."""
    known = {
        "Content-Type": content_type,
        "Cache-Control": cache_control,
        "X-Bunbase-Metadata": None if metadata is None else json.dumps(dict(metadata)),
    }
    return {name: value for name, value in known.items() if value is not None}


def conditions(if_match: str | None, if_absent: bool = False) -> dict[str, str]:
    """Return the conditional headers."""
    return {
        **({} if if_match is None else {"If-Match": f'"{if_match}"'}),
        **({"If-None-Match": "*"} if if_absent else {}),
    }


def range_of(start: int, end: int | None) -> str | None:
    """Return the header Range for the bytes from `start` to before `end`, or None for all bytes. Raises: Problem."""
    if start == 0 and end is None:
        return None
    if end is not None and not 0 <= start < end:
        raise invalid_value("end", "`end` is behind `start`, and a negative `start` has no `end`.")
    return f"bytes={start}" if start < 0 else f"bytes={start}-{'' if end is None else end - 1}"


def info_of(bucket: str, key: str, answer: Answer) -> FileInfo:
    """Return the properties of a file from the headers of an answer."""
    headers = answer.headers
    found = TOTAL.match(headers.get("content-range", ""))
    size = int(found[3] if found else headers.get("content-length", 0))
    return FileInfo(
        bucket,
        key,
        size,
        headers.get("etag", "").strip('"'),
        headers.get("content-type", ""),
        headers.get("cache-control", ""),
        cast("dict[str, str]", json.loads(headers.get("x-bunbase-metadata", "{}"))),
        headers.get("last-modified", ""),
    )


def span_of(answer: Answer, info: FileInfo) -> tuple[int, int]:
    """Return the position of the first byte of an answer, and of the byte after the last."""
    found = TOTAL.match(answer.headers.get("content-range", ""))
    return (int(found[1]), int(found[2]) + 1) if found else (0, info.size)
