"""The path and the query of a request: decoded for the server, and in the canonical form of Signature Version 4.

Both forms come from the same split of the bytes on the wire, so the server acts on what the client has signed.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote_from_bytes, unquote_to_bytes

from bunbase.pkg.s3.errors import S3Error

UNRESERVED: Final = "-_.~"
BROKEN_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
MAX_PARAMETERS: Final = 200  # SDKs send about 20; sorting more than this is work for nothing

Pair = tuple[bytes, bytes]


def canonical_path(raw_path: bytes) -> str:
    """Return the path with each segment escaped once. An escaped slash stays escaped, and no segment is removed.

    Raises: S3Error (InvalidURI).
    """
    _check_escapes(raw_path)
    return "/".join(quote_from_bytes(unquote_to_bytes(part), UNRESERVED) for part in raw_path.split(b"/")) or "/"


def bucket_and_key(raw_path: bytes) -> tuple[str, bytes]:
    """Return the bucket ("" for the root) and the bytes of the key (b"" for the bucket itself).

    The path is split at its first slashes before it is decoded; a plus is a plus. Raises: S3Error (InvalidURI).
    """
    _check_escapes(raw_path)
    bucket, _, key = raw_path.removeprefix(b"/").partition(b"/")
    return _text(unquote_to_bytes(bucket), "The name of the bucket"), unquote_to_bytes(key)


def query_pairs(raw_query: bytes) -> list[Pair]:
    """Return the decoded names and values in the order of the query. A name without `=` has an empty value.

    A plus is a space, as in forms; `%2B` is a plus. Raises: S3Error (InvalidURI).
    """
    _check_escapes(raw_query)
    parts = [part for part in raw_query.split(b"&") if part]
    if len(parts) > MAX_PARAMETERS:
        raise S3Error("InvalidURI", f"The query has more than {MAX_PARAMETERS} parameters.")
    pairs = (part.replace(b"+", b" ").partition(b"=") for part in parts)
    return [(unquote_to_bytes(name), unquote_to_bytes(value)) for name, _, value in pairs]


def canonical_query(pairs: list[Pair]) -> str:
    """Return the parameters, escaped and sorted by their escaped bytes."""
    escaped = sorted((quote_from_bytes(name, UNRESERVED), quote_from_bytes(value, UNRESERVED)) for name, value in pairs)
    return "&".join(f"{name}={value}" for name, value in escaped)


def parameters(pairs: list[Pair]) -> dict[str, str]:
    """Return the parameters by name. Raises: S3Error (InvalidURI, InvalidArgument) if one is not UTF-8, or is there
    twice.
    """
    found: dict[str, str] = {}
    for raw_name, raw_value in pairs:
        name = _text(raw_name, "The name of a parameter")
        if name in found:
            raise S3Error("InvalidArgument", "The query has a parameter twice.", ArgumentName=name)
        found[name] = _text(raw_value, "The value of a parameter")
    return found


def _check_escapes(raw: bytes) -> None:
    if BROKEN_ESCAPE.search(raw):
        raise S3Error("InvalidURI", "The URI has a percent sign without two hexadecimal digits: write it as %25.")


def _text(raw: bytes, what: str) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise S3Error("InvalidURI", f"{what} is not UTF-8.") from None
