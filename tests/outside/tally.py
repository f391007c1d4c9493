"""Count the results of a suite."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

import msgspec

SHOWN: Final = 400  # At most this many characters of a failure are printed.


class Tally(msgspec.Struct):
    """The results of one suite. `skipped`: the number of tests for each reason. `failed`: one line for each failure.

    `known`: tests whose result differs for a reason that our docs describe, counted by this reason.
    """

    suite: str
    passed: int = 0
    failed: list[str] = []
    known: Counter[str] = msgspec.field(default_factory=Counter)
    skipped: Counter[str] = msgspec.field(default_factory=Counter)

    def check(self, right: bool, name: str, found: Any = "") -> None:
        """Count a pass, or a failure with the actual result."""
        if right:
            self.passed += 1
        else:
            self.failed.append(f"{name}: {found}"[:SHOWN])

    @property
    def run(self) -> int:
        return self.passed + len(self.failed) + self.known.total()

    def text(self) -> str:
        """Return the counts in one line, then the failures, the known differences and the reasons of skips."""
        skips = self.skipped.total()
        lines = [
            f"{self.suite}: run {self.run}, pass {self.passed}, known {self.known.total()}, "
            f"fail {len(self.failed)}, skip {skips}"
        ]
        lines += [f"  FAIL {one}" for one in self.failed]
        lines += [f"  known {count}: {reason}" for reason, count in self.known.most_common()]
        lines += [f"  skip {count}: {reason}" for reason, count in self.skipped.most_common()]
        return "\n".join(lines)
