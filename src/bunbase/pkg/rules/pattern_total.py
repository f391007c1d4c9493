"""The limit of all patterns in new rules that belong together, such as the rules of one collection.

RE2 compiles a pattern with 8,000 instructions in 3 ms, and a rule of 4 KiB may have 200 patterns. The cache holds a
limited number of compiled patterns. So the rules for one document must not have more patterns than fit into the cache.
"""

from __future__ import annotations

from typing import Final

from bunbase.pkg.patterns import KEPT, InvalidPattern, pattern
from bunbase.pkg.rules.refusal import refused
from bunbase.pkg.rules.syntax import Call, Literal, Node, children

MAX_INSTRUCTIONS: Final = 20_000  # This many instructions compile in 8 ms.
MAX_PATTERNS: Final = KEPT // 2


class PatternTotal:
    """Adds up the patterns of rules. A pattern that occurs several times counts once."""

    def __init__(self) -> None:
        self.found: set[str] = set()
        self.instructions = 0

    def add(self, source: str, node: Node) -> None:
        """Add the patterns of a rule. Raises: InvalidRule if the patterns are too many or too large."""
        match node:
            case Call(name="matches", of=(_, Literal(value=str(text)))) if text not in self.found:
                self._count(source, node, text)
        for child in children(node):
            self.add(source, child)

    def _count(self, source: str, node: Node, text: str) -> None:
        try:
            self.instructions += pattern(text).size
        except InvalidPattern:
            return  # The check of the rule reports the fault.
        self.found.add(text)
        if len(self.found) > MAX_PATTERNS:
            raise refused(source, node.start, f"All rules together may have {MAX_PATTERNS} different patterns.")
        if self.instructions > MAX_INSTRUCTIONS:
            why = f"The patterns of all rules together compile to more than {MAX_INSTRUCTIONS} instructions"
            raise refused(source, node.start, f"{why}: use fewer repetitions.")
