"""The Problem for an invalid rule, with the line and column of the mistake."""

from __future__ import annotations

from bunbase.pkg.errors import Problem


class InvalidRule(Problem):
    """A rule is invalid. `line` and `column`: the place of the mistake in the source. Both count from 1."""

    status, code, title = 422, "invalid_rule", "This rule is not valid"


def refused(source: str, at: int, message: str) -> InvalidRule:
    """Return the Problem for a mistake at offset `at` of the source."""
    line, column = place(source, at)
    return InvalidRule(f"Line {line}, column {column}: {message}", line=line, column=column)


def place(source: str, at: int) -> tuple[int, int]:
    """Return the line and column of an offset. Both count from 1."""
    return source.count("\n", 0, at) + 1, at - source.rfind("\n", 0, at)
