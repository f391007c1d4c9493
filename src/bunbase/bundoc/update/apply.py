"""Apply an update to a document. Only values on the paths of the update are decoded; all others keep their text."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from bunbase.bundoc.documents import MAX_LEVELS, Fields, read_all, read_fields, read_items, write
from bunbase.bundoc.update.numbers import OutOfRange, added, as_number, is_number, multiplied, zero_like
from bunbase.bundoc.update.order import compare, form
from bunbase.bundoc.update.parse import Change, invalid
from bunbase.contracts.bundoc.problems import InvalidUpdate

MAX_PADDING: Final = 1000  # nulls that one $set beyond the end of an array may add
MAX_TESTS: Final = 1_000_000  # number of elements times number of conditions; other writes wait meanwhile
INDEX: Final = re.compile("0|[1-9][0-9]{0,8}")
BRACKETS: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]')

Node = Any  # msgspec.Raw, or a decoded dict or list of Nodes


def updated(fields: Fields, changes: tuple[Change, ...], now: str) -> Fields:
    """Return the fields after the update. `now`: the time that `$now` writes. Raises: InvalidUpdate."""
    root: dict[str, Node] = dict(fields)
    for change in changes:
        parent = _parent(root, change)
        if parent is not None:
            _apply(parent, change, now)
    result = {name: value if isinstance(value, msgspec.Raw) else _closed(value) for name, value in root.items()}
    if any(len(change.path) > 1 or bytes(change.value)[:1] in (b"{", b"[") for change in changes):
        _check_levels(result)
    return result


def _parent(root: dict[str, Node], change: Change) -> Any:
    """Return the object or array that contains the last name of the path.

    Missing objects on the path are created; for `$unset` and `$pull`, the result is None instead.
    """
    node: Any = root
    for name in change.path[:-1]:
        found = _found(node, name, change)
        if found is None:
            if change.operator in ("$unset", "$pull"):
                return None
            found = {}
        found = _opened(found)
        if not isinstance(found, (dict, list)):
            if change.operator == "$unset":
                return None
            raise _refused(change, f"{name} is not an object or array, so the path cannot lead through it.")
        _store(node, name, found, change)
        node = found
    return node


def _apply(parent: Any, change: Change, now: str) -> None:
    name = change.path[-1]
    if change.operator == "$unset":
        return _unset(parent, name)
    before = _found(parent, name, change)
    after = _after(before, change, now)
    if after is not None and after is not before:
        _store(parent, name, after, change)
    return None


def _after(before: Node | None, change: Change, now: str) -> Node | None:
    match change.operator:
        case "$set":
            return change.value
        case "$now":
            return msgspec.Raw(write(now))
        case "$inc" | "$mul":
            return _calculated(before, change)
        case "$min":
            return _chosen(before, change, -1)
        case "$max":
            return _chosen(before, change, 1)
        case "$push":
            return _pushed(_array(before, change), change)
        case "$addToSet":
            return _united(_array(before, change), change)
        case _:
            return None if before is None else _pulled(_array(before, change), change)


def _calculated(before: Node | None, change: Change) -> msgspec.Raw:
    try:
        if before is None:
            return as_number(change.value) if change.operator == "$inc" else zero_like(change.value)
        if not is_number(before):
            raise _refused(change, "The stored value is not a number.")
        return added(before, change.value) if change.operator == "$inc" else multiplied(before, change.value)
    except OutOfRange:
        raise _refused(change, "The result is too large for an integer of 64 bits or a double.") from None


def _chosen(before: Node | None, change: Change, wanted: int) -> Node:
    if before is None or compare(read_all(change.value), read_all(before)) == wanted:
        return change.value
    return before


def _pushed(array: list[Node], change: Change) -> list[Node]:
    at = len(array) if change.position is None else change.position
    array[at:at] = change.values
    if change.slice is None:
        return array
    return array[: change.slice] if change.slice >= 0 else array[change.slice :]


def _united(array: list[Node], change: Change) -> list[Node]:
    there = {form(read_all(element)) for element in array}
    for value in change.values:
        wanted = form(read_all(value))
        if wanted not in there:
            array.append(value)
            there.add(wanted)
    return array


def _pulled(array: list[Node], change: Change) -> list[Node]:
    meets = change.condition
    assert meets is not None
    if len(array) * change.tests > MAX_TESTS:
        raise _refused(change, f"The number of elements times the number of conditions must be at most {MAX_TESTS}.")
    return [element for element in array if not meets(read_all(element))]


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
        if change.operator in ("$unset", "$pull"):
            return None
        raise _refused(change, f"The stored value is an array, but {name} is not an index.")
    index = int(name)
    return node[index] if index < len(node) else None


def _store(node: Any, name: str, value: Node, change: Change) -> None:
    if isinstance(node, dict):
        node[name] = value
        return
    index = int(name)
    if index > len(node) + MAX_PADDING:
        raise _refused(change, f"The index {name} is more than {MAX_PADDING} places beyond the end of the array.")
    node += [msgspec.Raw(b"null")] * (index + 1 - len(node))
    node[index] = value


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
    return msgspec.Raw(write(node))


def _check_levels(fields: Fields) -> None:
    for name, value in fields.items():
        level = 1
        for match in BRACKETS.finditer(bytes(value)):
            token = match[0]
            level += (token in (b"{", b"[")) - (token in (b"}", b"]"))
            if level > MAX_LEVELS:
                raise invalid((name,), f"A document can have at most {MAX_LEVELS} levels of nesting.")


def _refused(change: Change, message: str) -> InvalidUpdate:
    return invalid((change.operator, ".".join(change.path)), message)
