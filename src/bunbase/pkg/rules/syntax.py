"""The nodes of a rule's syntax tree.

`start` and `end` are offsets in the source of the rule. Errors and traces use them.
"""

from __future__ import annotations

from typing import Any

import msgspec


class Node(msgspec.Struct, frozen=True, kw_only=True):
    start: int
    end: int


class Literal(Node, frozen=True):
    value: Any


class Name(Node, frozen=True):
    name: str


class Field(Node, frozen=True):
    """`of.name`"""

    of: Node
    name: str


class Has(Node, frozen=True):
    """`has(of.name)`"""

    of: Node
    name: str


class Index(Node, frozen=True):
    """`of[at]`"""

    of: Node
    at: Node


class Not(Node, frozen=True):
    of: Node


class Negative(Node, frozen=True):
    of: Node


class Both(Node, frozen=True):
    """`a && b && …` with two or more parts. The parts are in one tuple, so that a long chain is not a deep tree."""

    of: tuple[Node, ...]


class Either(Node, frozen=True):
    """`a || b || …`"""

    of: tuple[Node, ...]


class Operation(Node, frozen=True):
    """`sign` is one of == != < <= > >= in + - * / %"""

    sign: str
    left: Node
    right: Node


class Choice(Node, frozen=True):
    """`when ? then : otherwise`"""

    when: Node
    then: Node
    otherwise: Node


class Call(Node, frozen=True):
    """`name(of…)`, or the same call in the form of a method, where the value before the dot is the first argument."""

    name: str
    of: tuple[Node, ...]


class Loop(Node, frozen=True):
    """`over.macro(name, body)`. `keep`: the condition of a `map` with three arguments, else None."""

    macro: str
    over: Node
    name: str
    body: Node
    keep: Node | None = None


class ListOf(Node, frozen=True):
    of: tuple[Node, ...]


class MapOf(Node, frozen=True):
    of: tuple[tuple[Node, Node], ...]


def children(node: Node) -> tuple[Node, ...]:
    """Return the nodes directly below this one, in the order of the source."""
    match node:
        case Field(of=of) | Has(of=of) | Not(of=of) | Negative(of=of):
            return (of,)
        case Index(of=of, at=at):
            return (of, at)
        case Both(of=parts) | Either(of=parts) | Call(of=parts) | ListOf(of=parts):
            return parts
        case Operation(left=left, right=right):
            return (left, right)
        case Choice(when=when, then=then, otherwise=otherwise):
            return (when, then, otherwise)
        case Loop(over=over, body=body, keep=keep):
            return (over, body) if keep is None else (over, keep, body)
        case MapOf(of=entries):
            return tuple(part for entry in entries for part in entry)
        case _:
            return ()


def counted(tree: Node) -> int:
    """Return the number of nodes. An evaluation without loops and long values takes at most this many steps."""
    return 1 + sum(counted(child) for child in children(tree))
