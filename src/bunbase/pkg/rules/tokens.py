"""The lexer for rules. The lexer follows the CEL specification, but has no bytes and no unsigned numbers."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from bunbase.pkg.rules.refusal import refused

TOKEN: Final = re.compile(
    r"""
    (?P<space>[ \t\r\n\f]+ | //[^\n]*)
  | (?P<number>0[xX][0-9a-fA-F]+ | (?:[0-9]+\.[0-9]+ | \.[0-9]+ | [0-9]+)(?:[eE][+-]?[0-9]+)?)
  | (?P<string>[rR]?(?:"(?:[^"\\\n\r]|\\.)*" | '(?:[^'\\\n\r]|\\.)*'))
  | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<sign>&&|\|\||==|!=|<=|>=|[-+*/%!<>?:.,()\[\]{}])
    """,
    re.VERBOSE,
)
ESCAPE: Final = re.compile(
    r"\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|[xX]([0-9a-fA-F]{2})|([0-3][0-7]{2})|(.))", re.DOTALL
)
ESCAPED: Final = {
    "n": "\n", "r": "\r", "t": "\t", "a": "\a", "b": "\b", "f": "\f", "v": "\v",
    "\\": "\\", '"': '"', "'": "'", "`": "`", "?": "?",
}  # fmt: skip
WORDS: Final = {"true": True, "false": False, "null": None}
RESERVED: Final = frozenset({
    "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop", "package",
    "namespace", "return", "var", "void", "while",
})  # fmt: skip
SMALLEST_INT: Final = -(1 << 63)
LARGEST_INT: Final = (1 << 63) - 1


class Token(msgspec.Struct, frozen=True):
    """One token. `kind`: number, string, word (true, false, null), name, reserved, sign or end.

    `value`: the value of a literal, or the text of any other token.
    """

    kind: str
    text: str
    value: Any
    start: int
    end: int


def tokens(source: str) -> list[Token]:
    """Return the tokens of a rule. The last token has the kind `end`. Raises: InvalidRule."""
    found: list[Token] = []
    at = 0
    while at < len(source):
        match = TOKEN.match(source, at)
        if match is None:
            raise refused(source, at, _trouble(source[at]))
        kind, text = str(match.lastgroup), match.group()
        if kind != "space":
            found.append(_token(source, kind, text, at))
        at = match.end()
    found.append(Token("end", "the end", None, at, at))
    return found


def _token(source: str, kind: str, text: str, at: int) -> Token:
    value: Any = text
    match kind:
        case "number":
            value = _number(source, text, at)
        case "string":
            value = _string(source, text, at)
        case "name" if text in WORDS:
            kind, value = "word", WORDS[text]
        case "name" if text in RESERVED:
            kind = "reserved"
    return Token(kind, text, value, at, at + len(text))


def _number(source: str, text: str, at: int) -> int | float:
    """Return the value of a number.

    The value may be 2^63, which is too large for an integer, because the parser may negate it to -2^63, the smallest
    integer.
    """
    after = source[at + len(text) : at + len(text) + 1]
    if after.isalnum() or after == "_":
        raise refused(source, at, "A number looks like 12, 0x1f, 1.5 or 1e3, without letters after it.")
    if text[:2] in ("0x", "0X"):
        value: int | float = int(text, 16)
    elif text.isdigit():
        value = int(text) if len(text) < 25 else LARGEST_INT + 2
    else:
        return _double(source, text, at)
    if value > LARGEST_INT + 1:
        raise refused(
            source, at, "An integer has at most 64 bits. Write a larger number as a double, with a decimal point."
        )
    return value


def _double(source: str, text: str, at: int) -> float:
    value = float(text)
    if value in (float("inf"), -float("inf")):
        raise refused(source, at, "This number is too large for a double.")
    return value


def _string(source: str, text: str, at: int) -> str:
    if text.lstrip("rR") in ('""', "''") and source[at + len(text) : at + len(text) + 1] == text[-1]:
        raise refused(source, at, "A string has one quotation mark at each end; write \\n for the end of a line.")
    if text[0] in "rR":
        return text[2:-1]

    def unescaped(match: re.Match[str]) -> str:
        *codes, octal, other = match.groups()
        if other is not None:
            if other not in ESCAPED:
                why = f"\\{other} is not an escape sequence; write \\\\ for a backslash."
                raise refused(source, at + 1 + match.start(), why)
            return ESCAPED[other]
        code = int(octal, 8) if octal is not None else int(next(code for code in codes if code is not None), 16)
        if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
            raise refused(source, at + 1 + match.start(), "This is not a Unicode character.")
        return chr(code)

    return ESCAPE.sub(unescaped, text[1:-1])


def _trouble(character: str) -> str:
    match character:
        case '"' | "'":
            return "This string does not end on its line; write a quotation mark inside it with a backslash."
        case "&" | "|":
            return f"Write {character * 2}."
        case "=":
            return "Write == to compare."
        case _:
            return f"{character!r} has no meaning in a rule."
