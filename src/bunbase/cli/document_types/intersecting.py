"""The intersection of types: the values that several schemas allow together, as in `allOf` or beside a `$ref`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bunbase.cli.document_types.model import (
    ANYTHING,
    NOTHING,
    Anything,
    Array,
    Exactly,
    Field,
    NamedType,
    Number,
    Object,
    Text,
    Type,
    Union,
    element,
    may_be,
    parts_of,
    union,
)

MOST_PAIRS: Final = 2_500  # an intersection of two unions compares at most this number of pairs
MOST_LEVELS: Final = 8  # an intersection goes at most this number of levels deep, because recursive schemas have no end
MOST_STEPS: Final = 20_000  # one schema takes at most this number of steps, which take a tenth of a second


class Intersecting:
    """Computes intersections. `expand`: returns the type that a name stands for.

    After MOST_STEPS steps, the result of every intersection is simply the first of the two types, which contains the
    exact result and perhaps more values.
    """

    def __init__(self, expand: Callable[[NamedType], Type]) -> None:
        self.expand = expand
        self.left = MOST_STEPS

    def both(self, one: Type, other: Type, level: int = 0) -> Type:
        """Return a type that contains all values that belong to both types."""
        self.left -= 1
        if one == other or isinstance(other, Anything):
            return one
        if isinstance(one, Anything):
            return other
        if level > MOST_LEVELS or self.left < 0:
            return one
        if isinstance(one, NamedType) or isinstance(other, NamedType):
            plain = [self.expand(type) if isinstance(type, NamedType) else type for type in (one, other)]
            return self.both(plain[0], plain[1], level + 1)
        if isinstance(one, Union) or isinstance(other, Union):
            here, there = parts_of(one), parts_of(other)
            if len(here) * len(there) > MOST_PAIRS:
                return one
            return union([self.both(a, b, level + 1) for a in here for b in there])
        return self._plain(one, other, level)

    def _plain(self, one: Type, other: Type, level: int) -> Type:
        """Return the intersection of two types that are neither names nor unions."""
        match one, other:
            case Number(), Number():
                return Number(one.whole or other.whole, one.wide or other.wide)
            case Text(), Text():
                return Text(one.refers_to or other.refers_to)
            case Array(), Array():
                return self._array(one, other, level)
            case Object(), Object():
                return self._object(one, other, level)
            case Exactly(), Exactly():
                return one if one == other else NOTHING
            case Exactly(), _:
                return one if may_be(other, one) else NOTHING
            case _, Exactly():
                return other if may_be(one, other) else NOTHING
            case _:
                return NOTHING

    def _array(self, one: Array, other: Array, level: int) -> Type:
        count, least = max(len(one.first), len(other.first)), max(one.least, other.least)
        rest = self.both(one.rest, other.rest, level + 1)
        first: list[Type] = []
        for place in range(count):
            both = self.both(element(one, place), element(other, place), level + 1)
            if both == NOTHING:
                return NOTHING if least > place else Array(tuple(first), NOTHING, least)
            first.append(both)
        return NOTHING if rest == NOTHING and least > count else Array(tuple(first), rest, least)

    def _object(self, one: Object, other: Object, level: int) -> Type:
        here, there = [{field.name: field for field in type.fields} for type in (one, other)]
        fields = []
        for name in sorted(here.keys() | there.keys()):
            mine, theirs = here.get(name), there.get(name)
            type = self.both(_type_of(mine, one), _type_of(theirs, other), level + 1)
            known = [field for field in (mine, theirs) if field is not None]
            required = any(field.required for field in known)
            if type == NOTHING and required:
                return NOTHING
            if type != NOTHING:
                fields.append(Field(name, type, required, next((field.text for field in known if field.text), "")))
        rests = [rest for rest in (one.rest, other.rest) if rest is not None]
        rest = None if not rests else self.both(rests[0], rests[-1], level + 1)
        return Object(tuple(fields), rest)


def _type_of(field: Field | None, of: Object) -> Type:
    """Return the type of a field in one of two objects, or the type of its other fields."""
    if field is not None:
        return field.type
    return ANYTHING if of.rest is None else of.rest
