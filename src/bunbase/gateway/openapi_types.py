"""The types in the OpenAPI document, as msgspec describes them.

Litestar describes the same Structs, but less exactly: only msgspec knows which names a Struct refuses. So msgspec's
descriptions replace those of Litestar.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from inspect import cleandoc
from types import UnionType
from typing import Any, Final, get_args, get_type_hints

import msgspec
from litestar.handlers import HTTPRouteHandler

from bunbase.pkg.openapi import DescribedBody, OpenObject

REFERENCE: Final = "#/components/schemas/{name}"


def components(handlers: Iterable[HTTPRouteHandler]) -> dict[str, Any]:
    """Return the schemas of all Structs in the bodies and answers of these handlers, by the name of the Struct."""
    structs = list(_structs([kind for handler in handlers for kind in _kinds(handler)], set()))
    _, found = msgspec.json.schema_components(structs, ref_template=REFERENCE)
    for struct in structs:
        found[struct.__name__] |= _more_exact(struct)
    return {name: plain(schema) for name, schema in found.items()}


def schema_of(kind: Any) -> Any:
    """Return the schema of a type. Each Struct in it is a reference to its component."""
    choices = get_args(kind) if isinstance(kind, UnionType) else (kind,)  # msgspec refuses a union of Structs.
    schemas, _ = msgspec.json.schema_components(choices, ref_template=REFERENCE)
    return plain(schemas[0] if len(schemas) == 1 else {"anyOf": list(schemas)})


def plain(schema: Any) -> Any:
    """Return the schema in the form that most generators understand.

    A value that may be null gets a list of types, and every enum gets its type. Every object and array says what it may
    contain: openapi-typescript treats an object without properties as an object that must be empty. Defaults of
    properties become part of the description: openapi-typescript treats a property with a default as a required one.
    """
    if isinstance(schema, list):
        return [plain(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: plain(value) for name, value in schema.items() if name not in ("default", "required") or value}
    for choice in ("anyOf", "oneOf"):
        made = _nullable(made, choice)
    kinds = made.get("type", ())
    if "enum" in made and not kinds:
        made["type"] = "string"
    if "object" in kinds and "properties" not in made:
        made.setdefault("additionalProperties", True)
    if "array" in kinds:
        made.setdefault("items", {})
    if "integer" in kinds:
        made |= {name: int(made[name]) for name in ("minimum", "maximum") if isinstance(made.get(name), float)}
    if "properties" in made:
        made["properties"] = {name: _without_default(value) for name, value in made["properties"].items()}
    if "description" in made:
        made["description"] = cleandoc(made["description"])
    return made


def without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a value that may be left out. Litestar describes it as a value that may be null."""
    kinds = [kind for kind in schema.get("oneOf", ()) if kind != {"type": "null"}]
    if len(kinds) != 1:
        return schema
    return {**kinds[0], **{name: value for name, value in schema.items() if name != "oneOf"}}


def _without_default(schema: dict[str, Any]) -> dict[str, Any]:
    if "default" not in schema:
        return schema
    rest = {name: value for name, value in schema.items() if name != "default"}
    told = f"Default: {msgspec.json.encode(schema['default']).decode()}."
    return rest | {"description": f"{rest['description']} {told}" if "description" in rest else told}


def _nullable(schema: dict[str, Any], choice: str) -> dict[str, Any]:
    kinds = schema.get(choice)
    if not isinstance(kinds, list) or len(kinds) != 2 or {"type": "null"} not in kinds:
        return schema
    (other,) = [kind for kind in kinds if kind != {"type": "null"}]
    if not isinstance(other.get("type"), str) or "enum" in other or "const" in other:
        return schema
    rest = {name: value for name, value in schema.items() if name != choice}
    return {**other, "type": [other["type"], "null"], **rest}


def _more_exact(struct: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the keywords that msgspec leaves out.

    These keywords tell that other fields are allowed, and which fields are always sent.
    """
    if issubclass(struct, OpenObject):
        return {"additionalProperties": True}
    config = struct.__struct_config__
    if config.forbid_unknown_fields or config.omit_defaults:
        return {}
    tag = [config.tag_field] if config.tag_field else []
    sent = tag + [one.encode_name for one in msgspec.structs.fields(struct) if one.default is not msgspec.UNSET]
    return {"required": sent} if sent else {}


def _kinds(handler: HTTPRouteHandler) -> Iterator[Any]:
    """Yield the types of the handler's body and answers."""
    signature = handler.parsed_fn_signature
    yield signature.return_type.annotation
    if "data" in signature.parameters:
        yield signature.parameters["data"].annotation
    if issubclass(handler.operation_class, DescribedBody):
        yield handler.operation_class.BODY
    for answer in (handler.responses or {}).values():
        yield answer.data_container


def _structs(kinds: Iterable[Any], seen: set[Any]) -> Iterator[type[msgspec.Struct]]:
    """Yield each Struct in these types, and in the fields of these Structs, once."""
    for kind in kinds:
        yield from _structs(get_args(kind), seen)
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind not in seen:
            seen.add(kind)
            yield kind
            yield from _structs(get_type_hints(kind).values(), seen)
