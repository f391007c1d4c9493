"""Parse the operands of update operators. Each function raises InvalidUpdate."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from bunbase.bundoc.documents import Fields, read_all, read_fields, read_items
from bunbase.bundoc.query.filters import whole
from bunbase.bundoc.query.order import key
from bunbase.bundoc.query.parse import Reader, parse_path
from bunbase.bundoc.update.change import Additions, Bits, Operand, Path, Unwanted, invalid
from bunbase.bundoc.update.conditions import condition
from bunbase.bundoc.update.numbers import is_number
from bunbase.contracts.bundoc.problems import InvalidQuery

MODIFIERS: Final = ("$each", "$position", "$slice", "$sort")
BITWISE: Final = ("and", "or", "xor")
MAX_SORT_FIELDS: Final = 8


def operand(operator: str, value: msgspec.Raw, at: Path, reader: Reader) -> Operand:
    """Return the operand of any operator except `$rename`; None if the operator needs only the value itself."""
    match operator:
        case "$inc" | "$mul" if not is_number(value):
            raise invalid(at, f"{operator} takes a number.")
        case "$now" if bytes(value) != b"true":
            raise invalid(at, "$now takes true: the field becomes the time of the write.")
        case "$currentDate" if bytes(value) not in (b"true", b'{"$type":"date"}'):
            raise invalid(at, '$currentDate takes true or {"$type":"date"}: the field becomes the time of the write.')
        case "$push":
            return _pushed(value, at)
        case "$addToSet":
            return Additions(_added(value, at, ("$each",))[0])
        case "$pop":
            return _end(value, at)
        case "$pull":
            return condition(value, at, reader)
        case "$pullAll":
            if bytes(value)[:1] != b"[":
                raise invalid(at, "$pullAll takes the array of values to remove.")
            return Unwanted(frozenset(map(key, read_all(value))))
        case "$bit":
            return _bits(value, at)
    return None


def target_of(value: msgspec.Raw, at: Path) -> str:
    """Return the new path of `$rename`."""
    target = read_all(value)
    if not isinstance(target, str):
        raise invalid(at, "$rename takes the new path of the field as a string.")
    return target


def _end(value: msgspec.Raw, at: Path) -> int:
    end = whole(read_all(value))
    if end not in (1, -1):
        raise invalid(at, "$pop takes 1 for the last element, or -1 for the first.")
    return end


def _bits(value: msgspec.Raw, at: Path) -> Bits:
    sent = read_all(value)
    if not isinstance(sent, dict) or not sent or any(name not in BITWISE for name in sent):
        raise invalid(at, '$bit takes an object such as {"and":7}; the names are and, or, xor.')
    steps = [(name, whole(number)) for name, number in sent.items()]
    for name, number in steps:
        if number is None:
            raise invalid((*at, name), f"{name} takes an integer of at most 64 bits.")
    return Bits(tuple([(name, number) for name, number in steps if number is not None]))


def _pushed(value: msgspec.Raw, at: Path) -> Additions:
    values, modifiers = _added(value, at, MODIFIERS)
    sort = _sort(modifiers["$sort"], (*at, "$sort")) if "$sort" in modifiers else ()
    return Additions(values, _integer("$position", modifiers, at), _integer("$slice", modifiers, at), sort)


def _added(value: msgspec.Raw, at: Path, known: tuple[str, ...]) -> tuple[tuple[msgspec.Raw, ...], Fields]:
    """Return the elements to add, and the modifiers, which are in the same object as `$each`."""
    modifiers = read_fields(value) if bytes(value)[:1] == b"{" else {}
    if not any(name.startswith("$") for name in modifiers):
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
    value = whole(read_all(modifiers[name]))
    if value is None or not -(1 << 63) <= value < 1 << 63:
        raise invalid((*at, name), f"{name} must be an integer of 64 bits.")
    return value


def _sort(sent: msgspec.Raw, at: Path) -> tuple[tuple[Path, bool], ...]:
    value = read_all(sent)
    if not isinstance(value, dict):
        return (((), _descending(value, at)),)
    if not 1 <= len(value) <= MAX_SORT_FIELDS:
        raise invalid(at, f"$sort takes 1, -1, or an object of 1 to {MAX_SORT_FIELDS} paths.")
    return tuple([(_sort_path(path, at), _descending(way, (*at, path))) for path, way in value.items()])


def _sort_path(path: str, at: Path) -> Path:
    try:
        return parse_path(path, "")
    except InvalidQuery as refused:
        raise invalid((*at, path), refused.detail) from None


def _descending(way: Any, at: Path) -> bool:
    if whole(way) not in (1, -1):
        raise invalid(at, "The order is 1 (ascending) or -1 (descending).")
    return whole(way) == -1
