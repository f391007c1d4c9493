"""Exact sums of numbers: 0.1 + 0.2 is 0.3.

A double counts as its shortest decimal text, which is also its text in JSON. With up to 15 significant digits, this
text is always the number that the client sent. The sum is exact and does not depend on the order. The sum is rounded to
a double only once, at the end.
"""

from __future__ import annotations

from decimal import Context, Decimal, Inexact
from typing import Any, Final

from bunbase.bundoc.query.filters import MAX_INTEGER, MIN_INTEGER

# Doubles have decimal digits from 10^308 down to 10^-342. `Inexact` raises an error if this precision does not suffice.
EXACT: Final = Context(prec=700, traps=[Inexact])
DIVIDING: Final = Context(prec=60)


class ExactSum:
    def __init__(self) -> None:
        self.whole = 0
        self.rest = Decimal()
        self.numbers = 0

    def add(self, value: Any, times: int) -> None:
        """Add a canonical value. Ignore a value that is not a number."""
        if value.__class__ is int:
            self.whole += value * times
        elif value.__class__ is float:
            exact = Decimal(repr(value))
            self.rest = EXACT.add(self.rest, exact if times == 1 else EXACT.multiply(exact, Decimal(times)))
        else:
            return
        self.numbers += times

    def total(self) -> int | float:
        if not self.rest:
            return self.whole
        total = EXACT.add(self.rest, Decimal(self.whole))
        if total == total.to_integral_value(context=EXACT) and MIN_INTEGER <= total <= MAX_INTEGER:
            return int(total)
        return float(total)

    def mean(self) -> float | None:
        if not self.numbers:
            return None
        if not self.rest:
            return self.whole / self.numbers
        total = EXACT.add(self.rest, Decimal(self.whole))
        return float(DIVIDING.divide(total, Decimal(self.numbers)))
