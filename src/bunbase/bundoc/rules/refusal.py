"""How a rule is refused: with the line and column of the trouble, and what is allowed there."""

from __future__ import annotations

from bunbase.contracts.bundoc import InvalidRule


def refused(source: str, at: int, message: str) -> InvalidRule:
    """Give the Problem for offset `at` of the source."""
    line = source.count("\n", 0, at) + 1
    column = at - source.rfind("\n", 0, at)
    return InvalidRule(f"Line {line}, column {column}: {message}", line=line, column=column)
