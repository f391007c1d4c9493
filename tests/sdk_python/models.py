"""The types of answers and bodies, as TypedDicts that are made from the OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

ROOT: Final = Path(__file__).parents[2]
PACKAGE: Final = ROOT / "sdk/python/src/bunbase_sdk"
FILE: Final = PACKAGE / "models.py"
DOCUMENT: Final = ROOT / "docs/reference/openapi.json"
# Signatures name these types. The types inside of these types follow.
WANTED: Final = (
    "Backup", "BackupJob", "BackupScheduleState", "BulkFilter", "BulkResult", "ShownChange", "ChannelMessage",
    "ChannelSpec", "CollectionSpec", "Commit", "Decisions", "DocumentWrite",
    "FunctionConfig", "FunctionStats", "HandedLink", "Imported", "ImportedUsers", "Impersonated", "Job", "LogLine",
    "ManagedActivityEntry", "ManagedUser", "Misfit", "NewUser", "OneCase", "OneDecision", "OpenUserInvite",
    "Published", "Rules", "Run", "ScheduleState", "ShownCollection", "UserChanges", "UserInvite", "UserLine",
    "UserSession", "Variable", "Version",
)  # fmt: skip
RENAMED: Final = {
    "ShownCollection": "CollectionInfo",
    "ShownChange": "Change",
    "Published": "PublishedMessage",
    "Version": "FunctionVersion",
}
SENT: Final = frozenset({"BulkFilter", "NewUser", "UserChanges"})  # A time may be a datetime in these types.
PLAIN: Final = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "null": "None",
}
HIDING: Final = frozenset({"bool", "dict", "float", "int", "list", "str"})
MARGIN: Final = 112


def document() -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(DOCUMENT.read_bytes())
    return found


def source() -> str:
    """Return the text of the module."""
    schemas = document()["components"]["schemas"]
    names = sorted(reachable(schemas), key=lambda name: RENAMED.get(name, name))
    blocks = [block(name, schemas[name]) for name in names]
    literals = [text for name, text in zip(names, blocks, strict=True) if "enum" in schemas[name]]
    others = [text for name, text in zip(names, blocks, strict=True) if "enum" not in schemas[name]]
    return (
        '"""The types of answers and bodies. Written by `make gen` from docs/reference/openapi.json."""\n\n'
        "from __future__ import annotations\n\n"
        "from datetime import datetime\n"
        "from typing import Any, Literal, NotRequired, TypeAlias, TypedDict\n\n"
        + "\n".join(literals)
        + "\n\n\n"
        + "\n\n\n".join(others)
        + "\n"
    )


def reachable(schemas: dict[str, Any]) -> set[str]:
    """Return the names of the wanted types, and of all types inside of them."""
    found, waiting = set[str](), list(WANTED)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += references(schemas[name])
    return found


def references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"].rpartition("/")[2]
        for name, part in schema.items():
            if name != "examples":
                yield from references(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from references(part)


def block(name: str, schema: dict[str, Any]) -> str:
    shown = RENAMED.get(name, name)
    if "enum" in schema:
        return f"{shown}: TypeAlias = {annotation(schema, name)}"
    required = set(schema.get("required", ()))
    fields = [
        (field, annotation(part, name) if field in required else f"NotRequired[{annotation(part, name)}]")
        for field, part in schema["properties"].items()
    ]
    if all(field.isidentifier() and field not in HIDING for field, _ in fields):
        lines = [f"class {shown}(TypedDict):", *docstring(schema), *(f"    {field}: {text}" for field, text in fields)]
        return "\n".join(lines)
    items = [f'        "{field}": "{text}",' for field, text in fields]
    return "\n".join([f"{shown} = TypedDict(", f'    "{shown}",', "    {", *items, "    },", ")"])


def docstring(schema: dict[str, Any]) -> list[str]:
    if "description" not in schema:
        return []
    paragraphs = [" ".join(text.split()) for text in schema["description"].split("\n\n")]
    first, *others = [wrapped(text.replace("\\", "\\\\")) for text in paragraphs]
    lines = [f'    """{first[0].strip()}', *first[1:], *(line for text in others for line in ["", *text])]
    lines[-1] += '"""' if len(lines) == 1 else ""
    return [*lines, *(['    """'] if len(lines) > 1 else []), ""]


def wrapped(text: str) -> list[str]:
    lines, line = list[str](), "   "
    for word in text.split(" "):
        if len(line) + len(word) > MARGIN:
            lines.append(line)
            line = "   "
        line += f" {word}"
    return [*lines, line]


def annotation(schema: dict[str, Any], owner: str) -> str:
    """Return the type of a value. `owner` is the type to which the field belongs."""
    if "$ref" in schema:
        name: str = schema["$ref"].rpartition("/")[2]
        return RENAMED.get(name, name)
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return union([annotation(part, owner) for part in schema[several]])
    if "enum" in schema:
        return f"Literal[{', '.join(repr(value) for value in schema['enum'])}]".replace("'", '"')
    if "const" in schema:
        return f"Literal[{schema['const']!r}]"
    kinds = schema.get("type", [])
    return union([of_kind(kind, schema, owner) for kind in ([kinds] if isinstance(kinds, str) else kinds)]) or "Any"


def of_kind(kind: str, schema: dict[str, Any], owner: str) -> str:
    if kind == "string" and schema.get("format") == "date-time" and owner in SENT:
        return "str | datetime"
    if kind == "array":
        return f"list[{annotation(schema.get('items', {}), owner)}]"
    if kind == "object":
        values = schema.get("additionalProperties", True)
        return f"dict[str, {annotation(values, owner) if isinstance(values, dict) else 'Any'}]"
    return PLAIN[kind]


def union(parts: list[str]) -> str:
    return " | ".join(sorted(dict.fromkeys(parts), key=lambda part: part == "None"))
