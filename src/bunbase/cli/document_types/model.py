"""The types of JSON values that both languages can express, and their union and intersection.

A type describes a set of JSON values. The result of an operation may be larger than the exact set, but
never smaller: a generated type may accept a document that the server refuses, but must accept every stored document.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, assert_never

import msgspec

MOST_PARTS: Final = 300  # a union has at most this number of members


class Anything(msgspec.Struct, frozen=True):
    pass


class Null(msgspec.Struct, frozen=True):
    pass


class Boolean(msgspec.Struct, frozen=True):
    pass


class Number(msgspec.Struct, frozen=True):
    """A number. `whole`: an integer. `wide`: the schema allows integers beyond 2^53 on purpose."""

    whole: bool = False
    wide: bool = False


class Text(msgspec.Struct, frozen=True):
    """A string. `refers_to`: the collection whose documents have these ids, or empty."""

    refers_to: str = ""


class Exactly(msgspec.Struct, frozen=True):
    """Exactly one value. `kind` distinguishes true from 1, because Python treats the two as equal."""

    value: str | int | float | bool
    kind: str = ""


class Array(msgspec.Struct, frozen=True):
    """An array. `first`: the types of the first elements. `rest`: the type of all later elements. `least`: the minimum
    number of elements.
    """

    first: tuple[Type, ...]
    rest: Type
    least: int = 0


class Field(msgspec.Struct, frozen=True):
    name: str
    type: Type
    required: bool
    text: str = ""


class Object(msgspec.Struct, frozen=True):
    """An object. `fields`: ordered by name. `rest`: the type that the schema gives to all other fields, or None.

    If `rest` is None, a document may still have other fields, unless its collection is strict. The generated types do
    not mention these fields, because the types would then accept every misspelt name.
    """

    fields: tuple[Field, ...] = ()
    rest: Type | None = None


class NamedType(msgspec.Struct, frozen=True):
    """A type with its own name: the name of a schema in `$defs`.

    `whole`: the type of the document itself, whose name is empty.
    """

    name: str
    whole: bool = False


class Union(msgspec.Struct, frozen=True):
    """A value of one of several types. An empty union means that no value is possible."""

    parts: tuple[Type, ...]


Type = Anything | Null | Boolean | Number | Text | Exactly | Array | Object | NamedType | Union
ANYTHING: Final = Anything()
NOTHING: Final = Union(())
ANY_ARRAY: Final = Array((), ANYTHING)
ANY_OBJECT: Final = Object()


def exactly(value: str | float | bool) -> Exactly:
    return Exactly(value, "bool" if isinstance(value, bool) else "str" if isinstance(value, str) else "number")


def union(types: Iterable[Type]) -> Type:
    """Return a type that has all values of these types.

    If there are too many single values, allow all values of their kind.
    """
    every: dict[Type, None] = {}
    for type in types:
        every.update(dict.fromkeys(parts_of(type)))
    if len(every) > MOST_PARTS:
        every = dict.fromkeys(_kind_of(part) if isinstance(part, Exactly) else part for part in every)
    if ANYTHING in every or len(every) > MOST_PARTS:
        return ANYTHING
    found = [part for part in every if not any(_covers(other, part) for other in every)]
    if exactly(True) in found and exactly(False) in found:
        found = [part for part in found if not (isinstance(part, Exactly) and part.kind == "bool")] + [Boolean()]
    return found[0] if len(found) == 1 else Union(tuple(found))


def parts_of(type: Type) -> tuple[Type, ...]:
    return type.parts if isinstance(type, Union) else (type,)


def _kind_of(value: Exactly) -> Type:
    match value.kind:
        case "str":
            return Text()
        case "bool":
            return Boolean()
        case _:
            return Number(isinstance(value.value, int), is_wide(value.value))


def literal(value: object) -> Type:
    """Return the type of exactly this JSON value."""
    match value:
        case None:
            return Null()
        case bool() | str() | int() | float():
            return exactly(value)
        case list():
            return Array(tuple([literal(one) for one in value]), NOTHING, len(value))
        case dict():
            fields = [Field(name, literal(one), required=True) for name, one in sorted(value.items())]
            return Object(tuple(fields), NOTHING)
        case _:
            raise TypeError("no JSON value")


def _covers(one: Type, other: Type) -> bool:
    """True if `one` obviously contains all values of `other`, and more values."""
    match one, other:
        case Boolean(), Exactly(kind="bool"):
            return True
        case Text(refers_to=""), Exactly(kind="str") | Text():
            return one != other
        case Number(), Exactly(kind="number"):
            return _is_number(one, other) and (one.wide or not is_wide(other.value))
        case Number(), Number():
            return one != other and one.whole <= other.whole and one.wide >= other.wide
        case _:
            return False


def is_wide(value: object) -> bool:
    """True if JavaScript's numbers cannot hold this integer exactly."""
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) > 2**53 - 1


def _is_number(type: Number, value: Exactly) -> bool:
    return not type.whole or float(value.value).is_integer()


def may_be(type: Type, value: Exactly) -> bool:
    match type:
        case Boolean():
            return value.kind == "bool"
        case Text():
            return value.kind == "str"
        case Number():
            return value.kind == "number" and _is_number(type, value)
        case Null() | Array() | Object():
            return False
        case Anything() | Exactly() | NamedType() | Union():
            raise AssertionError("not a plain type")
        case _ as never:
            assert_never(never)


def element(array: Array, place: int) -> Type:
    return array.first[place] if place < len(array.first) else array.rest
