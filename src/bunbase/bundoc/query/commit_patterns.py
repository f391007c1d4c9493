"""The patterns of one commit. A commit may have 500 updates, and each update ten patterns."""

from __future__ import annotations

from typing import Final

from bunbase.pkg.patterns import Pattern, pattern

# All patterns of a commit together have at most this many instructions, which compile in 30 ms.
MAX_PROGRAM: Final = 80_000


class CommitPatterns:
    """Compiles each pattern of a commit once. `program`: the number of instructions of the patterns that were compiled
    so far.
    """

    def __init__(self) -> None:
        self.found: dict[str, Pattern] = {}
        self.program = 0

    @property
    def too_large(self) -> bool:
        return self.program > MAX_PROGRAM

    def compiled(self, text: str, max_bytes: int) -> Pattern:
        """Return the compiled pattern. Raises: InvalidPattern."""
        found = self.found.get(text)
        if found is None:
            found = self.found[text] = pattern(text, max_bytes)
            self.program += found.size
        return found
