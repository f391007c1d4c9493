"""Find the contract methods that the code of each room calls, by reading its source."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import bunbase
from bunbase.house.modules import GATEWAY, MODULES
from bunbase.pkg.modules import Module
from bunbase.pkg.rpc.wire import calls_of

SOURCE: Final = Path(bunbase.__file__).parent
AT_THE_DOOR: Final = (
    "routes",
    "fast_routes",
    "fast",
)  # These run in the process of the gateway, even if the room runs elsewhere.

METHODS: Final[Mapping[str, frozenset[str]]] = {
    module.name: frozenset(call.name for call in calls_of(module.provides)) for module in MODULES
}
BY_CONTRACT: Final[Mapping[str, Module]] = {module.provides.__name__: module for module in MODULES}


def calls_in_the_code() -> dict[tuple[str, str], set[str]]:
    """Return the called methods by (calling room, called room).

    Two forms count as a call: `rooms[Contract].method`, and `name.method` if `name` is annotated with the contract.
    `name` may be a parameter, a field, or an attribute that takes the value of a parameter.
    """
    found: dict[tuple[str, str], set[str]] = {}
    for caller, trees in _trees().items():
        names = [_annotated(tree) for tree in trees]
        everywhere = {name: room for one in names for name, room in one.items()}
        for tree in trees:
            for room, method in _calls(tree, everywhere):
                if room != caller and method in METHODS[room]:
                    found.setdefault((caller, room), set()).add(method)
    return found


def _trees() -> dict[str, list[ast.Module]]:
    """Return the syntax trees of each room (a package of BunBase with its own contract, such as `bundoc`).

    The routes of a room count as code of the gateway, where they run.
    """
    trees: dict[str, list[ast.Module]] = {}
    for room in (*METHODS, GATEWAY):
        for path in (SOURCE / room).rglob("*.py"):
            at_the_door = any(part.removesuffix(".py") in AT_THE_DOOR for part in path.relative_to(SOURCE).parts)
            trees.setdefault(GATEWAY if at_the_door else room, []).append(ast.parse(path.read_text("utf-8")))
    return trees


def _annotated(tree: ast.Module) -> dict[str, str]:
    """Return the names that are annotated with a contract, each with the room of that contract."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.arg | ast.AnnAssign) and node.annotation is not None:
            name = node.arg if isinstance(node, ast.arg) else _last_name(node.target)
            for part in ast.walk(node.annotation):
                if isinstance(part, ast.Name) and part.id in BY_CONTRACT and name:
                    found[name] = BY_CONTRACT[part.id].name
    for node in ast.walk(tree):  # This is an assignment such as self.kms = kms.
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name) and node.value.id in found:
            for target in node.targets:
                found[_last_name(target)] = found[node.value.id]
    return found


def _calls(tree: ast.Module, names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute):
            continue
        if isinstance(node.value, ast.Subscript) and isinstance(node.value.slice, ast.Name):
            contract = BY_CONTRACT.get(node.value.slice.id)
            if contract is not None:
                yield contract.name, node.attr
        elif (room := names.get(_last_name(node.value))) is not None:
            yield room, node.attr


def _last_name(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""
