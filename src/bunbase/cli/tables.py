"""Lay out a table without breaking a word: people could not copy an id that is spread over two lines.

If a terminal is too narrow for the longest words of all columns side by side, the steps of NARROWER run one after the
other. Times lose their seconds, long texts are cut, and the least important columns are left out. If the table still
does not fit, each row becomes a block with one field per line. In a block, nothing is cut or left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple, assert_never

from rich import box
from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text


class Step(StrEnum):
    SHORT_TIMES = "short times"
    CUT = "cut"
    LEAVE_OUT = "leave out"


NARROWER: Final = (
    (Step.SHORT_TIMES, ""),
    (Step.CUT, "device"),
    (Step.CUT, "changed to"),
    (Step.LEAVE_OUT, "ends"),
    (Step.LEAVE_OUT, "from"),
    (Step.LEAVE_OUT, "created"),
    (Step.LEAVE_OUT, "signed in"),
    (Step.CUT, "in"),
    (Step.LEAVE_OUT, "changed to"),
    (Step.CUT, "target"),
    (Step.CUT, "application"),
    (Step.CUT, "who"),
    (Step.LEAVE_OUT, "application"),
    (Step.LEAVE_OUT, "in"),
)  # the steps that make a table narrower: each step names a column, and changes this column in any list
CUT_TO: Final = 14  # at least this number of characters remains of a text that is cut
SHORT_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d):\d\d")
BETWEEN: Final = 3  # the number of spaces between two columns
TURNS_TEXT_ROUND: Final = (
    *range(0x202A, 0x202F),
    *range(0x2066, 0x206A),
)  # marks that change the direction of text: they could make a terminal show a text that differs from the real text
CONTROL: Final = {code: None for code in (*range(32), *range(127, 160), *TURNS_TEXT_ROUND) if chr(code) not in "\t\n"}

GOOD, BAD, BUSY = "green", "red", "yellow"
STATES: Final = {
    **dict.fromkeys(("ok", "deployed", "done", "proved"), GOOD),
    **dict.fromkeys(("failed", "bad", "dead", "lost", "error", "timeout", "crash", "altered", "unreadable"), BAD),
    **dict.fromkeys(
        ("note", "waiting", "blocked", "running", "skipped", "resync", "queued", "to deploy", "unauthenticated"), BUSY
    ),
}  # the colour of each state; a state without an entry is shown in the terminal's own colour


class Column(NamedTuple):
    """A column. `cells`: the cells without the heading. `cut`: a cell that is too long for the column ends with "…"."""

    name: str
    cells: tuple[Text, ...]
    cut: bool = False

    @property
    def least(self) -> int:
        words = max(map(_longest_word, (Text(self.name), *self.cells)))
        return min(words, max(CUT_TO, cell_len(self.name))) if self.cut else words

    @property
    def most(self) -> int:
        return max(cell_len(line) for one in (Text(self.name), *self.cells) for line in one.plain.split("\n"))


class Fitted(NamedTuple):
    """A table that fits the terminal. `left_out`: the names of the columns that were left out."""

    drawing: RenderableType
    left_out: tuple[str, ...] = ()


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]], width: int) -> Fitted:
    """Return the rows as a table of at most `width` characters. If the rows do not fit, return blocks."""
    cells = [[cell(value) for value in row] for row in rows]
    every = [Column(name, tuple(row[at] for row in cells)) for at, name in enumerate(columns)]
    for fitting in _narrower(every):
        if (widths := _widths(fitting, width)) is not None:
            kept = {one.name for one in fitting}
            return Fitted(_drawn(fitting, widths, len(cells)), tuple(name for name in columns if name not in kept))
    return Fitted(_blocks(columns, cells))


def _narrower(columns: list[Column]) -> Iterator[list[Column]]:
    """Yield the columns, first unchanged, and then after each further step of NARROWER."""
    yield columns
    for step, name in NARROWER:
        match step:
            case Step.SHORT_TIMES:
                columns = [one._replace(cells=tuple(map(_short_time, one.cells))) for one in columns]
            case Step.CUT:
                columns = [one._replace(cut=True) if one.name == name else one for one in columns]
            case Step.LEAVE_OUT:
                columns = [one for one in columns if one.name != name]
            case other:
                assert_never(other)
        if columns:
            yield columns


def _short_time(one: Text) -> Text:
    found = SHORT_TIME.fullmatch(one.plain) if one.no_wrap else None
    return Text(found[1], no_wrap=True) if found else one


def _drawn(columns: Sequence[Column], widths: Sequence[int], rows: int) -> Table:
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for one, wide in zip(columns, widths, strict=True):
        made.add_column(one.name, width=wide, overflow="ellipsis" if one.cut else "fold", no_wrap=one.cut)
    for at in range(rows):
        made.add_row(*(one.cells[at] for one in columns))
    return made


def facts(pairs: Sequence[tuple[str, Any]]) -> RenderableType:
    """Return one field per line. A long value is not broken into words; it continues at the edge of the terminal."""
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
    """Return the text without control characters.

    The text comes from a server or a function, and must not control the terminal.
    """
    return text.translate(CONTROL)


def _widths(columns: Sequence[Column], width: int) -> list[int] | None:
    """Return the width of each column, or None if the longest words of all columns need more than `width`."""
    least, most = [one.least for one in columns], [one.most for one in columns]
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
