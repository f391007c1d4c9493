"""Decodes JSON bodies. A body that is not JSON is always 400; JSON of another shape is for the caller to describe."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from bunbase.pkg.errors import Malformed

T = TypeVar("T")


def read_json(body: bytes, kind: type[T]) -> T:
    """Return the body as `kind`. Raises: Malformed if it is not JSON, msgspec.ValidationError if it has another shape.

    msgspec reports a wrong shape before it has read the rest, so the rest is checked too.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError:
        check_readable(body)
        raise
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise unreadable(error) from None


def check_readable(body: bytes) -> None:
    """Raises: Malformed if the body is not JSON."""
    try:
        msgspec.json.decode(body)  # as Raw, it would skip invalid UTF-8
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise unreadable(error) from None


def unreadable(error: Exception) -> Malformed:
    return Malformed(f"The body is not JSON in UTF-8: {error}.")


def pointer_in(error: msgspec.ValidationError) -> str:
    """Return the JSON Pointer for the place in an error of msgspec, such as `$.indexes[0].fields`."""
    text = str(error)
    _, _, place = text.rpartition(" - at `$")
    return place.rstrip("`").replace("[", "/").replace("]", "").replace(".", "/") if place != text else ""
