"""Find out how a rule will work for ordinary users, without a user: values that depend on `auth` are placeholders.

A warning before a rule is saved must not depend on an invented user. Therefore each part of the rule that depends on
`auth` gets a value that its place decides. In `a && b`, the part is true, and in `a || b`, it is false, because then
the rule depends on the document. On the right of `in`, the part is a list. Everywhere else, it is a text.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from bunbase.bundoc.rules.conditions import Conditions
from bunbase.bundoc.rules.sql_tests import Constant
from bunbase.pkg.rules.inputs import Inputs
from bunbase.pkg.rules.syntax import Both, Call, Choice, Either, Name, Node, Operation, children

PLACEHOLDER: Final = "a value of the user"
SOME_TIME: Final = datetime(2026, 1, 1, tzinfo=UTC)


def ordinary_inputs(tree: Node, conditions: Conditions, operation: str) -> Inputs | None:
    """Return the inputs of an ordinary user; None if the rule does not depend on the document."""
    if id(tree) in conditions.constant:
        return None
    known: dict[int, Any] = {}
    _place(tree, conditions, known)
    request = {"op": operation, "collection": "", "id": ""}
    return Inputs(auth={}, now=SOME_TIME, request=request, known=known)


def lookups_in(node: Node) -> int:
    """Return how many look-ups the source of the rule contains; a loop may repeat them."""
    own = isinstance(node, Call) and node.name in ("get", "exists")
    return own + sum(lookups_in(child) for child in children(node))


def _place(node: Node, conditions: Conditions, known: dict[int, Any]) -> None:
    """Store a placeholder for each of the largest parts that depend on `auth`, but not on the document."""
    for child in children(node):
        if id(child) not in conditions.constant:
            _place(child, conditions, known)
        elif _is_about_auth(child):
            known[id(child)] = Constant(_placeholder(node, child))


def _placeholder(above: Node, node: Node) -> Any:
    match above:
        case Both():
            return True
        case Either():
            return False
        case Choice(when=when) if when is node:
            return False
        case Operation(sign="in", right=right) if right is node:
            return [PLACEHOLDER]
        case _:
            return PLACEHOLDER


def _is_about_auth(node: Node) -> bool:
    return (isinstance(node, Name) and node.name == "auth") or any(_is_about_auth(child) for child in children(node))
