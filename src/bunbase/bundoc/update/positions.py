"""Replace the positions `$[]` and `$[name]` in paths by the indexes of the elements that they mean.

All positions mean elements of the document before the update, so the order of the operators does not matter. Each
change becomes one change for each element. A short update could name all elements of all arrays many times. So the
number of elements, tests and bytes is checked before the work begins.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from bunbase.bundoc.documents import MAX_BYTES, Fields, read_all
from bunbase.bundoc.update.change import POSITION, Change, ElementTest, Path, invalid, is_position
from bunbase.bundoc.update.conditions import passes
from bunbase.bundoc.update.costs import Tests
from bunbase.bundoc.update.parse import refuse_conflicts

MAX_ELEMENTS: Final = 20_000  # The positions of one update mean at most this many elements. Each takes 15 µs.


def placed(fields: Fields, changes: tuple[Change, ...], tests: Tests) -> tuple[Change, ...]:
    """Return the changes without positions. Raises: InvalidUpdate."""
    if not any(is_position(part) for change in changes for part in change.path):
        return changes
    placing = _Placing(fields, tests)
    found = [one for change in changes for one in placing.changes(change)]
    refuse_conflicts(found)
    return tuple(found)


class _Placing:
    """Finds the elements of one document.

    `values`: the fields of the document that were read. `counted`: the field, the name and the level of each array
    filter whose tests were counted. `passed`: the results of the tests, which are cached because many paths may begin
    with the same positions.
    """

    def __init__(self, fields: Fields, tests: Tests) -> None:
        self.fields = fields
        self.tests = tests
        self.values: dict[str, Any] = {}
        self.counted: set[tuple[str, str, int]] = set()
        self.passed: dict[tuple[str, int], bool] = {}
        self.elements = 0
        self.bytes = 0

    def changes(self, change: Change) -> Iterator[Change]:
        first = change.path[0]
        if not any(map(is_position, change.path)):
            yield change
            return
        if first not in self.fields:
            raise _refused(change, f"There is no array {first}.")
        self._count(first, change)
        if first not in self.values:
            self.values[first] = read_all(self.fields[first])
        for path in self._paths(self.values[first], change.path[1:], (first,), change):
            self.bytes += len(change.value) + sum(map(len, path))
            if self.bytes > 2 * MAX_BYTES:
                raise _refused(change, "The update would make the document too large.")
            yield msgspec.structs.replace(change, path=path, sent=change.path)

    def _count(self, first: str, change: Change) -> None:
        """Count the tests of the array filters. At one level, each value belongs to only one element."""
        for level, part in enumerate(change.path):
            match = POSITION.fullmatch(part)
            if match and match[1] and (first, match[1], level) not in self.counted:
                self.counted.add((first, match[1], level))
                self.tests.add(self.fields[first], change.filters[match[1]], change)

    def _passes(self, test: ElementTest, name: str, element: Any) -> bool:
        """True if the element passes. The array has the same identity for all paths, because it was read only once."""
        known = self.passed.get((name, id(element)))
        if known is None:
            known = self.passed[name, id(element)] = passes(test, element)
        return known

    def _paths(self, value: Any, rest: Path, at: Path, change: Change) -> Iterator[Path]:
        if not any(map(is_position, rest)):
            yield at + rest
            return
        part, rest = rest[0], rest[1:]
        if match := POSITION.fullmatch(part):
            if not isinstance(value, list):
                raise _refused(change, f"{'.'.join(at)} is not an array, so {part} cannot follow it.")
            self.elements += len(value)
            if self.elements > MAX_ELEMENTS:
                raise _refused(change, f"The positions of an update lead through at most {MAX_ELEMENTS} elements.")
            test: ElementTest | None = change.filters[match[1]] if match[1] else None
            for index, element in enumerate(value):
                if test is None or self._passes(test, match[1], element):
                    yield from self._paths(element, rest, (*at, str(index)), change)
            return
        below = _below(value, part)
        if below is None:
            raise _refused(change, f"There is no array {'.'.join((*at, part))}.")
        yield from self._paths(below, rest, (*at, part), change)


def _below(value: Any, part: str) -> Any:
    """Return the value of a field, or the element at an index; None if there is none."""
    if isinstance(value, dict):
        return value.get(part)
    index = int(part) if isinstance(value, list) and part.isascii() and part.isdigit() and len(part) < 10 else -1
    return value[index] if isinstance(value, list) and 0 <= index < len(value) and str(index) == part else None


def _refused(change: Change, message: str) -> Exception:
    return invalid((change.operator, change.written), message)
