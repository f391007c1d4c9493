"""Parse an aggregate: `{"group":["status"],"values":{"total":{"$sum":"price"},"n":{"$count":true}},"sort":["-total"]}`.

Paths lead only through objects. Only `{"$each":"tags"}` in a group reads the elements of arrays. A missing value counts
as null. `query.groups` computes the values.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from bunbase.bundoc.query.date_parts import UNITS, Truncation, zone_named
from bunbase.bundoc.query.filters import Path
from bunbase.bundoc.query.parse import MAX_BYTES, parse_path, refuse
from bunbase.bundoc.query.rows import Reads
from bunbase.bundoc.query.sort import Order, parse_sort
from bunbase.pkg.control_characters import holds_control

MAX_VALUES: Final = 20
MAX_GROUP_FIELDS: Final = 8
MAX_NAME: Final = 64
MAX_PUSHED: Final = 100
MAX_PAGE_GROUPS: Final = 1000

OF_NUMBERS: Final = ("$sum", "$avg")
OF_ONE_FIELD: Final = (*OF_NUMBERS, "$min", "$max", "$countDistinct")
ORDERED: Final = ("$first", "$last", "$push")  # The result of these operators depends on the order of the documents.
OPERATORS: Final = ("$count", *OF_ONE_FIELD, *ORDERED)


class Value(msgspec.Struct, frozen=True):
    """One value of each group.

    `order`, `limit`: the order, and the largest number, of the documents that an operator of ORDERED uses.
    """

    name: str
    operator: str
    path: Path = ()
    order: Order = Order()
    limit: int = 1


class GroupField(msgspec.Struct, frozen=True):
    """A part of the key of a group. `each`: true if each element of an array at the path counts. `by`: a unit of
    time.
    """

    name: str
    path: Path
    each: bool = False
    by: Truncation | None = None


class Aggregate(msgspec.Struct, frozen=True):
    """`order`: the order of the groups, by names of group fields and values."""

    group: tuple[GroupField, ...]
    values: tuple[Value, ...]
    order: tuple[tuple[str, bool], ...] = ()
    limit: int = MAX_PAGE_GROUPS

    @property
    def is_count(self) -> bool:
        return not self.group and all(value.operator == "$count" for value in self.values)

    @property
    def reads(self) -> Reads:
        each = next((number for number, field in enumerate(self.group) if field.each), None)
        paths = [field.path for field in self.group]
        more = [path for value in self.values for path in _read_by(value)]
        if each is not None:  # The elements of an array must not be confused with a value at the same path.
            paths += more
        else:
            paths = list(dict.fromkeys([*paths, *more]))
        return Reads(tuple(paths), each, any(value.operator in ORDERED for value in self.values))

    @property
    def named(self) -> list[tuple[Path, str]]:
        """Return the paths that affect the answer, with the part of the query that names each path."""
        grouped = [(field.path, "/group") for field in self.group]
        return [*grouped, *((path, "/values") for value in self.values for path in _read_by(value))]


def parse_aggregate(
    values: bytes, group: Sequence[str | dict[str, Any]], sort: Sequence[str], limit: int | None
) -> Aggregate:
    """Parse an aggregate. Raises: InvalidQuery."""
    fields = _parse_group(group)
    computed = _parse_values(values, {field.name for field in fields})
    if limit is not None and not 1 <= limit <= MAX_PAGE_GROUPS:
        refuse("/limit", f"limit must be from 1 to {MAX_PAGE_GROUPS}.")
    names = {field.name for field in fields} | {value.name for value in computed}
    return Aggregate(fields, computed, _parse_order(sort, names), limit or MAX_PAGE_GROUPS)


def _parse_group(group: Sequence[str | dict[str, Any]]) -> tuple[GroupField, ...]:
    fields = tuple(_group_field(said, f"/group/{number}") for number, said in enumerate(group[: MAX_GROUP_FIELDS + 1]))
    if len(fields) > MAX_GROUP_FIELDS or len({field.name for field in fields}) < len(fields):
        refuse(
            "/group",
            f"Group by at most {MAX_GROUP_FIELDS} fields, and use each name only once: "
            '{"$each":"tags","as":"tag"} has the name tag.',
        )
    if sum(field.each for field in fields) > 1:
        refuse("/group", "Only one $each is allowed.")
    return fields


def _group_field(said: str | dict[str, Any], at: str) -> GroupField:
    if isinstance(said, str):
        return GroupField(said, parse_path(said, at))
    match said:
        case {"$each": of, **more} if not more.keys() - {"as"}:
            path = parse_path(of, f"{at}/$each")
            return GroupField(_name(more.get("as", of), f"{at}/as"), path, each=True)
        case {"$dateTrunc": {"field": of, "unit": unit, **rest}, **more} if not (
            more.keys() - {"as"} or rest.keys() - {"timezone"}
        ):
            path = parse_path(of, f"{at}/$dateTrunc/field")
            by = _truncation(unit, rest.get("timezone", "UTC"), f"{at}/$dateTrunc")
            return GroupField(_name(more.get("as", of), f"{at}/as"), path, by=by)
        case _:
            pass
    return refuse(
        at,
        'A part of group is a field, {"$each":"tags"} or '
        '{"$dateTrunc":{"field":"paid_at","unit":"month","timezone":"Europe/Berlin"}}; the last two may have "as".',
    )


def _truncation(unit: Any, timezone: Any, at: str) -> Truncation:
    if unit not in UNITS:
        refuse(f"{at}/unit", f"The units are {' '.join(UNITS)}.")
    try:
        if not isinstance(timezone, str) or len(timezone) > MAX_NAME:
            raise ValueError(timezone)
        zone_named(timezone)
    except ValueError:
        refuse(f"{at}/timezone", "This server does not know this time zone; an example is Europe/Berlin.")
    return Truncation(unit, timezone)


def _parse_values(text: bytes, taken: set[str]) -> tuple[Value, ...]:
    if len(text) > MAX_BYTES:
        refuse("/values", f"values has at most {MAX_BYTES} bytes.")
    try:
        values = msgspec.json.decode(text, type=dict[str, dict[str, Any]])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        refuse("/values", 'values must be an object, such as {"total":{"$sum":"price"}}.')
    if not 1 <= len(values) <= MAX_VALUES:
        refuse("/values", f"Name 1 to {MAX_VALUES} values.")
    return tuple(_value(name, said, taken) for name, said in values.items())


def _value(name: str, said: dict[str, Any], taken: set[str]) -> Value:
    at = f"/values/{name}"
    if not 1 <= len(name) <= MAX_NAME or name in taken or holds_control(name):
        refuse(
            at,
            f"The name of a value must have 1 to {MAX_NAME} characters and no control characters, and must not be a "
            "field of the group.",
        )
    if len(said) != 1:
        refuse(at, 'Each value to compute has exactly one operator, such as {"$sum":"price"}.')
    ((operator, of),) = said.items()
    if operator == "$count":
        if of is not True:
            refuse(at, "$count takes true.")
        return Value(name, operator)
    if operator in ORDERED:
        return _ordered(name, operator, of, f"{at}/{operator}")
    if operator not in OF_ONE_FIELD:
        refuse(f"{at}/{operator}", f"The operator {operator} is not known; the operators are {' '.join(OPERATORS)}.")
    return Value(name, operator, parse_path(of, f"{at}/{operator}"))


def _ordered(name: str, operator: str, of: Any, at: str) -> Value:
    """Parse `"title"` or `{"field":"title","sort":["-paid_at"]}`. For $push, the object may also have a `limit`."""
    said = {"field": of} if isinstance(of, str) else of
    known = {"field", "sort", "limit"} if operator == "$push" else {"field", "sort"}
    if not isinstance(said, dict) or said.keys() - known or "field" not in said:
        refuse(at, f"{operator} takes a field, or an object with {' '.join(sorted(known))}.")
    sort, limit = said.get("sort", []), said.get("limit", MAX_PUSHED if operator == "$push" else 1)
    if not isinstance(sort, list) or not all(isinstance(one, str) for one in sort):
        refuse(f"{at}/sort", 'sort is a list of fields, such as ["-paid_at"].')
    if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= MAX_PUSHED:
        refuse(f"{at}/limit", f"limit must be from 1 to {MAX_PUSHED}.")
    return Value(name, operator, parse_path(said["field"], f"{at}/field"), parse_sort(sort, f"{at}/sort"), limit)


def _parse_order(sort: Sequence[str], names: set[str]) -> tuple[tuple[str, bool], ...]:
    found = [(text, False) if text in names else (text.removeprefix("-"), text.startswith("-")) for text in sort]
    if len(found) > MAX_GROUP_FIELDS:
        refuse("/sort", f"There can be at most {MAX_GROUP_FIELDS} fields.")
    for number, (name, _) in enumerate(found):
        if name not in names:
            refuse(f"/sort/{number}", "Groups can be sorted by the names of group and values only.")
    if len({name for name, _ in found}) < len(found):
        refuse("/sort", "Name each field only once.")
    return tuple(found)


def _name(name: Any, at: str) -> str:
    if not isinstance(name, str) or not 1 <= len(name) <= MAX_NAME or holds_control(name):
        refuse(at, f"A name must be a text of 1 to {MAX_NAME} characters without control characters.")
    return name


def _read_by(value: Value) -> list[Path]:
    return [value.path, *(field.path for field in value.order.fields)] if value.path else []
