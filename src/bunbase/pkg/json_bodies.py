"""Decodes JSON bodies. A body that is not JSON is always answered with 400. For JSON of another shape, the caller
describes the error.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, Final, TypeVar

import msgspec
from msgspec.inspect import (
    DictType,
    EnumType,
    ListType,
    LiteralType,
    Metadata,
    StructType,
    Type,
    UnionType,
    VarTupleType,
    type_info,
)

from bunbase.pkg.errors import InvalidInput, Malformed
from bunbase.pkg.media import check_json
from bunbase.pkg.plain_messages import MISSING, UNKNOWN, plain, sentence

T = TypeVar("T")

# Messages of msgspec contain these texts.
CUT_OFF: Final = "Input data was truncated"
MALFORMED: Final = "JSON is malformed: "
ANY: Final = "[...]"
PLACE: Final = " - at `$"
NOT_A_CHOICE: Final = "Invalid enum value"
# At most this many characters of a name are compared with other names, because this takes time for long names.
MAX_TYPO: Final = 64


def read_json(body: bytes, kind: type[T]) -> T:
    """Return the body as `kind`. Raises: Malformed if it is not JSON, msgspec.ValidationError if it has another shape.

    msgspec reports a wrong shape before it has read the whole body, so this function then checks the rest too.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError:
        check_readable(body)
        raise
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise unreadable(error) from None


def read_input(headers: Mapping[str, str], body: bytes, kind: type[T]) -> T:
    """Return the body as `kind`, for a route that parses it itself.

    Raises: Malformed, InvalidInput, UnsupportedMedia.
    """
    check_json(headers.get("content-type", ""), "origin" in headers)
    try:
        return read_json(body, kind)
    except msgspec.ValidationError as error:
        path, message = fault_in(error, kind)
        raise InvalidInput.at(path, message, f"{path}: {message}" if path else message) from None


def check_readable(body: bytes) -> None:
    """Check that the body is JSON. Raises: Malformed."""
    try:
        msgspec.json.decode(body)  # With the type Raw, msgspec would accept invalid UTF-8.
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise unreadable(error) from None


def unreadable(error: Exception, what: str = "The body") -> Malformed:
    """Return the Problem for an error of the JSON parser. `what`: the name of the text that was read."""
    if str(error) == CUT_OFF:
        return Malformed(f"{what} is empty, or its JSON ends too early: send a whole JSON value.")
    return Malformed(f"{what} is not JSON in UTF-8: {_reason(error)}.")


def fault_in(error: msgspec.ValidationError, kind: Any = None) -> tuple[str, str]:
    """Return the JSON Pointer and the message, in plain words, for a value of the wrong shape.

    The pointer of an unknown or missing member contains its name. `kind`: the type that was expected. With `kind`, the
    message for a wrong word lists the allowed words, and the message for an unknown member names a similar member.
    """
    place, message = pointer_in(error), str(error).split(PLACE, maxsplit=1)[0]
    if named := UNKNOWN.match(message) or MISSING.match(message):
        near = _similar(named[1], kind, place) if kind is not None and UNKNOWN.match(message) else []
        advice = f" Did you mean {near[0]}?" if near else ""
        return f"{place}/{_escaped(named[1])}", sentence(plain(message)) + advice
    if kind is not None and message.startswith(NOT_A_CHOICE) and (choices := choices_at(kind, place)):
        return place, f"This must be one of: {', '.join(choices)}."
    return place, sentence(plain(message))


def pointer_in(error: msgspec.ValidationError) -> str:
    """Return the JSON Pointer for the place in an error of msgspec, such as `$.indexes[0].fields`.

    msgspec does not name the members of a dict: `*` stands for one of them.
    """
    _, found, place = str(error).rpartition(PLACE)
    steps = place.rstrip("`").replace(ANY, "/*")
    return steps.replace("[", "/").replace("]", "").replace(".", "/") if found else ""


def choices_at(kind: Any, pointer: str) -> list[str]:
    """Return the words that a type allows at a place; none if the type also allows other values."""
    found = [choice for option in _options_at(kind, pointer) for choice in _choices(option)]
    return [str(choice) for choice in dict.fromkeys(found)]


def _similar(name: str, kind: Any, pointer: str) -> list[str]:
    """Return the member of the object at a place whose name is most like `name`, if there is one."""
    structs = [option for option in _options_at(kind, pointer) if isinstance(option, StructType)]
    known = [field.encode_name for one in structs for field in one.fields]
    return get_close_matches(name, known, 1) if len(name) <= MAX_TYPO else []


def _options_at(kind: Any, pointer: str) -> list[Type]:
    types = [type_info(kind)]
    for step in pointer.split("/")[1:]:
        types = [inner for one in types for inner in _inside(one, step)]
    return [option for one in types for option in _options(one)]


def _inside(kind: Type, step: str) -> list[Type]:
    """Return the types of a member or an element of a type."""
    found: list[Type] = []
    for option in _options(kind):
        match option:
            case StructType():
                found += [field.type for field in option.fields if field.encode_name == step]
            case DictType():
                found.append(option.value_type)
            case ListType() | VarTupleType():
                found.append(option.item_type)
    return found


def _options(kind: Type) -> tuple[Type, ...]:
    match kind:
        case UnionType():
            return tuple(inner for one in kind.types for inner in _options(one))
        case Metadata():
            return _options(kind.type)
        case _:
            return (kind,)


def _choices(kind: Type) -> list[Any]:
    match kind:
        case EnumType():
            return [one.value for one in kind.cls]
        case LiteralType():
            return list(kind.values)
        case _:
            return []


def _escaped(name: str) -> str:
    """Return a name with the escapes that a JSON Pointer needs (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")


def _reason(error: Exception) -> str:
    match error:
        case UnicodeDecodeError():
            return f"a text in it has the byte 0x{error.object[error.start]:02x}, which is not UTF-8 there"
        case RecursionError():
            return "it is nested too deeply"
        case _:
            return str(error).removeprefix(MALFORMED)
