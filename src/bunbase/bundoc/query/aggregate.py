"""Aggregate values over groups of documents: `{"total":{"$sum":"price"},"n":{"$count":true}}`.

Paths lead through objects only, not through arrays. $sum and $avg use only numbers. $min and $max use all values except
null, in the order of `query.order`. $countDistinct counts the different values except null. A missing value counts as
null. Sums of integers are exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from bunbase.bundoc.documents import StoredDocument, seen
from bunbase.bundoc.query.filters import Path
from bunbase.bundoc.query.order import key
from bunbase.bundoc.query.parse import MAX_BYTES, parse_path, refuse
from bunbase.bundoc.query.predicate import single
from bunbase.pkg import effort
from bunbase.pkg.control_characters import holds_control

MAX_VALUES: Final = 20
MAX_GROUP_FIELDS: Final = 8
MAX_GROUPS: Final = 1000
MAX_NAME: Final = 64


class Value(msgspec.Struct, frozen=True):
    name: str
    operator: str
    path: Path


class Group(msgspec.Struct):
    """One group. `found`: for each aggregated value, the contents of its field in the documents of the group."""

    keys: list[Any]
    found: list[list[Any]]


def parse_values(text: bytes, group: tuple[str, ...]) -> tuple[Value, ...]:
    """Parse the aggregated values. Raises: InvalidQuery."""
    if len(text) > MAX_BYTES:
        refuse("/values", f"values has at most {MAX_BYTES} bytes.")
    try:
        values = msgspec.json.decode(text, type=dict[str, dict[str, Any]])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        refuse("/values", 'values must be an object, such as {"total":{"$sum":"price"}}.')
    if not 1 <= len(values) <= MAX_VALUES:
        refuse("/values", f"Name 1 to {MAX_VALUES} values.")
    return tuple(_value(name, said, group) for name, said in values.items())


def parse_group(group: tuple[str, ...]) -> tuple[Path, ...]:
    """Parse the paths whose values define the groups. Raises: InvalidQuery."""
    if len(group) > MAX_GROUP_FIELDS or len(set(group)) < len(group):
        refuse("/group", f"Group by at most {MAX_GROUP_FIELDS} fields, and name each field only once.")
    return tuple(parse_path(dotted, f"/group/{number}") for number, dotted in enumerate(group))


def is_count(values: tuple[Value, ...]) -> bool:
    """True if all values are `$count`."""
    return all(value.operator == "$count" for value in values)


def aggregated(
    documents: Iterable[StoredDocument], names: tuple[str, ...], group: tuple[Path, ...], values: tuple[Value, ...]
) -> list[dict[str, Any]]:
    """Return one object for each group, sorted by the group. Raises: InvalidQuery if there are too many groups."""
    groups: dict[bytes, Group] = {}
    if not group:
        groups[b""] = Group([], [[] for _ in values])
    for stored in documents:
        effort.note(len(stored.body))
        document = msgspec.json.decode(seen(stored))
        keys = [single(document, path) for path in group]
        at = b"".join(key(one) for one in keys)
        if at not in groups:
            if len(groups) == MAX_GROUPS:
                refuse("/group", f"There are more than {MAX_GROUPS} groups: use a narrower filter.")
            groups[at] = Group(keys, [[] for _ in values])
        for value, found in zip(values, groups[at].found, strict=True):
            found.append(single(document, value.path))
    return [_item(one, names, values) for _, one in sorted(groups.items())]


def _value(name: str, said: dict[str, Any], group: tuple[str, ...]) -> Value:
    at = f"/values/{name}"
    if not 1 <= len(name) <= MAX_NAME or name in group or holds_control(name):
        refuse(
            at,
            f"The name of a value must have 1 to {MAX_NAME} characters and no control characters, and must not be a "
            "field of the group.",
        )
    if len(said) != 1:
        refuse(at, 'A value has exactly one operator, such as {"$sum":"price"}.')
    ((operator, of),) = said.items()
    if operator == "$count":
        if of is not True:
            refuse(at, "$count takes true.")
        return Value(name, operator, ())
    if operator not in COMPUTE:
        refuse(
            f"{at}/{operator}",
            f"The operator {operator} is not known; the operators are $count {' '.join(sorted(COMPUTE))}.",
        )
    return Value(name, operator, parse_path(of, f"{at}/{operator}"))


def _item(group: Group, names: tuple[str, ...], values: tuple[Value, ...]) -> dict[str, Any]:
    item = dict(zip(names, group.keys, strict=True))
    for value, found in zip(values, group.found, strict=True):
        item[value.name] = len(found) if value.operator == "$count" else COMPUTE[value.operator](found)
    return item


def _numbers(found: list[Any]) -> list[int | float]:
    return [one for one in found if isinstance(one, int | float) and not isinstance(one, bool)]


def _average(found: list[Any]) -> float | None:
    numbers = _numbers(found)
    return sum(numbers) / len(numbers) if numbers else None


def _known(found: list[Any]) -> list[Any]:
    return [one for one in found if one is not None]


COMPUTE: Final[dict[str, Callable[[list[Any]], Any]]] = {
    "$sum": lambda found: sum(_numbers(found)),
    "$avg": _average,
    "$min": lambda found: min(_known(found), key=key, default=None),
    "$max": lambda found: max(_known(found), key=key, default=None),
    "$countDistinct": lambda found: len({key(one) for one in _known(found)}),
}
