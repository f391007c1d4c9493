"""Parse the body of a PATCH with update operators. Everything that does not depend on the document is checked."""

from __future__ import annotations

from typing import Final

import msgspec

from bunbase.bundoc.documents import MAX_LEVELS, Fields, read_all, read_fields, read_items
from bunbase.bundoc.update.conditions import ElementTest, condition
from bunbase.bundoc.update.numbers import is_number
from bunbase.contracts.bundoc.problems import InvalidUpdate

OPERATORS: Final = ("$set", "$unset", "$inc", "$mul", "$min", "$max", "$push", "$addToSet", "$pull", "$now")
MODIFIERS: Final = ("$each", "$position", "$slice")
MAX_CHANGES: Final = 1000

Path = tuple[str, ...]


class Change(msgspec.Struct, frozen=True):
    """An operator of an update with one path and its value.

    `values`: the elements that `$push` and `$addToSet` add. `position`, `slice`: the modifiers of `$push`.
    `condition`: the test of `$pull`. `tests`: the maximum number of comparisons in this test for one element.
    """

    operator: str
    path: Path
    value: msgspec.Raw
    values: tuple[msgspec.Raw, ...] = ()
    position: int | None = None
    slice: int | None = None
    condition: ElementTest | None = None
    tests: int = 0


def has_operators(fields: Fields) -> bool:
    return any(name.startswith("$") for name in fields)


def parse_update(fields: Fields) -> tuple[Change, ...]:
    """Parse the operators of an update. Raises: InvalidUpdate."""
    changes: list[Change] = []
    for operator, operands in fields.items():
        _check_operator(operator)
        if bytes(operands)[:1] != b"{":
            raise invalid((operator,), f"{operator} takes an object of paths and values.")
        changes += [_change(operator, path, value) for path, value in read_fields(operands).items()]
    if len(changes) > MAX_CHANGES:
        raise invalid((), f"An update changes at most {MAX_CHANGES} paths; split it into several updates.")
    _refuse_conflicts(changes)
    return tuple(changes)


def invalid(at: Path, message: str) -> InvalidUpdate:
    """Return the problem; `at` becomes a JSON Pointer (RFC 6901)."""
    pointer = "".join("/" + name.replace("~", "~0").replace("/", "~1") for name in at)
    return InvalidUpdate.at(pointer, message)


def _check_operator(name: str) -> None:
    if not name.startswith("$"):
        raise invalid((name,), f"{name} is a field, not an update operator: put it into $set.")
    if name not in OPERATORS:
        raise invalid((name,), f"{name} is not an update operator; the operators are {', '.join(OPERATORS)}.")


def _change(operator: str, dotted: str, value: msgspec.Raw) -> Change:
    path = _path(operator, dotted)
    at = (operator, dotted)
    match operator:
        case "$inc" | "$mul" if not is_number(value):
            raise invalid(at, f"{operator} takes a number.")
        case "$now" if bytes(value) != b"true":
            raise invalid(at, "$now takes true: the field becomes the time of the write.")
        case "$push":
            return _push(path, value, at)
        case "$addToSet":
            return Change(operator, path, value, _added(value, at, ("$each",))[0])
        case "$pull":
            return Change(operator, path, value, condition=condition(value, at), tests=1 + bytes(value).count(b":"))
    return Change(operator, path, value)


def _path(operator: str, dotted: str) -> Path:
    path = tuple(dotted.split("."))
    if "" in path:
        raise invalid((operator, dotted), "A path consists of names joined by dots; no name is empty.")
    if any(name.startswith("$") for name in path):
        raise invalid((operator, dotted), "Paths with $ are not supported: use the index of the element.")
    if path[0].startswith("_"):
        raise invalid((operator, dotted), "Names that begin with _ are reserved.")
    if len(path) > MAX_LEVELS:
        raise invalid((operator, dotted), f"A document can have at most {MAX_LEVELS} levels of nesting.")
    return path


def _push(path: Path, value: msgspec.Raw, at: Path) -> Change:
    values, modifiers = _added(value, at, MODIFIERS)
    return Change("$push", path, value, values, _integer("$position", modifiers, at), _integer("$slice", modifiers, at))


def _added(value: msgspec.Raw, at: Path, known: tuple[str, ...]) -> tuple[tuple[msgspec.Raw, ...], Fields]:
    """Return the elements to add, and the modifiers, which stand in the same object as `$each`."""
    modifiers = read_fields(value) if bytes(value)[:1] == b"{" else {}
    if not has_operators(modifiers):
        return (value,), {}
    for name in modifiers:
        if name not in known:
            raise invalid((*at, name), f"The modifier {name} is not known here; the modifiers are {', '.join(known)}.")
    each = modifiers.get("$each")
    if each is None or bytes(each)[:1] != b"[":
        raise invalid((*at, "$each"), "$each must be the array of elements to add.")
    return tuple(read_items(each)), modifiers


def _integer(name: str, modifiers: Fields, at: Path) -> int | None:
    if name not in modifiers:
        return None
    value = read_all(modifiers[name])
    if type(value) is not int or abs(value) >= 1 << 31:
        raise invalid((*at, name), f"{name} must be an integer.")
    return value


def _refuse_conflicts(changes: list[Change]) -> None:
    """Refuse two changes of the same path, or of a path and a path below it: the result would depend on the order."""
    taken = {}
    for change in changes:
        if change.path in taken:
            raise _conflict(change, change.path)
        taken[change.path] = change
    for change in changes:
        for length in range(1, len(change.path)):
            if change.path[:length] in taken:
                raise _conflict(change, change.path[:length])


def _conflict(change: Change, with_path: Path) -> InvalidUpdate:
    path, other = ".".join(change.path), ".".join(with_path)
    return invalid((change.operator, path), f"{path} and {other} conflict: change each path only once.")
