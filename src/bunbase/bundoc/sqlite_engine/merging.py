"""Merge the ranges of an index into the order of the result.

Each range may have documents from every part of the result.

The merge reads ahead only keys: one key of each range. A document is read only when it is the next in the order. So a
page of 20 examines as few documents as with a single range.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from typing import Any

from bunbase.bundoc.query.plan import Plan
from bunbase.bundoc.query.ranges import Range
from bunbase.bundoc.sqlite_engine.candidates import Candidates, Statement

Read = Callable[[Statement], Iterator[Any]]


def merged_ids(plan: Plan, candidates: Candidates, after: bytes | None, read: Read) -> Iterator[str]:
    """Yield the ids in the ranges of the plan, in the order of the result. `after`: a position in this order."""
    turns = [_turns(range, read(candidates.keys_in(range, after))) for range in plan.ranges]
    for _, id in heapq.merge(*turns, reverse=plan.backwards):
        yield id


def _turns(range: Range, entries: Iterator[Any]) -> Iterator[tuple[bytes, str]]:
    """Yield the part of each key that determines the position in the result, and the id."""
    start = len(range.base)
    for key, id in entries:
        yield key[start:], id
