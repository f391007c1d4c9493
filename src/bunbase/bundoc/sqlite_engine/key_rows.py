"""Read the rows of an aggregate from the keys of an index that covers it, without the documents.

Keys in one range are sorted, so documents with the same values follow each other. Such documents become one row, and
the values of this row are read from the key only once. A document is read only if its key does not hold a value
(`rows.UNREADABLE`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, Final

from bunbase.bundoc.query.budgets import ScanBudget
from bunbase.bundoc.query.filters import And, Compare, Filter, Path
from bunbase.bundoc.query.implies import conjuncts, implies
from bunbase.bundoc.query.plan import Index, Plan, admits, choose_covering, pinning
from bunbase.bundoc.query.predicate import matches, paths_of
from bunbase.bundoc.query.rows import (
    ID,
    UNREADABLE,
    Reads,
    Row,
    Test,
    canonical,
    is_told_by_keys,
    test_of_values,
    value_in_key,
)
from bunbase.bundoc.query.search import Search

ENTRIES_BETWEEN_LOOKS: Final = 1000  # The time is checked after this many keys. A key takes 1 to 3 µs.


def covering_plan(search: Search, reads: Reads, indexes: Sequence[Index]) -> Plan | None:
    """Return a plan whose keys hold all values that the filter and the aggregate read; None if documents must be read.

    If a rule binds the caller, the keys must also prove that the rule allows every document in the ranges.
    """
    if search.residual is not None:
        return None
    covering = [index for index in indexes if not index.many and _covers(index, search.where, reads)]
    plan = choose_covering(search.where, covering, indexes, search.bound) if covering else None
    if plan is None or plan.index not in covering:
        return None
    return plan if search.bound is None or admits(plan, search.bound) else None


class KeyRows:
    """The rows of the ranges of a plan.

    `document`: a function that reads the document with an id, with its system fields.
    """

    def __init__(self, plan: Plan, where: Filter, reads: Reads, document: Callable[[str], Any]) -> None:
        index = plan.index
        assert index is not None
        self.where = where
        self.reads = reads
        self.document = document
        left = [test for test in conjuncts(where) if not implies([*plan.said, *conjuncts(index.where)], test)]
        self.wanted = (*reads.paths, *{path for test in left for path in paths_of(test)})
        self.test: Test | None = None
        if left:
            self.test = test_of_values(And(tuple(left)), {path: slot for slot, path in enumerate(self.wanted)})
        self.apart = reads.apart or ID in self.wanted
        pins = [test for test in pinning(index, plan.said) if isinstance(test, Compare)]
        self.start = len(plan.pinned)
        self.known = [canonical(pin.value) for pin in pins]
        self.fields = index.order.fields[len(pins) :]
        places = [number for number, field in enumerate(self.fields, 1) if field.path in self.wanted]
        self.fields = self.fields[: max(places, default=0)]
        paths = [*(pin.path for pin in pins), ID, *(field.path for field in self.fields)]
        self.slots = [paths.index(path) for path in self.wanted]

    def of(self, entries: Iterator[Any], budget: ScanBudget, look: Callable[[], None]) -> Iterator[Row]:
        """Yield the rows of sorted entries `(key, id)`.

        `look`: a function that is called from time to time, and may raise an exception.
        """
        before, first, documents = b"", "", 0
        while some := list(islice(entries, ENTRIES_BETWEEN_LOOKS)):
            look()
            budget.spend(len(some))
            for key, id in some:
                values = key[: -len(id) - 1]  # This is right because the id is ASCII.
                if values == before and documents and not self.apart:
                    documents += 1
                    continue
                if documents and (row := self._row(before, first, documents)):
                    yield row
                before, first, documents = values, id, 1
        if documents and (row := self._row(before, first, documents)):
            yield row

    def _row(self, key: bytes, id: str, documents: int) -> Row | None:
        values = self._values(key, id)
        if values is None:
            document = self.document(id)
            return Row(self.reads.of(document), documents, id) if matches(self.where, document) else None
        if self.test is None:
            return Row(values, documents, id)
        return Row(values[: len(self.reads.paths)], documents, id) if self.test(values) else None

    def _values(self, key: bytes, id: str) -> tuple[Any, ...] | None:
        """Return the values of all wanted paths; None if the key does not hold one of them."""
        found, at = [*self.known, id], self.start
        for field in self.fields:
            value, at = value_in_key(key, at, field)
            if value is UNREADABLE:
                return None
            found.append(value)
        return tuple([found[slot] for slot in self.slots])


def _covers(index: Index, where: Filter, reads: Reads) -> bool:
    left = [test for test in conjuncts(where) if not implies(conjuncts(index.where), test)]
    needed: Sequence[Path] = [*reads.paths, *(path for test in left for path in paths_of(test))]
    held = {ID, *(field.path for field in index.order.fields)}
    return held.issuperset(needed) and all(is_told_by_keys(test) for test in left)
