"""A Pratt parser for rules in CEL (https://github.com/google/cel-spec). The parser returns the syntax tree of a rule.

The parser does not support messages, bytes and unsigned numbers, because JSON does not have them.
"""

from __future__ import annotations

from typing import Final

import msgspec

from bunbase.pkg import effort
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
from bunbase.pkg.rules.tokens import LARGEST_INT, Token, tokens

MAX_BYTES: Final = 4096
# Brackets and the tree have at most this depth. Closures have the same depth, far below Python's limit.
MAX_LEVELS: Final = 48

OR, AND, RELATION, SUM, PRODUCT = 1, 2, 3, 4, 5
BINDS: Final = {
    "||": OR, "&&": AND,
    "==": RELATION, "!=": RELATION, "<": RELATION, "<=": RELATION, ">": RELATION, ">=": RELATION, "in": RELATION,
    "+": SUM, "-": SUM, "*": PRODUCT, "/": PRODUCT, "%": PRODUCT,
}  # fmt: skip
MACROS: Final = {"all": (2,), "exists": (2,), "exists_one": (2,), "filter": (2,), "map": (2, 3)}


def parse(source: str) -> Node:
    """Return the syntax tree of a rule. Raises: InvalidRule."""
    if not source.isprintable() and any(0xD800 <= ord(character) <= 0xDFFF for character in source):
        raise refused(source, 0, "This is not valid Unicode text.")
    if len(source.encode()) > MAX_BYTES:
        raise refused(source, 0, f"A rule has at most {MAX_BYTES} bytes.")
    effort.note(len(source) * effort.FOR_A_CHARACTER_OF_RULES)
    tree = _Parser(source).whole()
    _check_depth(source, tree)
    return tree


