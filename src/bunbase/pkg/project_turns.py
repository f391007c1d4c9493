"""The turns of projects whose rows of one table wait for work: each project gets one row before any gets a second one.

A query finds the first row of the first project from a smallest id on. The index begins with the project, in the
collation "C". So the cost does not depend on the number of rows that other projects have.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

T = TypeVar("T")

AFTER: Final = (
    "\x01"  # This is the smallest text: no other id sorts between the id of a project and the same id with this suffix.
)


class Turn:
    """The project whose turn is next. `smallest`: the smallest id that this project may have."""

    def __init__(self) -> None:
        self.smallest = ""

    async def next(self, find: Callable[[str], Awaitable[T | None]], project_of: Callable[[T], str]) -> T | None:
        """Return the row of the next project, or None.

        `find`: a function that returns the first row of the given project or a later project.
        """
        asked = self.smallest
        found = await find(asked)
        if found is None and asked:
            found = await find("")
        self.smallest = "" if found is None else project_of(found) + AFTER
        return found
