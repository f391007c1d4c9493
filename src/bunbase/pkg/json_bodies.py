"""Decodes JSON bodies. A body that is not JSON is always 400; JSON of another shape is for the caller to describe."""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec

from bunbase.pkg.errors import Malformed
from bunbase.pkg.plain_messages import plain, sentence

T = TypeVar("T")

# parts of msgspec's messages
CUT_OFF: Final = "Input data was truncated"
MALFORMED: Final = "JSON is malformed: "
PLACE: Final = " - at `$"


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


def unreadable(error: Exception, what: str = "The body") -> Malformed:
    """Return the Problem for an error of the JSON parser. `what`: the text that was read."""
    if str(error) == CUT_OFF:
        return Malformed(f"{what} is empty, or its JSON ends too early: send a whole JSON value.")
    return Malformed(f"{what} is not JSON in UTF-8: {_reason(error)}.")


def fault_in(error: msgspec.ValidationError) -> tuple[str, str]:
    """Return the JSON Pointer and the message, in plain words, for a value of the wrong shape."""
    return pointer_in(error), sentence(plain(str(error).split(PLACE, maxsplit=1)[0]))


def pointer_in(error: msgspec.ValidationError) -> str:
    """Return the JSON Pointer for the place in an error of msgspec, such as `$.indexes[0].fields`."""
    _, found, place = str(error).rpartition(PLACE)
    return place.rstrip("`").replace("[", "/").replace("]", "").replace(".", "/") if found else ""


def _reason(error: Exception) -> str:
    match error:
        case UnicodeDecodeError():
            return f"a text in it has the byte 0x{error.object[error.start]:02x}, which is not UTF-8 there"
        case RecursionError():
            return "it is nested too deeply"
        case _:
            return str(error).removeprefix(MALFORMED)
