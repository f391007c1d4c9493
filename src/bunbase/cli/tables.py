"""Lay out a table so that no word is ever broken: an id that is spread over two lines cannot be copied.

If a terminal is too narrow for the longest words of all columns side by side, each row becomes a block with one field
per line.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from rich import box
from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

BETWEEN: Final = 3  # the blanks between two columns
TURNS_TEXT_ROUND: Final = (
    *range(0x202A, 0x202F),
    *range(0x2066, 0x206A),
)  # marks that change the direction of text: with them, a terminal shows a text that differs from the real text
CONTROL: Final = {code: None for code in (*range(32), *range(127, 160), *TURNS_TEXT_ROUND) if chr(code) not in "\t\n"}

GOOD, BAD, BUSY = "green", "red", "yellow"
STATES: Final = {
    **dict.fromkeys(("ok", "deployed", "done", "proved"), GOOD),
    **dict.fromkeys(("failed", "bad", "dead", "lost", "error", "timeout", "crash", "altered", "unreadable"), BAD),
    **dict.fromkeys(
        ("note", "waiting", "blocked", "running", "skipped", "resync", "queued", "to deploy", "unauthenticated"), BUSY
    ),
}  # the colour of each state, by its word; a state without an entry has the terminal's own colour


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]], width: int) -> RenderableType:
    """Return the rows as a table of at most `width` characters, or as blocks if the words of a row do not fit."""
    cells = [[cell(value) for value in row] for row in rows]
    widths = _widths([[Text(name) for name in columns], *cells], width)
    if widths is None:
        return _blocks(columns, cells)
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name, wide in zip(columns, widths, strict=True):
        made.add_column(name, width=wide, overflow="fold")
    for row in cells:
        made.add_row(*row)
    return made


def facts(pairs: Sequence[tuple[str, Any]]) -> RenderableType:
    """Return one field per line. A long value goes on at the edge of the terminal and is not broken into lines."""
    wide = max((cell_len(name) for name, _ in pairs), default=0)
    return Group(*(_line(name, cell(value), wide) for name, value in pairs))


def cell(value: Any) -> Text:
    match value:
        case None | "":
            return Text("–", "dim")
        case datetime():
            return Text(f"{value.astimezone():%Y-%m-%d %H:%M:%S}", no_wrap=True)
        case StrEnum():
            return Text(value.value, STATES.get(value.value, ""))
        case Text():
            return value if value.plain else cell(None)
        case _:
            return Text(visible(str(value)))


def visible(text: str) -> str:
    """Return the text without control characters: the text comes from a server or a function, and must not control the
    terminal.
    """
    return text.translate(CONTROL)


def _widths(rows: Sequence[Sequence[Text]], width: int) -> list[int] | None:
    """Return the width of each column, or None if the longest words of all columns need more than `width`."""
    columns = list(zip(*rows, strict=True))
    least = [max(map(_longest_word, column)) for column in columns]
    most = [max(cell_len(line) for one in column for line in one.plain.split("\n")) for column in columns]
    left = width - sum(least) - BETWEEN * (len(columns) - 1)
    if left < 0:
        return None
    while left > 0 and least != most:
        tightest = max(range(len(columns)), key=lambda at: most[at] - least[at])
        least[tightest] += 1
        left -= 1
    return least


def _longest_word(one: Text) -> int:
    if one.no_wrap:
        return max(map(cell_len, one.plain.split("\n")))
    return max(map(cell_len, one.plain.split()), default=0)


def _blocks(columns: Sequence[str], rows: Sequence[Sequence[Text]]) -> RenderableType:
    wide = max(map(cell_len, columns))
    blocks = [Group(*(_line(name, one, wide) for name, one in zip(columns, row, strict=True))) for row in rows]
    return Group(*(part for block in blocks for part in (block, Text(""))))


def _line(name: str, value: Text, wide: int) -> Text:
    below = Text("\n" + " " * (wide + 2)).join(value.split("\n"))
    return Text.assemble((f"{name:<{wide}}  ", "dim"), below, no_wrap=True, overflow="ignore")
