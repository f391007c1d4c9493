"""A second evaluator of CEL for tests.

This evaluator is slow and simple, returns errors as values, and shares only the parser.
"""

from __future__ import annotations

import re
from typing import Any

from bunbase.pkg.rules import syntax
from bunbase.pkg.rules.syntax import Node

ERROR = object()


def naive(node: Node, names: dict[str, Any]) -> Any:
    def value(of: Node) -> Any:
        return naive(of, names)

    match node:
        case syntax.Literal():
            return node.value
        case syntax.Name():
            return names[node.name]
        case syntax.Field():
            of = value(node.of)
            return of[node.name] if isinstance(of, dict) and node.name in of else ERROR
        case syntax.Has():
            of = value(node.of)
            return node.name in of if isinstance(of, dict) else ERROR
        case syntax.Index():
            of, at = value(node.of), value(node.at)
            if isinstance(of, list) and (kind(at) == "int" or (kind(at) == "double" and at == at // 1)):
                return of[int(at)] if 0 <= at < len(of) else ERROR
            return of[at] if isinstance(of, dict) and isinstance(at, str) and at in of else ERROR
        case syntax.Not():
            of = value(node.of)
            return (not of) if isinstance(of, bool) else ERROR
        case syntax.Both():
            values = [value(part) for part in node.of]
            return False if False in only_bools(values) else True if only_bools(values) == values else ERROR
        case syntax.Either():
            values = [value(part) for part in node.of]
            return True if True in only_bools(values) else False if only_bools(values) == values else ERROR
        case syntax.Choice():
            when = value(node.when)
            return value(node.then) if when is True else value(node.otherwise) if when is False else ERROR
        case syntax.Call():
            return called(node.name, [value(argument) for argument in node.of])
        case syntax.ListOf():
            items = [value(part) for part in node.of]
            return ERROR if any(item is ERROR for item in items) else items
        case syntax.Loop():
            over = value(node.over)
            if not isinstance(over, (list, dict)):
                return ERROR
            values = [naive(node.body, {**names, node.name: item}) for item in over]
            decisive = node.macro == "exists"
            if decisive in only_bools(values):
                return decisive
            return (not decisive) if only_bools(values) == values else ERROR
        case syntax.Operation():
            return operated(node.sign, value(node.left), value(node.right))
    raise NotImplementedError(node)


def kind(value: Any) -> str:
    return "double" if type(value) is float else type(value).__name__


def only_bools(values: list[Any]) -> list[Any]:
    return [value for value in values if isinstance(value, bool)]


def number(value: Any) -> bool:
    return kind(value) in ("int", "double")


def equal(a: Any, b: Any) -> bool:
    if number(a) and number(b):
        return bool(a == b)
    if kind(a) != kind(b):
        return False
    if isinstance(a, list):
        return len(a) == len(b) and all(equal(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[name], b[name]) for name in a)
    return bool(a == b)


def operated(sign: str, a: Any, b: Any) -> Any:
    if a is ERROR or b is ERROR:
        return ERROR
    match sign:
        case "==":
            return equal(a, b)
        case "!=":
            return not equal(a, b)
        case "in":
            if isinstance(b, list):
                return any(equal(a, item) for item in b)
            return any(equal(a, name) for name in b) if isinstance(b, dict) else ERROR
        case "<" | "<=" | ">" | ">=":
            if not (number(a) and number(b)) and not (kind(a) == kind(b) and kind(a) in ("str", "bool", "datetime")):
                return ERROR
            return {"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[sign]
        case "+":
            if number(a) and number(b):
                total = a + b
                return ERROR if isinstance(total, int) and not -(2**63) <= total < 2**63 else total
            return a + b if kind(a) == kind(b) and kind(a) in ("str", "list") else ERROR
    raise NotImplementedError(sign)


def called(name: str, of: list[Any]) -> Any:
    if any(argument is ERROR for argument in of):
        return ERROR
    if name == "size":
        return len(of[0]) if isinstance(of[0], (str, list, dict)) else ERROR
    if name in ("string", "int", "double", "bool"):
        return converted(name, of[0])
    if not all(isinstance(argument, str) for argument in of):
        return ERROR
    if name in ("lowerAscii", "upperAscii"):
        change = str.lower if name == "lowerAscii" else str.upper
        return "".join(change(one) if one < "\x80" else one for one in of[0])
    text, sought = of
    return {
        "startsWith": text[: len(sought)] == sought,
        "endsWith": sought == "" or text[-len(sought) :] == sought,
        "contains": text.find(sought) >= 0,
        "matches": name == "matches" and re.search(re.sub(r"\$$", r"\\Z", sought), text) is not None,
    }[name]


def converted(name: str, value: Any) -> Any:
    match name, kind(value):
        case ("string", "str") | ("int", "int") | ("double", "double") | ("bool", "bool"):
            return value
        case "string", "bool":
            return str(value).lower()
        case "string", "int" | "double":
            return str(value)[:-2] if str(value).endswith(".0") else str(value)
        case "int", "double":
            return int(value) if abs(value) < 2**63 or value == -(2**63) else ERROR
        case "int", "str":
            return int(value) if re.fullmatch("[+-]?[0-9]+", value) and -(2**63) <= int(value) < 2**63 else ERROR
        case "double", "int":
            return float(value)
        case "double", "str":
            return float(value) if re.fullmatch("[+-]?[0-9]+([.][0-9]+)?(e[0-9]+)?", value) else ERROR
        case "bool", "str":
            return {"true": True, "1": True, "t": True, "false": False, "0": False, "f": False}.get(value, ERROR)
    return ERROR
