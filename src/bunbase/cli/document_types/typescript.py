"""Write the types of a project's documents as a TypeScript module, without imports."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final, assert_never

from bunbase.cli.document_types.collections import CollectionTypes
from bunbase.cli.document_types.model import (
    ANYTHING,
    NOTHING,
    Anything,
    Array,
    Boolean,
    Exactly,
    Field,
    NamedType,
    Null,
    Number,
    Object,
    Text,
    Type,
    Union,
    element,
    is_wide,
    union,
)
from bunbase.cli.document_types.naming import TAKEN, free_name, pascal
from bunbase.cli.document_types.schemas import ROOT

IDENTIFIER: Final = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
MOST_REPEATED: Final = 8  # at most this number of further elements of a tuple are written one by one

PRELUDE: Final = """\
/** The id of a document in another collection. At run time it is a string. */
export type Id<Collection extends string> = string & { readonly __collection?: Collection };

/** The fields that every stored document has. */
export interface StoredDocument<Collection extends string = string> {
  readonly _id: Id<Collection>;
  readonly _rev: number;
  readonly _created: string;
  readonly _updated: string;
}

/** A document of a collection without a schema, as it is read. */
export interface AnyDocument extends StoredDocument {
  [field: string]: any;
}

/** A document of a collection without a schema, as it is written. */
export interface NewAnyDocument {
  _id?: string;
  [field: string]: any;
}
"""


def typescript(header: str, collections: list[CollectionTypes]) -> str:
    """Return the text of the module. `header`: the lines of its first comment."""
    lines = [*(f"// {line}" for line in header.splitlines()), "", PRELUDE.rstrip()]
    used = set(TAKEN) | {form.format(one.document) for one in collections for form in ("{}", "New{}", "{}Fields")}
    for one in collections:
        lines += ["", *_TypeScriptTypes(one, used).lines()]
    lines += [
        "",
        "/** All collections: what a read returns, what a write takes, and to which collections fields refer. */",
    ]
    lines += ["export interface Database {", *(f"  {line}" for one in collections for line in _entry(one)), "}"]
    return "\n".join(lines) + "\n"


def _entry(one: CollectionTypes) -> Iterator[str]:
    references = "; ".join([f"{_key(ref.path)}: {_string(ref.collection)}" for ref in one.references])
    refs = f"{{ {references} }}" if references else "{}"
    yield f"{one.name}: {{ read: {one.document}; write: New{one.document}; refs: {refs} }};"


class _TypeScriptTypes:
    """Writes the types of one collection. `used`: the names of all types in the module."""

    def __init__(self, types: CollectionTypes, used: set[str]) -> None:
        self.types = types
        names = sorted((name for name in types.named if name != ROOT), key=lambda name: name.name)
        self.names = {name: free_name(types.document + pascal(name.name), used) for name in names}
        self.names[ROOT] = f"{types.document}Fields"

    def lines(self) -> Iterator[str]:
        document, type, collection = self.types.document, self.types.type, self.types.name
        if type is None:
            yield f"/** A document of `{collection}`, which has no schema. */"
            yield f"export type {document} = AnyDocument;"
            yield f"export type New{document} = NewAnyDocument;"
            return
        for name in self.names:
            if name != ROOT:
                yield from self._named(self.names[name], self.types.named[name])
                yield ""
        yield from _comment(self.types.text or f"The fields of the documents of `{collection}`.", "")
        yield from self._named(self.names[ROOT], _with_open_rest(type))
        yield ""
        yield f"/** A document of `{collection}`, as it is written. */"
        if isinstance(type, Object):
            yield f"export interface New{document} extends {document}Fields {{\n  _id?: string;\n}}"
            yield f"\n/** A document of `{collection}`, as it is read. */"
            yield f"export interface {document} extends {document}Fields, StoredDocument<{_string(collection)}> {{}}"
        else:
            yield f"export type New{document} = {document}Fields & {{ _id?: string }};"
            yield f"\n/** A document of `{collection}`, as it is read. */"
            yield f"export type {document} = {document}Fields & StoredDocument<{_string(collection)}>;"

    def _named(self, name: str, type: Type) -> Iterator[str]:
        if isinstance(type, Object) and (type.fields or type.rest not in (None, ANYTHING, NOTHING)):
            yield f"export interface {name} {self._object(type, '')}"
        else:
            yield f"export type {name} = {self._text(type, '')};"

    def _text(self, type: Type, margin: str) -> str:
        match type:
            case Anything():
                return "unknown"
            case Null():
                return "null"
            case Boolean():
                return "boolean"
            case Number():
                return "number | bigint" if type.wide else "number"
            case Text():
                return f"Id<{_string(type.refers_to)}>" if type.refers_to else "string"
            case Exactly():
                return _literal(type)
            case Array():
                return self._array(type, margin)
            case Object():
                return self._object(type, margin)
            case NamedType():
                return self.names[type]
            case Union():
                return " | ".join([self._text(part, margin) for part in type.parts]) or "never"
            case _ as never:
                assert_never(never)

    def _array(self, type: Array, margin: str) -> str:
        if not type.first:
            return "[]" if type.rest == NOTHING else f"{self._element(type.rest, margin)}[]"
        count = max(len(type.first), min(type.least, len(type.first) + MOST_REPEATED))
        places = [self._element(element(type, place), margin) for place in range(count)]
        written = [text if place < type.least else f"{text}?" for place, text in enumerate(places)]
        if type.rest != NOTHING:
            written.append(f"...{self._element(type.rest, margin)}[]")
        return f"[{', '.join(written)}]"

    def _element(self, type: Type, margin: str) -> str:
        text = self._text(type, margin)
        return f"({text})" if " | " in text and (isinstance(type, Union | Number)) else text

    def _object(self, type: Object, margin: str) -> str:
        if not type.fields:
            rest = "never" if type.rest == NOTHING else self._text(ANYTHING if type.rest is None else type.rest, margin)
            return f"{{ [name: string]: {rest} }}"
        inner = margin + "  "
        lines = [line for field in type.fields for line in self._field(field, inner)]
        if type.rest is not None and type.rest != NOTHING:
            others = union([type.rest, *(field.type for field in type.fields)])
            undefined = "" if others == ANYTHING or all(field.required for field in type.fields) else " | undefined"
            lines.append(f"{inner}[name: string]: {self._text(others, inner)}{undefined};")
        return "\n".join(["{", *lines, f"{margin}}}"])

    def _field(self, field: Field, margin: str) -> Iterator[str]:
        yield from _comment(field.text, margin)
        yield f"{margin}{_key(field.name)}{'' if field.required else '?'}: {self._text(field.type, margin)};"


def _with_open_rest(type: Type) -> Type:
    """Return the type of a document with unlisted fields of any type.

    The type must allow any values there, because the system fields are among the unlisted fields.
    """
    match type:
        case Object() if type.rest is not None and type.rest != NOTHING:
            return Object(type.fields, ANYTHING)
        case Union():
            return Union(tuple([_with_open_rest(part) for part in type.parts]))
        case _:
            return type


def _literal(type: Exactly) -> str:
    value = type.value
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if is_wide(value):
        return f"{value}n"
    return repr(int(value)) if isinstance(value, int) or (value.is_integer() and abs(value) < 2**53) else repr(value)


def _key(name: str) -> str:
    return name if IDENTIFIER.fullmatch(name) else _string(name)


def _string(text: str) -> str:
    return json.dumps(text, ensure_ascii=not text.isprintable())


def _comment(text: str, margin: str) -> Iterator[str]:
    lines = ["".join([one if one.isprintable() else " " for one in line]).rstrip() for line in text.splitlines()]
    lines = [line.replace("*/", "*\\/") for line in lines]
    if len(lines) == 1:
        yield f"{margin}/** {lines[0]} */"
    elif lines:
        yield from (f"{margin}/**", *(f"{margin} * {line}".rstrip() for line in lines), f"{margin} */")
