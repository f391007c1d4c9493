"""Draws schemas with documents: some match the schema, and one violates it because of a type."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import strategies as st

NAMES = st.sampled_from(
    [
        "a",
        "b",
        "title",
        "odd-name",
        "class",
        "str",
        "Upper",
        "with space",
        "größe",
        "__dunder",
        "if",
        "a.b",
        "9",
        '"',
        "*/",
    ]
)
TEXTS = st.sampled_from(["", "x", "draft", 'a "quote" \\ and */', "ü🌍", "line\nbreak", "\u2028", "${no}", "'"])
WIDE = st.sampled_from([2**63 - 1, -(2**63), 2**53 + 1, 0, 5])
COLLECTIONS = ("posts", "users")


@dataclass(frozen=True)
class Value:
    """An object, with fields that its schema does not describe in `extra`."""

    fields: dict[str, Any]
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Drawn:
    """A schema with values. `schema` describes `good`, and refuses `bad`.

    If `bad` is None, no type can refuse a value here. `only_typescript`: true if Python's types are wider here, and
    accept `bad`.
    """

    schema: Any
    good: Any
    bad: Any = None
    kind: str = "unknown"
    only_typescript: bool = False


def plain(value: Any) -> Any:
    """Return the value as JSON."""
    match value:
        case Value():
            return {name: plain(one) for name, one in (value.extra | value.fields).items()}
        case list():
            return [plain(one) for one in value]
        case _:
            return value


def typescript(value: Any) -> str:
    """Return the value as an expression.

    Fields outside of the schema are in a spread, where TypeScript accepts them.
    """
    match value:
        case Value():
            extra = f"...{typescript(Value(value.extra))}, " if value.extra else ""
            fields = ", ".join(f"{_string(name)}: {typescript(one)}" for name, one in value.fields.items())
            return f"{{ {extra}{fields} }}"
        case list():
            return f"[{', '.join(typescript(one) for one in value)}]"
        case bool() | None:
            return json.dumps(value)
        case int():
            return f"{value}n" if abs(value) >= 2**53 else str(value)
        case str():
            return _string(value)
        case _:
            return repr(value)


def python(value: Any) -> str:
    """Return the value as an expression, without the fields that a TypedDict cannot have."""
    match value:
        case Value():
            return f"{{{', '.join(f'{name!a}: {python(one)}' for name, one in value.fields.items())}}}"
        case list():
            return f"[{', '.join(python(one) for one in value)}]"
        case _:
            return ascii(value)


def _string(text: str) -> str:
    return json.dumps(text)


def _scalars() -> st.SearchStrategy[Drawn]:
    reference = st.sampled_from(COLLECTIONS).map(lambda name: {"type": "string", "x-ref": name})
    return st.one_of(
        TEXTS.map(lambda text: Drawn({"type": "string"}, text, 5, "string")),
        reference.map(lambda schema: Drawn(schema, "d1", 5, "string")),
        st.just(Drawn({"type": "string", "format": "date-time"}, "2026-11-29T22:00:00Z", 5, "string")),
        st.integers(-9, 9).map(lambda one: Drawn({"type": "integer", "minimum": -9}, one, "x", "number")),
        WIDE.map(lambda one: Drawn({"type": "integer", "x-int64": True}, one, "x", "number")),
        WIDE.map(lambda one: Drawn({"type": "integer", "minimum": -(2**63)}, one, "x", "number")),
        st.sampled_from([0, 1.5, -2e-7, 1e22]).map(lambda one: Drawn({"type": "number"}, one, "x", "number")),
        st.booleans().map(lambda one: Drawn({"type": "boolean"}, one, "x", "boolean")),
        st.just(Drawn({"type": "null"}, None, 5, "null")),
        _literals(),
    )


@st.composite
def _literals(draw: st.DrawFn) -> Drawn:
    strings = draw(st.lists(TEXTS, min_size=1, max_size=4, unique=True))
    numbers = draw(st.lists(st.sampled_from([1, 2, -3, 2**60]), max_size=2, unique=True))
    good = draw(st.sampled_from([*strings, *numbers]))
    if draw(st.booleans()):
        return Drawn({"const": good}, good, "another", "literal")
    return Drawn({"enum": [*strings, *numbers, *draw(st.sampled_from([[], [None]]))]}, good, "another", "literal")


def values() -> st.SearchStrategy[Drawn]:
    """Draw a schema of any kind."""
    return st.recursive(
        st.one_of(_scalars(), st.just(Drawn({}, Value({"any": [1, None]})))),
        lambda inner: st.one_of(
            _nullable(inner),
            _arrays(inner),
            _tuples(inner),
            _maps(inner),
            objects(inner),
            _unions(inner),
            _tagged(inner),
        ),
        max_leaves=12,
    )


def _nullable(inner: st.SearchStrategy[Drawn]) -> st.SearchStrategy[Drawn]:
    def nullable(one: Drawn, null: bool) -> Drawn:
        return replace(one, schema={"anyOf": [{"type": "null"}, one.schema]}, good=None if null else one.good)

    allowed = inner.filter(lambda one: one.kind not in ("null", "literal", "unknown"))
    return st.builds(nullable, allowed, st.booleans())


@st.composite
def _arrays(draw: st.DrawFn, inner: st.SearchStrategy[Drawn]) -> Drawn:
    one = draw(inner)
    good = [one.good] * draw(st.integers(0, 2))
    bad = draw(st.sampled_from([[one.bad], "no array"])) if one.bad is not None else "no array"
    only = one.only_typescript and isinstance(bad, list)
    return Drawn({"type": "array", "items": one.schema}, good, bad, "array", only)


@st.composite
def _tuples(draw: st.DrawFn, inner: st.SearchStrategy[Drawn]) -> Drawn:
    places = draw(st.lists(inner, min_size=1, max_size=3))
    closed, least = draw(st.booleans()), draw(st.integers(0, len(places)))
    schema: dict[str, Any] = {"type": "array", "prefixItems": [one.schema for one in places], "minItems": least}
    if closed:
        schema["items"] = False
    count = draw(st.integers(least, len(places)))
    good = [one.good for one in places[:count]]
    if count == len(places) and not closed and draw(st.booleans()):
        good.append(draw(st.sampled_from([7, "more", None])))
    bads: list[Any] = ["no array"]
    bads += [[*good[:place], one.bad] for place, one in enumerate(places) if one.bad is not None and place + 1 >= least]
    bads += [good[: least - 1]] if least and count >= least else []
    bads += [[*[one.good for one in places], 7]] if closed else []
    bad = draw(st.sampled_from(bads))
    return Drawn(schema, good, bad, "array", isinstance(bad, list))


@st.composite
def _maps(draw: st.DrawFn, inner: st.SearchStrategy[Drawn]) -> Drawn:
    one = draw(inner)
    schema: dict[str, Any] = {"type": "object", "additionalProperties": one.schema}
    if draw(st.booleans()):
        schema = {"type": "object", "patternProperties": {"": one.schema}, "additionalProperties": False}
    bad = 5 if one.bad is None else draw(st.sampled_from([5, Value({"key": one.bad})]))
    return Drawn(schema, Value({"key": one.good}), bad, "object", one.only_typescript and bad != 5)


@st.composite
def objects(draw: st.DrawFn, inner: st.SearchStrategy[Drawn], strict: bool = False, whole: bool = False) -> Drawn:
    fields = draw(st.dictionaries(NAMES, inner, min_size=1, max_size=4))
    required = [name for name in fields if draw(st.booleans())]
    properties = {name: one.schema for name, one in fields.items()}
    schema: dict[str, Any] = {"type": "object", "properties": properties, "required": required}
    closed = draw(st.booleans())
    if closed:
        schema["additionalProperties"] = False
    kept = {name: one.good for name, one in fields.items() if name in required or draw(st.booleans())}
    extra = {"zz": 1} if kept and not closed and not strict and draw(st.booleans()) else {}
    good = Value(kept, extra)
    bads: list[tuple[Any, bool]] = [] if whole else [(5, False)]
    bads += [
        (Value(kept | {name: one.bad}), one.only_typescript) for name, one in fields.items() if one.bad is not None
    ]
    bads += [(Value({name: kept[name] for name in kept if name != gone}), False) for gone in required]
    bads += [(Value(kept | {"misspelt": 1}), False)] if closed or strict else []
    bad, only = draw(st.sampled_from(bads or [(None, False)]))
    if draw(st.integers(0, 3)) == 0 and not closed:
        schema = _in_parts(schema)
    elif draw(st.integers(0, 3)) == 0 and not closed:
        known = {"if": {"properties": {"cond": {"const": True}}}, "then": {"properties": {"more": {"type": "string"}}}}
        schema = schema | known
        good = Value({**kept, "cond": True, "more": "x"}, extra)
    return Drawn(schema, good, bad, "object", only)


def _in_parts(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema with its fields described by two schemas in `allOf`."""
    names = list(schema["properties"])
    halves = [names[: len(names) // 2], names[len(names) // 2 :]]
    parts = [{"type": "object", "properties": {name: schema["properties"][name] for name in half}} for half in halves]
    return {"allOf": [*parts, {"required": schema["required"]}], "type": "object"}


@st.composite
def _unions(draw: st.DrawFn, inner: st.SearchStrategy[Drawn]) -> Drawn:
    """Draw alternatives of different kinds, so that each value belongs to one of them."""
    found = {one.kind: one for one in draw(st.lists(inner, min_size=2, max_size=3))}
    parts = [one for one in found.values() if one.kind in ("string", "number", "array", "boolean")]
    if len(parts) < 2:
        return draw(_scalars())
    good = draw(st.sampled_from(parts)).good
    keyword = draw(st.sampled_from(["anyOf", "oneOf"]))
    return Drawn({keyword: [one.schema for one in parts]}, good, Value({"no": 1}), "union")


@st.composite
def _tagged(draw: st.DrawFn, inner: st.SearchStrategy[Drawn]) -> Drawn:
    """Draw objects with different values in the field `kind`."""
    parts = []
    for number in range(draw(st.integers(2, 3))):
        one = draw(inner)
        properties = {"kind": {"const": f"k{number}"}, f"of{number}": one.schema}
        schema = {"type": "object", "properties": properties, "required": ["kind", f"of{number}"]}
        parts.append((schema, Value({"kind": f"k{number}", f"of{number}": one.good})))
    good = draw(st.sampled_from(parts))[1]
    bad = Value(good.fields | {"kind": "none"})
    return Drawn({"oneOf": [schema for schema, _ in parts]}, good, bad, "union")


@st.composite
def documents(draw: st.DrawFn) -> tuple[Drawn, bool]:
    """Draw the schema of a collection with its documents, and whether it is strict."""
    strict = draw(st.booleans())
    drawn = draw(objects(values(), strict, whole=True))
    if strict and _has_extra(drawn.good):
        strict = False
    if draw(st.booleans()):
        tree = {"type": "object", "properties": {"kids": {"type": "array", "items": {"$ref": "#/$defs/tree"}}}}
        drawn.schema.setdefault("properties", {})["tree"] = {"$ref": "#/$defs/tree"}
        drawn.schema["$defs"] = {"tree": tree}
        drawn.good.fields["tree"] = Value({"kids": [Value({}), Value({"kids": [Value({"kids": []})]})]})
    return drawn, strict


def _has_extra(value: Any) -> bool:
    match value:
        case Value():
            return bool(value.extra) or any(_has_extra(one) for one in value.fields.values())
        case list():
            return any(_has_extra(one) for one in value)
        case _:
            return False
