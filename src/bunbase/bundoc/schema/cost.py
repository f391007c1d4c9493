"""Estimate the work of checking a document against a schema.

While the library checks a document, all other requests of the process wait. `worst` limits the schemas that may be
saved, since schemas that refer to each other can make the work exponential. `Effort` limits the documents under a saved
schema, and assumes that every value needs as many checks as the worst value.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, Final

from bunbase.bundoc.documents import MAX_LEVELS
from bunbase.bundoc.schema.keywords import HERE_LISTED, HERE_NAMED, HERE_ONE, Schema, everything, meant, parts
from bunbase.pkg.patterns import InvalidPattern, pattern

MAX_CHECKS: Final = 2000  # One value needs at most this many checks. A check takes about 12 ns.
ENDLESS: Final = MAX_CHECKS + 1

# One document needs at most this many checks. Each check takes 15 ns, so all together take about 50 ms, while all other
# requests of the process wait.
MAX_EFFORT: Final = 3_000_000
CHECKS_IN_A_MICROSECOND: Final = 60
# Each anyOf, oneOf, not or if costs as much as this many checks, because it takes at least 120 ns.
ALTERNATIVE: Final = 8
# Each value of an enum that mixes types, or has objects or arrays, costs as much as this many checks.
LISTED: Final = 8

# The library compares numbers with a bound exactly, digit by digit. Each power of ten takes 40 ns.
BOUNDS: Final = frozenset({"multipleOf", "maximum", "minimum", "exclusiveMaximum", "exclusiveMinimum"})
EXPONENT: Final = re.compile(rb"[0-9][eE][+-]?0*([0-9]{1,3})[0-9]*[,\]}]")
FOR_A_POWER_OF_TEN: Final = 3
ORDINARY_POWERS: Final = 18  # Bounds within 64 bits have at most this many powers of ten.
# `multipleOf` may have this many decimal places without extra cost, down to hundredths of a cent.
ORDINARY_PARTS: Final = 4
FRACTION: Final = re.compile(rb"[:,\[]-?[0-9]+\.[0-9]")
FOR_A_FRACTION: Final = 20  # A decimal costs as much as this many checks, because it takes at least 0.9 µs.

# Each pattern reads each byte of text. A byte takes 3 ns with a short pattern, and 150 ns with the largest pattern.
MAX_LOOKS: Final = 20_000_000
LOOKS_IN_A_MICROSECOND: Final = 300
INSTRUCTIONS_FOR_A_LOOK: Final = 200
LARGE_PATTERN: Final = 12_000  # This size is assumed for a pattern that RE2 does not support or finds too large.
# All patterns of a schema have at most this many instructions together. Compiling them takes about 50 ms.
MAX_INSTRUCTIONS: Final = 50_000

OF_ARRAYS: Final = frozenset({"items", "prefixItems", "contains", "unevaluatedItems"})

Own = Callable[[Schema], int]


def worst(schema: Schema) -> int:
    """Return the maximum number of checks for one value; ENDLESS if it is above MAX_CHECKS."""
    return _Cost(schema, lambda _one: 1, ENDLESS).of(schema, MAX_LEVELS)


class Effort:
    """The cost of checking a document against a schema."""

    def __init__(self, schema: Schema) -> None:
        self.checks = _Cost(schema, _checks, MAX_EFFORT + 1).of(schema, MAX_LEVELS)
        self.bounded = any(not BOUNDS.isdisjoint(part) for _, part in everything(schema))
        self.looks = _Cost(schema, _looks, MAX_LOOKS + 1).of(schema, MAX_LEVELS) if _patterned(schema) else 0

    def is_too_much(self, body: bytes) -> bool:
        """True if the document has too many values or too much text to check."""
        return self._values(body) * self.checks > MAX_EFFORT or len(body) * self.looks > MAX_LOOKS

    def microseconds(self, body: bytes) -> int:
        """Return the approximate time of the check.

        The result is 0 for a document with too much to check, because BunBase refuses such a document without a check.
        """
        checks, looks = self._values(body) * self.checks, len(body) * self.looks
        if checks > MAX_EFFORT or looks > MAX_LOOKS:
            return 0
        return checks // CHECKS_IN_A_MICROSECOND + looks // LOOKS_IN_A_MICROSECOND

    def _values(self, body: bytes) -> int:
        """Return the approximate number of values in a document. Commas in strings count as values too."""
        values = 1 + body.count(b",") + body.count(b"[") + body.count(b"{")
        if self.bounded:
            values += FOR_A_POWER_OF_TEN * sum(map(int, EXPONENT.findall(body)))
            values += FOR_A_FRACTION * len(FRACTION.findall(body))
        return values


def instructions(schema: Schema) -> int:
    """Return the size of all patterns, compiled by RE2. The library that checks documents needs about as much
    memory.
    """
    return sum(_size(one) for _, part in everything(schema) for one in _patterns(part))


class _Cost:
    """Adds up the work of a schema and of the schemas inside it. `own`: the work of the schema without those inside."""

    def __init__(self, root: Schema, own: Own, endless: int) -> None:
        self.root = root
        self.own = own
        self.endless = endless
        self.known: dict[tuple[int, int], int] = {}

    def of(self, schema: object, levels: int) -> int:
        if not isinstance(schema, dict) or levels == 0:
            return 1
        place = (id(schema), levels)
        if place not in self.known:
            self.known[place] = self.endless  # This cost applies if the schema refers to itself at the same level.
            self.known[place] = min(self.endless, self._counted(schema, levels))
        return self.known[place]

    def _counted(self, schema: Schema, levels: int) -> int:
        here = self.own(schema) + (self.of(meant(self.root, schema["$ref"]), levels) if "$ref" in schema else 0)
        objects = arrays = fields = items = 0
        for part in parts(schema):
            if part.here:
                here += self.of(part.schema, levels)
                continue
            cost = self.of(part.schema, levels - 1)
            if part.keyword == "properties":
                fields = max(fields, cost)  # Each value has only one name, so only the largest cost counts.
            elif part.keyword == "prefixItems":
                items = max(items, cost)
            elif part.keyword in OF_ARRAYS:
                arrays += cost
            else:
                objects += cost
        return here + max(objects + fields, arrays + items)


def _checks(schema: Schema) -> int:
    alternatives = sum(len(schema[word]) for word in (*HERE_LISTED, *HERE_NAMED) if word in schema)
    alternatives += sum(word in schema for word in HERE_ONE)
    listed = schema.get("enum", ())
    mixed = len({type(one) for one in listed}) > 1 or any(isinstance(one, dict | list) for one in listed)
    powers = sum(_powers(word, schema[word]) for word in BOUNDS if word in schema)
    return 1 + ALTERNATIVE * alternatives + (LISTED * len(listed) if mixed else 0) + FOR_A_POWER_OF_TEN * powers


def _powers(word: str, bound: Any) -> int:
    """Return the number of powers of ten by which the bound is outside the range that is fast to compare."""
    if not isinstance(bound, int | float) or not bound:
        return 0
    ordinary = ORDINARY_PARTS if word == "multipleOf" else ORDINARY_POWERS
    return max(0, round(abs(math.log10(abs(bound)))) - ordinary)


def _looks(schema: Schema) -> int:
    return sum(1 + _size(one) // INSTRUCTIONS_FOR_A_LOOK for one in _patterns(schema))


def _patterned(schema: Schema) -> bool:
    return any(True for _, part in everything(schema) for _ in _patterns(part))


def _patterns(schema: Schema) -> list[Any]:
    return [*([schema["pattern"]] if "pattern" in schema else []), *schema.get("patternProperties", {})]


def _size(text: Any) -> int:
    try:
        return pattern(text).size
    except InvalidPattern:
        return LARGE_PATTERN
