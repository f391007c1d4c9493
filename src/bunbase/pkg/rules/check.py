"""Check the types in a rule when it is saved, if the types are known without a document.

A rule that could never work is refused.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final, NoReturn

from bunbase.pkg.control_characters import holds_control
from bunbase.pkg.patterns import InvalidPattern, pattern
from bunbase.pkg.rules.functions import PARTS
from bunbase.pkg.rules.refusal import refused
from bunbase.pkg.rules.syntax import (
    Both,
    Call,
    Choice,
    Either,
    Field,
    Has,
    Index,
    ListOf,
    Literal,
    Loop,
    MapOf,
    Name,
    Negative,
    Node,
    Not,
    Operation,
    children,
)
from bunbase.pkg.rules.values import Failed, type_name
from bunbase.pkg.rules.zones import zone, zone_names

ANY: Final = "any"  # A value of this type depends on the document.
NUMBERS: Final = frozenset({"int", "double"})
COMPARABLE: Final = frozenset({"int", "double", "string", "bool", "timestamp", "duration"})

OPERATIONS: Final = ("list", "get", "create", "update", "delete")
VARIABLES: Final = {
    "list": ("auth", "doc", "now", "request"),
    "get": ("auth", "doc", "now", "request"),
    "create": ("auth", "next", "now", "request"),
    "update": ("auth", "doc", "next", "now", "request"),
    "delete": ("auth", "doc", "now", "request"),
    "subscribe": ("auth", "channel", "params", "now"),
    "publish": ("auth", "channel", "params", "message", "now"),
    "presence": ("auth", "channel", "params", "message", "now"),
    "object.list": ("auth", "object", "now", "request"),
    "object.get": ("auth", "object", "now", "request"),
    "object.create": ("auth", "next", "now", "request"),
    "object.update": ("auth", "object", "next", "now", "request"),
    "object.delete": ("auth", "object", "now", "request"),
}
TYPES: Final = {"auth": ANY, "doc": "map", "next": "map", "now": "timestamp", "request": "map"}
CHANNEL_TYPES: Final = {"auth": ANY, "channel": "string", "params": "map", "message": ANY, "now": "timestamp"}
OBJECT: Final = "object."  # The operations of files begin with this text.
OBJECT_TYPES: Final = {"auth": ANY, "object": "map", "next": "map", "now": "timestamp", "request": "map"}
OBJECT_FIELDS: Final = {
    "key": "string",
    "bucket": "string",
    "size": "int",
    "content_type": "string",
    "owner": ANY,
    "metadata": "map",
    "created": "timestamp",
    "updated": "timestamp",
}
KNOWN_FIELDS: Final = {
    "auth": {
        "uid": "string",
        "email": ANY,
        "role": "string",
        "claims": "map",
        "verified": "bool",
        "provider": "string",
        "anonymous": "bool",
        "aal": "int",
        "act": "string",
    },
    "request": {"op": "string", "collection": "string", "id": "string"},
}
KNOWN_OF_OBJECTS: Final = {
    "auth": KNOWN_FIELDS["auth"],
    "object": OBJECT_FIELDS,
    "next": OBJECT_FIELDS,
    "request": {"op": "string", "bucket": "string"},
}
SYSTEM_FIELDS: Final = {"_id": "string", "_rev": "int", "_created": "string", "_updated": "string"}

FUNCTIONS: Final = {
    "size": ((ANY,), "int"),
    "timestamp": ((ANY,), "timestamp"),
    "duration": ((ANY,), "duration"),
    "get": (("string", "string"), "map"),
    "exists": (("string", "string"), "bool"),
    "startsWith": (("string", "string"), "bool"),
    "endsWith": (("string", "string"), "bool"),
    "contains": (("string", "string"), "bool"),
    "matches": (("string", "string"), "bool"),
    "string": ((ANY,), "string"),
    "int": ((ANY,), "int"),
    "double": ((ANY,), "double"),
    "bool": ((ANY,), "bool"),
    "lowerAscii": (("string",), "string"),
    "upperAscii": (("string",), "string"),
    **dict.fromkeys(PARTS, ((ANY, "string"), "int")),
    "diff": (("map", "map"), "diff"),
    **dict.fromkeys(("affectedKeys", "addedKeys", "removedKeys", "changedKeys", "unchangedKeys"), (("diff",), "list")),
    **dict.fromkeys(("hasOnly", "hasAny", "hasAll"), (("list", "list"), "bool")),
}
# For each function, these are the types that its first argument may have. A function that is missing here accepts any
# type.
ACCEPTED: Final = {
    "timestamp": ("string", "timestamp"),
    "duration": ("string", "duration"),
    "string": ("string", "int", "double", "bool", "timestamp", "duration"),
    "int": ("int", "double", "string", "timestamp"),
    "double": ("double", "int", "string"),
    "bool": ("bool", "string"),
    **dict.fromkeys(PARTS, ("timestamp",)),
    **dict.fromkeys(("getHours", "getMinutes", "getSeconds", "getMilliseconds"), ("timestamp", "duration")),
}
SIZED: Final = frozenset({"string", "list", "map"})
RESULTS: Final = {
    ("+", "timestamp", "duration"): "timestamp",
    ("+", "duration", "timestamp"): "timestamp",
    ("+", "duration", "duration"): "duration",
    ("-", "timestamp", "duration"): "timestamp",
    ("-", "timestamp", "timestamp"): "duration",
    ("-", "duration", "duration"): "duration",
    ("+", "string", "string"): "string",
    ("+", "list", "list"): "list",
}


def check(source: str, tree: Node, operation: str, params: Collection[str] = ()) -> None:
    """Check the types of a whole rule. Raises: InvalidRule, which contains the line and column of the mistake.

    `params`: the names of the parameters, for a rule of channels.
    """
    _Checker(source, operation, params).need(tree, "bool", "A rule must be true or false")


def check_indices(source: str, tree: Node) -> None:
    """Refuse `doc["a\\u0000"]`, because no document has a field with such a name. Raises: InvalidRule."""
    match tree:
        case Index(at=Literal(value=str(name))) if holds_control(name):
            raise refused(source, tree.start, "Names of fields cannot contain control characters.")
    for child in children(tree):
        check_indices(source, child)


class _Checker:
    def __init__(self, source: str, operation: str, params: Collection[str]) -> None:
        self.source = source
        self.operation = operation
        self.bound: list[str] = []
        self.known: Mapping[str, Mapping[str, str]] = KNOWN_FIELDS
        if operation in OPERATIONS:
            self.types = TYPES
        elif operation.startswith(OBJECT):
            self.types, self.known = OBJECT_TYPES, KNOWN_OF_OBJECTS
        else:
            self.types, self.known = CHANNEL_TYPES, {**KNOWN_FIELDS, "params": dict.fromkeys(params, "string")}

    def need(self, node: Node, wanted: str, why: str) -> None:
        found = self.type_of(node)
        if found not in (wanted, ANY):
            self.refuse(node, f"{why}; this is {found}.")

    def type_of(self, node: Node) -> str:
        match node:
            case Literal(value=value):
                return type_name(value)
            case Name():
                return self.variable(node)
            case Field(of=of, name=name):
                return self.field(node, of, name)
            case Has(of=of, name=name):
                self.field(node, of, name)
                return "bool"
            case Index(of=of, at=at):
                return self.index(of, at)
            case Not(of=of):
                self.need(of, "bool", "! negates true or false")
                return "bool"
            case Negative(of=of):
                return self.number(of)
            case Both(of=parts) | Either(of=parts):
                for part in parts:
                    self.need(part, "bool", "&& and || join values that are true or false")
                return "bool"
            case Operation():
                return self.operation_type(node)
            case Choice(when=when, then=then, otherwise=otherwise):
                self.need(when, "bool", "The condition before ? must be true or false")
                types = {self.type_of(then), self.type_of(otherwise)}
                return types.pop() if len(types) == 1 else ANY
            case Call():
                return self.call(node)
            case Loop():
                return self.loop(node)
            case ListOf(of=parts):
                for part in parts:
                    self.type_of(part)
                return "list"
            case MapOf(of=entries):
                for key, value in entries:
                    self.need(key, "string", "The keys of a map must be strings")
                    self.type_of(value)
                return "map"
            case _:
                raise AssertionError(node)

    def variable(self, node: Name) -> str:
        if node.name in self.bound:
            return ANY
        allowed = VARIABLES[self.operation]
        if node.name in allowed:
            return self.types[node.name]
        if node.name == "message" and self.types is CHANNEL_TYPES:
            self.refuse(node, f"A {self.operation} rule has no message; use {', '.join(allowed)}.")
        if node.name in self.types and self.types is OBJECT_TYPES:
            operation = self.operation.removeprefix(OBJECT)
            self.refuse(node, f"A {operation} rule has no {node.name}; use {', '.join(allowed)}.")
        if node.name in self.types:
            why = "there is no stored document yet" if node.name == "doc" else "no document is written"
            self.refuse(node, f"A {self.operation} rule has no {node.name}: {why}; use {', '.join(allowed)}.")
        return self.refuse(node, f"{node.name} is not defined here; use {', '.join([*allowed, *self.bound])}.")

    def field(self, node: Node, of: Node, name: str) -> str:
        found = self.type_of(of)
        if found not in ("map", ANY):
            self.refuse(node, f"{found} has no fields.")
        if not isinstance(of, Name) or of.name in self.bound:
            return ANY
        known = self.known.get(of.name)
        if known is not None:
            if name not in known:
                self.refuse(node, f"{of.name} has no field {name}; it has {', '.join(known) or 'no fields'}.")
            if of.name == "request" and name == "id" and self.operation == "list":
                self.refuse(node, "A list request has no document id; write doc._id.")
            return known[name]
        if self.types is not TYPES:
            return ANY
        if name.startswith("_") and name not in SYSTEM_FIELDS:
            self.refuse(node, f"There is no system field {name}; the system fields are {', '.join(SYSTEM_FIELDS)}.")
        return SYSTEM_FIELDS.get(name, ANY)

    def index(self, of: Node, at: Node) -> str:
        found, place = self.type_of(of), self.type_of(at)
        if found not in ("list", "map", ANY):
            self.refuse(of, f"{found} has no elements.")
        wanted = {"list": ("int",), "map": ("string",)}.get(found, ("int", "string"))
        whole = found != "map" and place == "double" and not (isinstance(at, Literal) and not at.value.is_integer())
        if place not in (*wanted, ANY) and not whole:
            self.refuse(at, f"The index between [ and ] must be {' or '.join(wanted)}; this is {place}.")
        return ANY

    def number(self, of: Node) -> str:
        found = self.type_of(of)
        if found not in (*NUMBERS, ANY):
            self.refuse(of, f"- must stand before a number; this is {found}.")
        return found

    def operation_type(self, node: Operation) -> str:
        sign, left, right = node.sign, self.type_of(node.left), self.type_of(node.right)
        known = ANY not in (left, right)
        if "diff" in (left, right):
            self.refuse(node, "A diff has no operators; use its affectedKeys(), addedKeys(), removedKeys() and so on.")
        alike = left == right or {left, right} <= NUMBERS
        match sign:
            case "==" | "!=":
                if known and not alike and not {"null", "map"} >= {left, right}:
                    self.refuse(node, f"{left} and {right} are never equal.")
                return "bool"
            case "<" | "<=" | ">" | ">=":
                for side in (left, right):
                    if side not in COMPARABLE and side != ANY:
                        self.refuse(node, f"{side} has no order.")
                if known and not alike:
                    self.refuse(node, f"{left} and {right} cannot be compared with < or >.")
                return "bool"
            case "in":
                if right not in ("list", "map", ANY):
                    self.refuse(node, f"in searches a list or a map, not {right}.")
                return "bool"
            case _:
                return self.calculation(node, left, right)

    def calculation(self, node: Operation, left: str, right: str) -> str:
        sign = node.sign
        if ANY in (left, right):
            other = right if left == ANY else left
            if other not in (ANY, *NUMBERS) and not any(key[0] == sign and other in key[1:] for key in RESULTS):
                self.refuse(node, f"{sign} has no meaning for {other}.")
            return ANY
        if {left, right} <= NUMBERS and (sign != "%" or left == right == "int"):
            return "int" if left == right == "int" else "double"
        result = RESULTS.get((sign, left, right))
        if result is None:
            self.refuse(node, f"{left} {sign} {right} has no meaning.")
        return result

    def call(self, node: Call) -> str:
        if node.name not in FUNCTIONS:
            self.refuse(node, f"There is no function {node.name}; the functions are has, {', '.join(FUNCTIONS)}.")
        parameters, result = FUNCTIONS[node.name]
        fewest = len(parameters) - (node.name in PARTS)  # The time zone is optional.
        if not fewest <= len(node.of) <= len(parameters):
            takes = str(fewest) if fewest == len(parameters) else f"{fewest} or {len(parameters)}"
            self.refuse(node, f"{node.name} takes {takes} arguments; this call has {len(node.of)}.")
        for argument, wanted in zip(node.of, parameters, strict=False):
            found = self.type_of(argument)
            if ANY not in (wanted, found) and wanted != found:
                self.refuse(argument, f"{node.name} takes {wanted}; this is {found}.")
            if argument is node.of[0]:
                self.first_argument(node.name, argument, found)
            if node.name == "matches" and argument is node.of[1]:
                self.pattern(argument)
        if node.name in PARTS and len(node.of) == 2:
            self.zone(node.of[1])
        return result

    def first_argument(self, function: str, node: Node, found: str) -> None:
        if function == "size" and found not in (*SIZED, ANY):
            self.refuse(node, f"{found} has no size.")
        accepted = ACCEPTED.get(function)
        if accepted is not None and found not in (*accepted, ANY):
            self.refuse(node, f"{function} takes {' or '.join(accepted)}; this is {found}.")

    def zone(self, node: Node) -> None:
        zone_names()  # The database is read now, and not while a request is answered.
        if isinstance(node, Literal):
            try:
                zone(node.value)
            except Failed as failed:
                self.refuse(node, f"This is no time zone: {failed}.")

    def pattern(self, node: Node) -> None:
        if not isinstance(node, Literal):
            self.refuse(node, "The pattern of matches must be a literal string.")
        try:
            pattern(node.value)
        except InvalidPattern as trouble:
            self.refuse(node, f"RE2, which matches in linear time, does not accept this pattern: {trouble}.")

    def loop(self, node: Loop) -> str:
        found = self.type_of(node.over)
        if found not in ("list", "map", ANY):
            self.refuse(node.over, f"{node.macro} goes through a list or the keys of a map; this is {found}.")
        if node.name in self.types or node.name in self.bound:
            self.refuse(node, f"{node.name} already has a meaning; choose another name for the element.")
        self.bound.append(node.name)
        if node.keep is not None:
            self.need(node.keep, "bool", "The condition of map must be true or false")
        if node.macro == "map":
            self.type_of(node.body)
        else:
            self.need(node.body, "bool", f"The condition of {node.macro} must be true or false")
        self.bound.pop()
        return "list" if node.macro in ("map", "filter") else "bool"

    def refuse(self, node: Node, message: str) -> NoReturn:
        raise refused(self.source, node.start, message)
