"""What a rule decides about, and the documents it may look up."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

import msgspec

from bunbase.pkg import effort
from bunbase.pkg.rules.values import LARGEST_INT, SMALLEST_INT, Failed

MAX_LOOKUPS: Final = 10  # in one evaluation
MAX_STEPS: Final = 1_000_000  # of one evaluation, a step being about 0.1 µs
BYTES_FOR_A_STEP: Final = 16  # of a document that is read
LONG_NUMBER: Final = re.compile(rb"[0-9]{19}")
EVERY_NINTH: Final = re.compile(rb"[0-9]{2}")  # of 19 digits in a row, two stand nine apart: a tenth of the search

read_all: Final = msgspec.json.Decoder().decode

Lookup = Callable[[str, str], dict[str, Any] | None]


class Postponed(Exception):
    """An evaluation takes more than the event loop has for it. Nothing was decided: a thread begins anew."""


class Inputs(msgspec.Struct):
    """`doc`, `next`: as they are seen, system fields included. `lookup`: gives a document, or None.

    `most`: steps that one evaluation may take, and all constant parts together that are evaluated for a condition
    (`before`, `known`: those that were). `postpones`: beyond that it is Postponed, as it is in the event loop; else the
    rule fails.
    """

    auth: dict[str, Any] | None = None
    doc: dict[str, Any] | None = None
    next: dict[str, Any] | None = None
    now: datetime | None = None
    request: dict[str, Any] | None = None
    lookup: Lookup | None = None
    lookups: int = 0
    steps: int = 0
    bound: dict[str, Any] = {}  # what loops have named; msgspec gives each its own
    most: int = MAX_STEPS
    postpones: bool = False
    before: int = 0
    known: dict[int, Any] | None = None

    def begin(self, steps: int) -> None:
        """Begin an evaluation; `steps`: what it takes whatever it meets."""
        self.lookups, self.steps = 0, steps
        if steps + self.before > self.most:
            self.spend(0)

    def spend(self, steps: int) -> None:
        """Count work before it is done. Raises: Failed when the evaluation has become too long, or Postponed."""
        self.steps += steps
        if self.steps + self.before > self.most:
            if self.postpones:
                raise Postponed
            raise Failed("this rule takes too many steps")
        if effort.counting is not None:
            effort.note(steps * BYTES_FOR_A_STEP)

    def looked_up(self, collection: Any, id: Any) -> dict[str, Any] | None:
        """Raises: Failed."""
        if not isinstance(collection, str) or not isinstance(id, str):
            raise Failed("a collection and an id are strings")
        if self.lookup is None:
            raise Failed("no document can be looked up here")
        self.lookups += 1
        if self.lookups > MAX_LOOKUPS:
            raise Failed(f"a rule looks up at most {MAX_LOOKUPS} documents")
        return self.lookup(collection, id)


def json_value(text: bytes) -> Any:
    """Read JSON as rules do: an integer of more than 64 bits is a double, as it is to the database."""
    effort.note(len(text))
    value = read_all(text)
    return _settled(value) if EVERY_NINTH.search(text[::9]) and LONG_NUMBER.search(text) else value


def _settled(value: Any) -> Any:
    match value:
        case bool():
            return value
        case int() if not SMALLEST_INT <= value <= LARGEST_INT:
            return _double(value)
        case list():
            return [_settled(inner) for inner in value]
        case dict():
            return {name: _settled(inner) for name, inner in value.items()}
        case _:
            return value


def _double(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else -float("inf")
