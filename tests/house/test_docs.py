"""The documentation is Markdown that renders as intended.

A tool that wraps lines once turned a table into a paragraph.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = sorted((*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("bench/**/*.md")))
RULE: Final = re.compile(r"\|\s*:?-{3,}")  # Matches the line below the head of a table.
CELL: Final = re.compile(r"(?<!\\)\|")
CODE: Final = re.compile(r"`[^`]*`")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_row_of_a_table_is_one_line_with_as_many_cells_as_the_head(page: Path) -> None:
    cells = 0
    for number, line in _outside_of_code(page.read_text("utf-8")):
        found = len(CELL.findall(line)) if line.startswith("|") else 0
        where = f"{page.name}:{number}: {line[:80]}"
        assert found or not RULE.search(line), f"a table is part of a paragraph: {where}"
        assert not found or line.endswith("|"), f"a row of a table is broken into lines: {where}"
        assert not found or found == (cells or found), f"a row has another number of cells than the head: {where}"
        cells = found


def _outside_of_code(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines outside of blocks of code, stripped and without their short pieces of code, and their numbers."""
    inside = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("```"):
            inside = not inside
        elif not inside:
            yield number, CODE.sub("`", line.strip())