class _Parser:
    def __init__(self, source: str) -> None:
        self.source = source
        self.tokens = tokens(source)
        self.at = 0
        self.level = 0

    @property
    def next(self) -> Token:
        return self.tokens[self.at]

    def whole(self) -> Node:
        if self.next.kind == "end":
            raise refused(self.source, 0, "This rule is empty; write false to allow nobody, true to allow everybody.")
        tree = self.expression()
        if self.next.kind != "end":
            raise self.unexpected("an operator or the end")
        return tree

    def expression(self) -> Node:
        """Return the node of an expression. The grammar of an expression is `or`, or `or ? or : expression`."""
        self.level += 1
        if self.level > MAX_LEVELS:
            raise refused(self.source, self.next.start, f"A rule is nested at most {MAX_LEVELS} levels deep.")
        when = self.binary(OR)
        if self.taken("?"):
            then = self.binary(OR)
            self.expect(":")
            otherwise = self.expression()
            when = Choice(when, then, otherwise, start=when.start, end=otherwise.end)
        self.level -= 1
        return when

    def binary(self, least: int) -> Node:
        left = self.unary()
        while (binds := BINDS.get(self.next.text, 0) if self.next.kind in ("sign", "name") else 0) >= least:
            sign = self.take().text
            right = self.binary(binds + 1)
            left = _joined(sign, left, right)
        return left

    def unary(self) -> Node:
        signs: list[Token] = []
        while self.next.kind == "sign" and self.next.text in ("!", "-"):
            if signs and signs[-1].text != self.next.text:
                raise self.unexpected("a value; put brackets around it")
            signs.append(self.take())
            if len(signs) > MAX_LEVELS:
                raise refused(self.source, signs[-1].start, f"A rule is nested at most {MAX_LEVELS} levels deep.")
        negative = bool(signs) and signs[-1].text == "-" and self.next.kind == "number"
        node = self.member(signs.pop() if negative else None)
        for sign in reversed(signs):
            kind = Not if sign.text == "!" else Negative
            node = kind(node, start=sign.start, end=node.end)
        return node

    def member(self, minus: Token | None) -> Node:
        node = self.primary(minus)
        while True:
            if self.taken("."):
                node = self.after_dot(node)
            elif self.taken("["):
                at = self.expression()
                node = Index(node, at, start=node.start, end=self.expect("]").end)
            else:
                return node

    def after_dot(self, of: Node) -> Node:
        name = self.field_name()
        if not self.taken("("):
            return Field(of, name.text, start=of.start, end=name.end)
        if name.text in MACROS:
            return self.loop(of, name)
        arguments, end = self.arguments(")")
        return Call(name.text, (of, *arguments), start=of.start, end=end)

    def loop(self, over: Node, macro: Token) -> Node:
        arguments, end = self.arguments(")")
        if len(arguments) not in MACROS[macro.text]:
            raise refused(self.source, macro.start, f"Write {macro.text}(name, expression).")
        name, *keep, body = arguments
        if not isinstance(name, Name):
            raise refused(self.source, name.start, f"The first argument of {macro.text} names each element.")
        return Loop(macro.text, over, name.name, body, keep[0] if keep else None, start=over.start, end=end)

    def primary(self, minus: Token | None) -> Node:
        token = self.take()
        match token.kind:
            case "number":
                return self.number(token, minus)
            case "string" | "word":
                return Literal(token.value, start=token.start, end=token.end)
            case "name" if token.text != "in":
                return self.call(token) if self.taken("(") else Name(token.text, start=token.start, end=token.end)
            case "sign" if token.text == "(":
                inner = self.expression()
                return msgspec.structs.replace(inner, start=token.start, end=self.expect(")").end)
            case "sign" if token.text == "[":
                parts, end = self.arguments("]")
                return ListOf(parts, start=token.start, end=end)
            case "sign" if token.text == "{":
                return self.map_of(token)
            case "reserved":
                why = f"{token.text} is a reserved word of CEL; only the name of a field may be such a word"
                raise refused(self.source, token.start, f"{why}, as in doc.{token.text}.")
        self.at -= 1
        raise self.unexpected("a value")

    def number(self, token: Token, minus: Token | None) -> Node:
        value = token.value if minus is None else -token.value
        if isinstance(value, int) and value > LARGEST_INT:
            raise refused(
                self.source,
                token.start,
                "An integer has at most 64 bits. Write a larger number as a double, with a decimal point.",
            )
        return Literal(value, start=token.start if minus is None else minus.start, end=token.end)

    def call(self, name: Token) -> Node:
        arguments, end = self.arguments(")")
        if name.text != "has":
            return Call(name.text, arguments, start=name.start, end=end)
        if len(arguments) != 1 or not isinstance(arguments[0], Field):
            raise refused(self.source, name.start, "has() takes one field, such as has(doc.owner).")
        return Has(arguments[0].of, arguments[0].name, start=name.start, end=end)

    def map_of(self, opening: Token) -> Node:
        entries: list[tuple[Node, Node]] = []
        while not self.sees("}"):
            key = self.expression()
            self.expect(":")
            entries.append((key, self.expression()))
            if not self.taken(","):
                break
        return MapOf(tuple(entries), start=opening.start, end=self.expect("}").end)

    def arguments(self, closing: str) -> tuple[tuple[Node, ...], int]:
        """Return the expressions before the closing bracket, and the offset after it. A list may end with a comma."""
        parts: list[Node] = []
        while not self.sees(closing):
            parts.append(self.expression())
            if not self.taken(",") or (closing == ")" and self.sees(")")):
                break
        return tuple(parts), self.expect(closing).end

    def take(self) -> Token:
        token = self.next
        self.at += token.kind != "end"
        return token

    def sees(self, sign: str) -> bool:
        return self.next.kind == "sign" and self.next.text == sign

    def taken(self, sign: str) -> bool:
        seen = self.sees(sign)
        self.at += seen
        return seen

    def field_name(self) -> Token:
        """Return the name after a dot, which may be a reserved word."""
        if self.next.kind not in ("name", "reserved") or self.next.text == "in":
            raise self.unexpected("the name of a field")
        return self.take()

    def expect(self, sign: str) -> Token:
        if not self.sees(sign):
            raise self.unexpected(sign)
        return self.take()

    def unexpected(self, wanted: str) -> Exception:
        return refused(self.source, self.next.start, f"Expected {wanted}, but found {self.next.text}.")


def _joined(sign: str, left: Node, right: Node) -> Node:
    start, end = left.start, right.end
    match sign:
        case "&&":
            return Both(_flat(Both, left) + _flat(Both, right), start=start, end=end)
        case "||":
            return Either(_flat(Either, left) + _flat(Either, right), start=start, end=end)
        case _:
            return Operation(sign, left, right, start=start, end=end)


def _flat(kind: type[Both] | type[Either], node: Node) -> tuple[Node, ...]:
    return node.of if isinstance(node, kind) else (node,)


def _check_depth(source: str, tree: Node) -> None:
    """Refuse a tree that is too deep. Visit it layer by layer, because recursion could overflow the stack.

    Raises: InvalidRule.
    """
    layer: list[Node] = [tree]
    for _ in range(MAX_LEVELS):
        layer = [child for node in layer for child in children(node)]
        if not layer:
            return
    raise refused(source, layer[0].start, f"A rule is nested at most {MAX_LEVELS} levels deep.")
