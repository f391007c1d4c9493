"""Write the types of a project's documents as a Python module of TypedDicts, for Python 3.11 and later."""

from __future__ import annotations

import json
import keyword
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
    parts_of,
    union,
)
from bunbase.cli.document_types.naming import TAKEN, free_name, pascal
from bunbase.cli.document_types.schemas import ROOT

IMPORTED: Final = ("Any", "Literal", "NotRequired", "TypeAlias", "TypedDict")
# if a field has one of these names, later fields of the class cannot use the built-in type
HIDING: Final = frozenset({"bool", "dict", "float", "int", "list", "str"})
STORED: Final = ("_id: str", "_rev: int", "_created: str", "_updated: str")

PRELUDE: Final = '''\
# a document of a collection without a schema
AnyDocument: TypeAlias = "dict[str, Any]"
NewAnyDocument: TypeAlias = "dict[str, Any]"'''


def python(header: str, collections: list[CollectionTypes]) -> str:
    """Return the text of the module. `header`: the lines of its first comment."""
    used = set(TAKEN) | {form.format(one.document) for one in collections for form in ("{}", "New{}", "{}Fields")}
    body = [PRELUDE, *(block for one in collections for block in _PythonTypes(one, used).blocks())]
    text = "\n\n\n".join(body)
    imports = ", ".join([name for name in IMPORTED if name in text])
    top = "\n".join(f"# {line}" for line in header.splitlines())
    return f"{top}\n\nfrom __future__ import annotations\n\nfrom typing import {imports}\n\n{text}\n"


class _PythonTypes:
    """Writes the types of one collection. `written`: the definitions so far. `used`: the names of all types."""

    def __init__(self, types: CollectionTypes, used: set[str]) -> None:
        self.types = types
        self.used = used
        self.written: list[str] = []
        names = sorted((name for name in types.named if name != ROOT), key=lambda name: name.name)
        self.names = {name: free_name(types.document + pascal(name.name), used) for name in names}
        self.names[ROOT] = f"{types.document}Fields"

    def blocks(self) -> list[str]:
        document, type = self.types.document, self.types.type
        if type is None:
            return [_alias(document, "AnyDocument") + "\n" + _alias(f"New{document}", "NewAnyDocument")]
        for name in self.names:
            if name != ROOT:
                self._define(self.names[name], self.types.named[name])
        objects = [part for part in parts_of(type) if isinstance(part, Object)]
        if not all(_is_typed_dict(one) for one in objects):
            self.written += [_alias(form.format(document), "dict[str, Any]") for form in ("{}Fields", "New{}", "{}")]
        elif len(objects) == 1:
            self._document(document, objects[0])
        else:
            self._alternatives(document, objects)
        return self.written

    def _alternatives(self, document: str, objects: list[Object]) -> None:
        forms = ("New{}", "{}Fields")
        names = [free_name(f"{document}{number}", self.used, forms) for number in range(1, len(objects) + 1)]
        for name, one in zip(names, objects, strict=True):
            self._document(name, one)
        for form in ("{}Fields", "New{}", "{}"):
            self.written.append(_alias(form.format(document), " | ".join([form.format(name) for name in names])))

    def _document(self, name: str, type: Object) -> None:
        self._class(f"{name}Fields", type, name, self.types.text)
        self.written.append(f"class New{name}({name}Fields):\n    _id: NotRequired[str]")
        self.written.append("\n    ".join([f"class {name}({name}Fields):", *STORED]))

    def _define(self, name: str, type: Type) -> None:
        if isinstance(type, Object) and _is_typed_dict(type):
            self._class(name, type)
        else:
            self.written.append(_alias(name, self._text(type, name)))

    def _class(self, name: str, type: Object, owner: str = "", text: str = "") -> None:
        """Write the type of an object. If the name of a field is not possible in a class body, write a call instead.

        `owner`: the prefix of the names of nested classes; default: `name`.
        """
        fields = [(field, self._annotation(field, owner or name)) for field in type.fields]
        if all(_is_plain(field.name) for field in type.fields):
            lines = [line for field, annotation in fields for line in _attribute(field, annotation)]
            definition = "\n".join([f"class {name}(TypedDict):", *(lines or ["    pass"])])
        else:
            lines = [line for field, annotation in fields for line in _item(field, annotation)]
            definition = "\n".join([f"{name} = TypedDict(", f'    "{name}",', "    {", *lines, "    },", ")"])
        self.written.append("\n".join([*_comment(text, ""), definition]))

    def _annotation(self, field: Field, owner: str) -> str:
        text = self._text(field.type, owner + pascal(field.name))
        return text if field.required else f"NotRequired[{text}]"

    def _text(self, type: Type, name: str) -> str:
        """Return the type as an annotation. `name`: the name of the class, if the type needs a class for an object."""
        match type:
            case Anything():
                return "Any"
            case Null():
                return "None"
            case Boolean():
                return "bool"
            case Number():
                return "int" if type.whole else "float"
            case Text():
                return "str"
            case Exactly():
                return "float" if isinstance(type.value, float) else f"Literal[{_literal(type.value)}]"
            case Array():
                return f"list[{self._text(union([*type.first, type.rest]), name + 'Item')}]"
            case Object():
                return self._object(type, name)
            case NamedType():
                return self.names[type]
            case Union():
                return self._union(type, name)
            case _ as never:
                assert_never(never)

    def _union(self, type: Union, name: str) -> str:
        values = [part.value for part in type.parts if isinstance(part, Exactly) and not isinstance(part.value, float)]
        others = [part for part in type.parts if not isinstance(part, Exactly) or isinstance(part.value, float)]
        texts = [f"Literal[{', '.join([_literal(value) for value in values])}]"] if values else []
        texts += [self._text(part, name) for part in others]
        return " | ".join(dict.fromkeys(texts)) or "Any"

    def _object(self, type: Object, name: str) -> str:
        if _is_typed_dict(type):
            name = free_name(name, self.used)
            self._class(name, type)
            return name
        if type.rest == NOTHING:
            return "dict[str, Any]"
        others = union([ANYTHING if type.rest is None else type.rest, *(field.type for field in type.fields)])
        return f"dict[str, {self._text(others, name + 'Value')}]"


def _is_typed_dict(type: Object) -> bool:
    """True for an object that has only the listed fields, because a TypedDict cannot have other fields."""
    return bool(type.fields) and (type.rest is None or type.rest == NOTHING)


def _alias(name: str, text: str) -> str:
    return f"{name}: TypeAlias = {_string(text)}"


def _is_plain(name: str) -> bool:
    """True if a class may have an attribute with this name, and the name has no other meaning there."""
    fits = name.isascii() and name.isidentifier() and not keyword.iskeyword(name) and not name.startswith("__")
    return fits and name not in HIDING and not name[0].isupper()


def _attribute(field: Field, annotation: str) -> Iterator[str]:
    yield from _comment(field.text, "    ")
    yield f"    {field.name}: {annotation}"


def _item(field: Field, annotation: str) -> Iterator[str]:
    yield from _comment(field.text, "        ")
    yield f"        {_string(field.name)}: {_string(annotation)},"


def _literal(value: str | float | bool) -> str:
    return _string(value) if isinstance(value, str) else repr(value)


def _string(text: str) -> str:
    """Return a string literal. The escapes of JSON mean the same in Python, except for characters beyond U+FFFF."""
    return json.dumps(text, ensure_ascii=False) if text.isprintable() else ascii(text)


def _comment(text: str, margin: str) -> Iterator[str]:
    for line in text.splitlines():
        yield f"{margin}# {''.join([one if one.isprintable() else ' ' for one in line])}".rstrip()
