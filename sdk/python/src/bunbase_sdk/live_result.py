"""The result of a live query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LiveResult(Generic[T]):
    """The whole result of a live query at one state of the project, and what differs from the result before.

    `count`: of all matches, if it was asked for. `removed`: documents that are no longer in the result, as they were.
    `at`: the state, as in the header X-Bunbase-Seq. In the first result, all documents are `added`.
    """

    items: list[T]
    added: list[T]
    changed: list[T]
    removed: list[T]
    at: str
    count: int | None = None
