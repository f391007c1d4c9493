"""The inputs of a rule's evaluation: its variables, the documents that it may look up, and its limits."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

import msgspec

from bunbase.pkg import effort
from bunbase.pkg.rules.values import LARGEST_INT, SMALLEST_INT, Failed

MAX_LOOKUPS: Final = 10  # One evaluation looks up at most this many documents.
MAX_STEPS: Final = 1_000_000  # One evaluation takes at most this many steps. A step takes about 0.1 µs.
BYTES_FOR_A_STEP: Final = 16  # Reading 16 bytes of a document takes the same time as one step.
LONG_NUMBER: Final = b"0" * 19  # After ONLY_DIGITS, this is 19 digits in a row.
# This table turns every digit into 0.
ONLY_DIGITS: Final = bytes(48 if 48 <= byte <= 57 else 32 for byte in range(256))

read_all: Final = msgspec.json.Decoder().decode

Lookup = Callable[[str, str], Any]  # (collection, id) → the document, None if there is none
Decode = Callable[[Any], dict[str, Any]]


class Postponed(Exception):
    """An evaluation takes too long for the event loop.

    The evaluation has no result, so run it again from the start in a thread.
    """


class Inputs(msgspec.Struct):
    """The variables of a rule (`auth`, `doc`, `next`, `now`, `request`) and the state of one evaluation.

    `doc`, `next`: the stored and the new document, system fields included.
    `lookup`: returns a document by collection and id, or None. `decode`: returns the fields of this document; None if
    `lookup` returns fields. `exists()` does not decode.
    `most`: the limit of steps for one evaluation.
    `known`: values of the parts that do not depend on the document, by the id of the node. `before`: the steps that
    these parts took; `most` includes these steps.
    `postpones`: True in the event loop. If it is True, an evaluation that exceeds `most` raises Postponed. In a thread,
    it raises Failed.
    """

    auth: dict[str, Any] | None = None
    doc: dict[str, Any] | None = None
    next: dict[str, Any] | None = None
    now: datetime | None = None
    request: dict[str, Any] | None = None
    lookup: Lookup | None = None
    decode: Decode | None = None
    lookups: int = 0
    steps: int = 0
    bound: dict[str, Any] = {}  # The current elements of loops, by name. msgspec makes a new dict for each instance.
    most: int = MAX_STEPS
    postpones: bool = False
    before: int = 0
    known: dict[int, Any] | None = None

    def begin(self, steps: int) -> None:
        """Begin an evaluation. `steps`: the number of steps that every document costs, without loops."""
        self.lookups, self.steps = 0, steps
        if steps + self.before > self.most:
            self.spend(0)

    def spend(self, steps: int) -> None:
        """Count steps before they are done. Raises: Failed or Postponed if the evaluation takes too many steps."""
        self.steps += steps
        if self.steps + self.before > self.most:
            if self.postpones:
                raise Postponed
            raise Failed("this rule takes too many steps")
        if effort.counting is not None:
            effort.note(steps * BYTES_FOR_A_STEP)

    def looked_up(self, collection: Any, id: Any) -> dict[str, Any] | None:
        """Return the document with its system fields, or None if there is none. Raises: Failed."""
        found: dict[str, Any] | None = self._found(collection, id)
        return found if found is None or self.decode is None else self.decode(found)

    def finds(self, collection: Any, id: Any) -> bool:
        """True if there is such a document. Raises: Failed."""
        return self._found(collection, id) is not None

    def _found(self, collection: Any, id: Any) -> Any:
        if not isinstance(collection, str) or not isinstance(id, str):
            raise Failed("the collection and the id must be strings")
        if self.lookup is None:
            raise Failed("no document can be looked up here")
        self.lookups += 1
        if self.lookups > MAX_LOOKUPS:
            raise Failed(f"a rule looks up at most {MAX_LOOKUPS} documents")
        return self.lookup(collection, id)


def json_value(text: bytes) -> Any:
    """Return the value of a JSON text. As in the database, an integer of more than 64 bits becomes a double."""
    effort.note(len(text))
    value = read_all(text)
    return _settled(value) if LONG_NUMBER in text.translate(ONLY_DIGITS) else value


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
