"""The JSON Schema of bunbase.toml, `docs/reference/bunbase.schema.json`: editors check the file and complete names.

The schema is made from the Structs that the command and the server read, so it contains every new setting
automatically.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from bunbase.contracts.functions.triggers import DataTrigger
from bunbase.contracts.project_file import AuthSection, CollectionSection, ProjectTables
from bunbase.house.settings import kinds
from bunbase.pkg.config.described import descriptions

DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
REF: Final = "#/$defs/{name}"
REMOVABLE: Final = ("schema", "rules", "expires")  # settings of a collection; `false` removes them, `true` is invalid


def project_schema() -> dict[str, Any]:
    """Return the schema of a whole file."""
    rooms = kinds()
    (_, *_), components = msgspec.json.schema_components([ProjectTables, *rooms.values()], ref_template=REF)
    for name, one in components.items():
        one["description"] = _first_paragraph(one.get("description", ""))
        if kind := _structs().get(name):
            _describe(one, kind)
    for kind in rooms.values():
        components[kind.__name__]["additionalProperties"] = False
        _describe(components[kind.__name__], kind)
    tables = components.pop(ProjectTables.__name__)
    server = {room: {"$ref": REF.format(name=kind.__name__)} for room, kind in rooms.items()}
    tables["properties"]["server"] = {"type": "object", "properties": server, "additionalProperties": False}
    tables["properties"]["project"] = {"$ref": REF.format(name="ProjectSection")}
    components["ProjectSection"]["additionalProperties"] = False
    trigger = components[DataTrigger.__name__]
    trigger["oneOf"] = [{"required": [name]} for name in ("collection", "bucket")]
    for name in REMOVABLE:
        choices = components[CollectionSection.__name__]["properties"][name]["anyOf"]
        choices[choices.index({"type": "boolean"})] = {"const": False}
    return {"$schema": DRAFT, **tables, "title": "bunbase.toml", "$defs": components}


def project_schema_text() -> str:
    """Return the schema as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(project_schema(), order="deterministic"), indent=2).decode() + "\n"


def _structs() -> dict[str, type[msgspec.Struct]]:
    """Return the Structs of the file by name, without the Structs of the server."""
    found: dict[str, type[msgspec.Struct]] = {}
    waiting: list[Any] = [ProjectTables, AuthSection, CollectionSection]
    while waiting:
        info = msgspec.inspect.type_info(waiting.pop())
        if isinstance(info, msgspec.inspect.StructType) and info.cls.__name__ not in found:
            found[info.cls.__name__] = info.cls
            waiting += [kind for field in info.fields for kind in _kinds_in(field.type)]
    return found


def _kinds_in(kind: msgspec.inspect.Type) -> list[Any]:
    match kind:
        case msgspec.inspect.StructType():
            return [kind.cls]
        case msgspec.inspect.DictType():
            return _kinds_in(kind.value_type)
        case msgspec.inspect.VarTupleType() | msgspec.inspect.ListType():
            return _kinds_in(kind.item_type)
        case msgspec.inspect.UnionType():
            return [found for one in kind.types for found in _kinds_in(one)]
        case msgspec.inspect.Metadata():
            return _kinds_in(kind.type)
        case _:
            return []


def _describe(schema: dict[str, Any], kind: type[msgspec.Struct]) -> None:
    """Add to each setting its description from the docstring of its Struct."""
    names = dict(zip(kind.__struct_fields__, kind.__struct_encode_fields__, strict=True))
    for name, meaning in descriptions(kind).items():
        schema["properties"][names[name]]["description"] = meaning


def _first_paragraph(text: str) -> str:
    return " ".join(text.split("\n\n", maxsplit=1)[0].split())
