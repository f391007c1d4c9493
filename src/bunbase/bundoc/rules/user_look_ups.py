"""Decide whether a part of a rule with look-ups asks about the user, and whether it is a grant.

A caller chooses the fields of a filter freely. So BunBase does a look-up whose key contains such a field before the
search only if the answer is about the user. An answer is about the user if the key contains a value of the user, or the
rule compares the found document with a value of the user (docs/decisions/0113-look-ups-with-one-value-happen-once.md).
"""

from __future__ import annotations

from typing import Final

from bunbase.pkg.rules.syntax import (
    Both,
    Call,
    Choice,
    Either,
    Field,
    Index,
    Loop,
    Name,
    Node,
    Operation,
    children,
)

TEXTS: Final = frozenset({"get", "string", "lowerAscii", "upperAscii"})


def is_about_user(node: Node, compared: bool = False) -> bool:
    """True if each look-up whose key depends on the document asks about the user.

    `compared`: true if the value of the node is compared with a value of the user.
    """
    match node:
        case Call(name="get" | "exists", of=arguments):
            known = compared or any(_is_of_user(one) for one in arguments) or not any(map(_reads_document, arguments))
            return known and all(is_about_user(one) for one in arguments)
        case Field(of=of):
            return is_about_user(of, compared)
        case Index(of=of, at=at):
            return is_about_user(of, compared or _is_of_user(at)) and is_about_user(at)
        case Operation(sign="==" | "in", left=left, right=right):
            return is_about_user(left, _is_of_user(right)) and is_about_user(right, _is_of_user(left))
        case _:
            return all(is_about_user(child) for child in children(node))


def is_grant(node: Node) -> bool:
    """True if the node can be true only if a document names the user, as a membership does.

    `!exists("bans", doc.room + auth.uid)` is no grant: it is true for nearly every room.
    """
    match node:
        case Both(of=parts):
            return any(is_grant(part) for part in parts)
        case Either(of=parts):
            return all(is_grant(part) for part in parts)
        case Choice(when=when, then=then, otherwise=otherwise):
            return _requires(when) or (is_grant(then) and is_grant(otherwise))
        case Call(name="exists", of=arguments):
            return any(_is_of_user(one) for one in arguments)
        case Operation(sign="==" | "in", left=left, right=right) if _compares(left, right) or _compares(right, left):
            return True
        case _:
            return _requires(node)


def _requires(node: Node) -> bool:
    """True if the node is an error unless a document names the user."""
    match node:
        case Call(name="get", of=arguments) if any(_is_of_user(one) for one in arguments):
            return True
        case Index(of=of, at=at) if _is_of_user(at) and _is_looked_up(of):
            return True
        case Both(of=parts) | Either(of=parts):
            return all(_requires(part) for part in parts)
        case Choice(when=when, then=then, otherwise=otherwise):
            return _requires(when) or (_requires(then) and _requires(otherwise))
        case Loop(over=over):
            return _requires(over)
        case _:
            return any(_requires(child) for child in children(node))


def _compares(found: Node, user: Node) -> bool:
    return _is_looked_up(found) and _is_of_user(user)


def _is_looked_up(node: Node) -> bool:
    """True for a field of a document that is looked up."""
    while isinstance(node, Field | Index):
        node = node.of
    return isinstance(node, Call) and node.name == "get"


def _is_of_user(node: Node) -> bool:
    """True for a value of `auth`, and for a text that contains one.

    A comparison with `auth` does not count, because it tells too little about the user.
    """
    match node:
        case Name(name=name):
            return name == "auth"
        case Field(of=of) | Index(of=of):
            return _is_of_user(of)
        case Operation(sign="+", left=left, right=right):
            return _is_of_user(left) or _is_of_user(right)
        case Call(name=name, of=arguments):
            return name in TEXTS and any(_is_of_user(one) for one in arguments)
        case _:
            return False


def _reads_document(node: Node) -> bool:
    return (isinstance(node, Name) and node.name == "doc") or any(map(_reads_document, children(node)))
