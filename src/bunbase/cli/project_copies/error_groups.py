"""Count the errors of many lines by kind.

For each kind, memory holds only a few lines, however many lines have the error.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Final

import msgspec

from bunbase.cli.errors import in_commands

MAX_GROUPS: Final = 50
SHOWN_LINES: Final = 3
# this matches ids and addresses, because errors of one kind differ only in their ids and addresses
NAME: Final = re.compile(r"[\w.@+:|-]*[\d@][\w.@+:|-]*")
# the details of two errors with one of these codes differ only in the name of the existing object
ALIKE: Final = frozenset({"document_exists", "user_exists", "email_taken", "phone_taken", "identity_taken"})
# the flag --on-conflict decides what happens instead of these errors
CONFLICTS: Final = frozenset({"document_exists", "user_exists", "collection_exists"})
OTHERS: Final = "other_errors"


class ErrorGroup(msgspec.Struct):
    """Errors of one kind. `lines`: the first lines that have the error. `detail`: the detail of the first line."""

    code: str
    detail: str
    count: int = 0
    lines: list[int] = []


class ErrorGroups:
    """The errors by kind. After MAX_GROUPS kinds, all further kinds are counted together."""

    def __init__(self) -> None:
        self.groups: dict[tuple[str, str], ErrorGroup] = {}
        self.count = 0

    def add(self, line: int, code: str, detail: str) -> None:
        detail = in_commands(detail)
        kind = _kind(code, detail)
        if kind not in self.groups and len(self.groups) >= MAX_GROUPS:
            kind, code, detail = (OTHERS, ""), OTHERS, "Errors of other kinds."
        group = self.groups.setdefault(kind, ErrorGroup(code, detail))
        group.count += 1
        self.count += 1
        if len(group.lines) < SHOWN_LINES:
            group.lines.append(line)

    def add_group(self, group: ErrorGroup) -> None:
        """Add a group of errors that was counted elsewhere."""
        before = self.count
        for line in group.lines:
            self.add(line, group.code, group.detail)
        left = group.count - (self.count - before)
        if left:
            self.groups.get(_kind(group.code, group.detail), next(reversed(self.groups.values()))).count += left
            self.count += left

    def has(self, codes: Collection[str]) -> bool:
        return any(group.code in codes for group in self.groups.values())

    def sorted(self) -> list[ErrorGroup]:
        """Return the kinds, the most frequent first."""
        return sorted(self.groups.values(), key=lambda one: (-one.count, one.lines))

    def rows(self) -> Sequence[tuple[int, str, str, str]]:
        return [(one.count, _lines_text(one), one.code, one.detail) for one in self.sorted()]


COLUMNS: Final = ("errors", "lines", "code", "detail")


def _kind(code: str, detail: str) -> tuple[str, str]:
    return (code, "" if code in ALIKE else NAME.sub("", detail))


def _lines_text(group: ErrorGroup) -> str:
    shown = ", ".join(map(str, group.lines))
    return shown if group.count <= len(group.lines) else f"{shown}, …"
