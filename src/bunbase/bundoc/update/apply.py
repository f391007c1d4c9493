"""Apply an update to a document. Only values on the paths of the update are decoded; all others keep their text."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from bunbase.bundoc.documents import MAX_LEVELS, Fields, read_all, read_fields, read_items, write
from bunbase.bundoc.query.order import key
from bunbase.bundoc.update.arrays import ended, pulled, pushed, united
from bunbase.bundoc.update.change import REMOVING, Additions, Bits, Change, ElementTest, Path, Unwanted, invalid
from bunbase.bundoc.update.costs import CommitWork, Tests
from bunbase.bundoc.update.numbers import OutOfRange, added, as_number, combined, is_number, multiplied, zero_like
from bunbase.bundoc.update.positions import placed
from bunbase.contracts.bundoc.problems import InvalidUpdate

MAX_PADDING: Final = 1000  # One change beyond the end of an array may add at most this many nulls.
# All changes of an update may add at most this many nulls, because a document can contain 200,000 nulls.
MAX_ALL_PADDING: Final = 200_000
INDEX: Final = re.compile("0|[1-9][0-9]{0,8}")
BRACKETS: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]')

Node = Any  # A msgspec.Raw, or a decoded dict or list of Nodes.


def updated(fields: Fields, changes: tuple[Change, ...], now: str, work: CommitWork) -> Fields:
    """Return the fields after the update. `now`: the time that `$now` writes. Raises: InvalidUpdate, CommitTooSlow."""
    tests = Tests(work)
    return _Updating(fields, now, tests).by(placed(fields, changes, tests))


class _Updating:
    """Applies the changes to one document. `padding`: the number of nulls that were added to arrays."""

    def __init__(self, fields: Fields, now: str, tests: Tests) -> None:
        self.root: dict[str, Node] = dict(fields)
        self.now = now
        self.tests = tests
        self.padding = 0

    def by(self, changes: tuple[Change, ...]) -> Fields:
        for change in changes:
            if change.operator != "$setOnInsert":  # A PATCH never inserts a document.
                self.change(change)
        result = {name: _closed(one) for name, one in self.root.items()}
        if any(_may_nest(change) for change in changes):
            _check_levels(result)
        return result

    def change(self, change: Change) -> None:
        parent = self.parent(change, change.path, creates=change.operator not in REMOVING)
        if parent is None:
            return
        name = change.path[-1]
        match change.operator:
            case "$unset":
                _unset(parent, name)
            case "$rename":
                self.rename(parent, name, change)
            case _:
                before = _found(parent, name, change)
                after = _after(before, change, self.now, self.tests)
                if after is not None and after is not before:
                    self.store(parent, name, after, change)

    def parent(self, change: Change, path: Path, creates: bool) -> Any:
        """Return the object or array that contains the last name of the path.

        `creates`: true to create missing objects on the path; otherwise the result is None.
        """
        node: Any = self.root
        for name in path[:-1]:
            found = _found(node, name, change)
            if found is None:
                if not creates:
                    return None
                found = {}
            found = self.opened(found)
            if not isinstance(found, (dict, list)):
                if change.operator == "$unset":
                    return None
                raise _refused(change, f"{name} is not an object or array, so the path cannot lead through it.")
            self.store(node, name, found, change)
            node = found
        return node

    def opened(self, node: Node) -> Any:
        if isinstance(node, msgspec.Raw):
            self.tests.opened(node)
        return _opened(node)

    def rename(self, parent: Any, name: str, change: Change) -> None:
        assert isinstance(change.operand, tuple)
        if not self.is_in_objects(change.path) or not self.is_in_objects(change.operand):
            raise _refused(change, "$rename cannot lead through arrays.")
        if name in parent:
            value = parent.pop(name)
            self.store(self.parent(change, change.operand, creates=True), change.operand[-1], value, change)

    def is_in_objects(self, path: tuple[str, ...]) -> bool:
        """True if the path leads only through objects. A missing value does not count as an array."""
        node: Any = self.root
        for name in path[:-1]:
            node = self.opened(node.get(name)) if isinstance(node, dict) else None
            if isinstance(node, list):
                return False
        return True

    def store(self, node: Any, name: str, value: Node, change: Change) -> None:
        if isinstance(node, dict):
            node[name] = value
            return
        index = int(name)
        missing = max(index + 1 - len(node), 0)
        if missing > MAX_PADDING + 1:
            raise _refused(change, f"The index {name} is more than {MAX_PADDING} places beyond the end of the array.")
        self.padding += missing
        if self.padding > MAX_ALL_PADDING:
            raise _refused(change, f"An update adds at most {MAX_ALL_PADDING} elements beyond the ends of arrays.")
        node += [msgspec.Raw(b"null")] * missing
        node[index] = value


def _may_nest(change: Change) -> bool:
    """True if the change may make the document deeper."""
    return len(change.path) > 1 or change.operator == "$rename" or bytes(change.value)[:1] in (b"{", b"[")


def _after(before: Node | None, change: Change, now: str, tests: Tests) -> Node | None:
    """Return the new value. Return None if the update changes nothing."""
    match change.operator:
        case "$set":
            return change.value
        case "$now" | "$currentDate":
            return msgspec.Raw(write(now))
        case "$inc" | "$mul":
            return _calculated(before, change)
        case "$min":
            return _chosen(before, change, tests, smaller=True)
        case "$max":
            return _chosen(before, change, tests, smaller=False)
        case "$bit":
            return _combined(before, change)
        case _:
            return _array_after(before, change, tests)


def _array_after(before: Node | None, change: Change, tests: Tests) -> Node | None:
    if before is None and change.operator in REMOVING:
        return None
    if isinstance(before, msgspec.Raw):
        tests.opened(before)
    array = _array(before, change)
    match change.operand:
        case Additions() if change.operator == "$push":
            return pushed(array, change.operand, tests)
        case Additions():
            return united(array, change.operand.values, tests)
        case ElementTest() | Unwanted():
            return pulled(array, change.operand, change, tests)
        case int():
            return ended(array, change.operand)
        case _:
            raise AssertionError(change)


def _calculated(before: Node | None, change: Change) -> msgspec.Raw:
    try:
        if before is None:
            return as_number(change.value) if change.operator == "$inc" else zero_like(change.value)
        if not is_number(before):
            raise _refused(change, "The stored value is not a number.")
        return added(before, change.value) if change.operator == "$inc" else multiplied(before, change.value)
    except OutOfRange:
        raise _refused(change, "The result is too large for an integer of 64 bits or a double.") from None


def _chosen(before: Node | None, change: Change, tests: Tests, smaller: bool) -> Node:
    """Return the smaller or the larger value in the order of queries; the stored value if both are equal."""
    if before is None:
        return change.value
    tests.keys(_closed(before))
    tests.keys(change.value)
    stored, sent = key(read_all(before)), key(read_all(change.value))
    return change.value if (sent < stored if smaller else sent > stored) else before


def _combined(before: Node | None, change: Change) -> msgspec.Raw:
    """Return the result of `$bit`. A missing field is 0."""
    assert isinstance(change.operand, Bits)
    number = combined(msgspec.Raw(b"0") if before is None else before, change.operand.steps)
    if number is None:
        raise _refused(change, "The stored value is not an integer of at most 64 bits.")
    return number


def _array(before: Node | None, change: Change) -> list[Node]:
    found = [] if before is None else _opened(before)
    if not isinstance(found, list):
        raise _refused(change, f"{change.operator} needs an array, but the stored value is not an array.")
    return found


def _unset(parent: Any, name: str) -> None:
    """Remove a field. An element of an array becomes null, so that the other elements keep their places."""
    if isinstance(parent, dict):
        parent.pop(name, None)
    elif INDEX.fullmatch(name) and int(name) < len(parent):
        parent[int(name)] = msgspec.Raw(b"null")


def _found(node: Any, name: str, change: Change) -> Node | None:
    if isinstance(node, dict):
        return node.get(name)
    if not INDEX.fullmatch(name):
        if change.operator == "$unset":
            return None
        raise _refused(change, f"The stored value is an array, but {name} is not an index.")
    index = int(name)
    return node[index] if index < len(node) else None


def _opened(node: Node) -> Any:
    """Return an object or array with one level decoded; return any other value unchanged."""
    if not isinstance(node, msgspec.Raw):
        return node
    match bytes(node)[:1]:
        case b"{":
            return read_fields(node)
        case b"[":
            return read_items(node)
    return node


def _closed(node: Node) -> msgspec.Raw:
    return node if isinstance(node, msgspec.Raw) else msgspec.Raw(write(node))


def _check_levels(fields: Fields) -> None:
    for name, value in fields.items():
        level = 1
        for match in BRACKETS.finditer(bytes(value)):
            token = match[0]
            level += (token in (b"{", b"[")) - (token in (b"}", b"]"))
            if level > MAX_LEVELS:
                raise invalid((name,), f"A document can have at most {MAX_LEVELS} levels of nesting.")


def _refused(change: Change, message: str) -> InvalidUpdate:
    return invalid((change.operator, change.written), message)
