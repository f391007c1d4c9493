"""How a rule is refused: with the line and column of the trouble, and what is allowed there."""

from __future__ import annotations

from bunbase.pkg.errors import Problem


class InvalidRule(Problem):
    """A rule that cannot be kept. `line`, `column`: its place in the source, from 1."""

    status, code, title = 422, "invalid_rule", "This rule is not understood"


def refused(source: str, at: int, message: str) -> InvalidRule:
    """Give the Problem for offset `at` of the source."""
    line, column = place(source, at)
    return InvalidRule(f"Line {line}, column {column}: {message}", line=line, column=column)


def place(source: str, at: int) -> tuple[int, int]:
    """Give line and column of an offset, from 1."""
    return source.count("\n", 0, at) + 1, at - source.rfind("\n", 0, at)
