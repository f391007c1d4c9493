"""Reword the messages of msgspec, which validates requests and settings, for people who do not know Python's types."""

from __future__ import annotations

import re
from typing import Final

NAMES: Final = {
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
BOUNDS: Final = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than"}

UNKNOWN: Final = re.compile(r"Object contains unknown field `([^`]*)`")
MISSING: Final = re.compile(r"Object missing required field `([^`]*)`")
BOUND: Final = re.compile(r"Expected `([a-z |]+)` (of length )?(>=|<=|>|<) (-?[\d.]+)")
TYPE: Final = re.compile(r"Expected `([a-z |]+)`(?:, got `([a-z]+)`)?")


def plain(message: str) -> str:
    """Return the message in plain words. Messages of other forms stay as they are."""
    message = UNKNOWN.sub(r"There is no field \1 here", message)
    message = MISSING.sub(r"The field \1 is missing", message)
    message = BOUND.sub(lambda found: f"This must be {_bounded(*found.groups())}", message)
    return TYPE.sub(_typed, message)


def sentence(message: str) -> str:
    """Return the message with a full stop if it does not yet end like a sentence."""
    return message if message.endswith((".", "!", "?")) or not message else f"{message}."


def _bounded(kind: str, length: str | None, bound: str, limit: str) -> str:
    if length is None:
        return f"{_named(kind)} of {BOUNDS[bound]} {limit}"
    unit = "characters" if "str" in kind else "elements"
    return f"{_named(kind)} of {BOUNDS[bound]} {limit} {unit}"


def _typed(found: re.Match[str]) -> str:
    wanted, got = found.groups()
    return f"This must be {_named(wanted)}" + (f", but it is {_named(got)}" if got else "")


def _named(kinds: str) -> str:
    """Return the words for a type such as `int | null`."""
    return " or ".join(NAMES.get(kind, kind) for kind in kinds.split(" | "))
