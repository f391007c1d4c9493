"""Parse the body of a PATCH with update operators, and check everything that does not depend on the document."""

from __future__ import annotations

from typing import Final

import msgspec

from bunbase.bundoc.documents import MAX_LEVELS, Fields, read_fields
from bunbase.bundoc.query.commit_patterns import CommitPatterns
from bunbase.bundoc.query.parse import Reader
from bunbase.bundoc.update.change import OPERATORS, POSITION, Change, Filters, Path, invalid, is_position
from bunbase.bundoc.update.conditions import array_filters
from bunbase.bundoc.update.operands import operand, target_of
from bunbase.pkg.control_characters import holds_control

ARRAY_FILTERS: Final = "arrayFilters"
MAX_CHANGES: Final = 1000


def has_operators(fields: Fields) -> bool:
    return any(name.startswith("$") for name in fields)


def parse_update(fields: Fields, patterns: CommitPatterns | None = None) -> tuple[Change, ...]:
    """Parse the operators of an update, and the `arrayFilters` in the same object. `patterns`: the patterns of the
    whole commit.

    Raises: InvalidUpdate.
    """
    reader = Reader(commit=patterns)
    filters = array_filters(fields[ARRAY_FILTERS], reader) if ARRAY_FILTERS in fields else {}
    changes: list[Change] = []
    for operator, operands in fields.items():
        if operator == ARRAY_FILTERS:
            continue
        _check_operator(operator)
        if bytes(operands)[:1] != b"{":
            raise invalid((operator,), f"{operator} takes an object of paths and values.")
        changes += [_change(operator, path, value, filters, reader) for path, value in read_fields(operands).items()]
    if len(changes) > MAX_CHANGES:
        raise invalid((), f"An update changes at most {MAX_CHANGES} paths; split it into several updates.")
    _check_use(filters, changes)
    refuse_conflicts(changes)
    return tuple(changes)


def refuse_conflicts(changes: list[Change]) -> None:
    """Refuse two changes if their paths are the same, or if one path is below the other, because the result would
    depend on the order.
    """
    taken: set[Path] = set()
    for change in changes:
        for path in _paths(change):
            if path in taken:
                raise _conflict(change, path, path)
            taken.add(path)
    for change in changes:
        for path in _paths(change):
            for length in range(1, len(path)):
                if path[:length] in taken:
                    raise _conflict(change, path, path[:length])


def _paths(change: Change) -> tuple[Path, ...]:
    return (change.path, change.operand) if isinstance(change.operand, tuple) else (change.path,)


def _conflict(change: Change, path: Path, other: Path) -> Exception:
    said = f"{'.'.join(path)} and {'.'.join(other)} conflict: change each path only once."
    return invalid((change.operator, change.written), said)


def _check_operator(name: str) -> None:
    if not name.startswith("$"):
        raise invalid((name,), f"{name} is a field, not an update operator: put it into $set.")
    if name not in OPERATORS:
        raise invalid((name,), f"{name} is not an update operator; the operators are {', '.join(OPERATORS)}.")


def _change(operator: str, dotted: str, value: msgspec.Raw, filters: Filters, reader: Reader) -> Change:
    at = (operator, dotted)
    path = _path(dotted, at)
    if operator == "$rename":
        if any(map(is_position, path)):
            raise invalid(at, "$rename cannot lead through arrays.")
        target = _path(target_of(value, at), at)
        if any(map(is_position, target)):
            raise invalid(at, "$rename cannot lead through arrays.")
        return Change(operator, path, value, target)
    return Change(operator, path, value, operand(operator, value, at, reader), _used(path, filters, at))


def _used(path: Path, filters: Filters, at: Path) -> Filters:
    """Return the array filters that the path names. Raises: InvalidUpdate if the path names a filter that is
    missing.
    """
    names = [match[1] for part in path if (match := POSITION.fullmatch(part)) and match[1]]
    for name in names:
        if name not in filters:
            raise invalid(at, f'$[{name}] needs a filter in {ARRAY_FILTERS}, such as [{{"{name}":{{"$gt":1}}}}].')
    return {name: filters[name] for name in names}


def _check_use(filters: Filters, changes: list[Change]) -> None:
    unused = filters.keys() - {name for change in changes for name in change.filters}
    if unused:
        name = min(unused)
        raise invalid((ARRAY_FILTERS,), f"No path has $[{name}], so the array filter {name} is not used.")


def _path(dotted: str, at: Path) -> Path:
    path = tuple(dotted.split("."))
    if "" in path:
        raise invalid(at, "A path consists of names joined by dots; no name is empty.")
    if "$" in path:
        why = "The position $ is the one that a query found, and a PATCH has no query"
        raise invalid(at, f"{why}: use $[] for all elements, or $[name] with {ARRAY_FILTERS}.")
    if any(part.startswith("$") and not is_position(part) for part in path):
        raise invalid(at, "A part of a path that begins with $ must be $[], or $[name] with a name such as item1.")
    if is_position(path[0]):
        raise invalid(at, f"{path[0]} must follow the name of an array.")
    if path[0].startswith("_"):
        raise invalid(at, "Names that begin with _ are reserved.")
    if holds_control(dotted):
        raise invalid(at, "Names of fields cannot contain control characters.")
    if len(path) > MAX_LEVELS:
        raise invalid(at, f"A document can have at most {MAX_LEVELS} levels of nesting.")
    return path
