"""The result of a live query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LiveResult(Generic[T]):
    """The result of a live query at one state of the project, and the changes since the previous result.

    `count`: the number of all matches, if requested. `removed`: documents that have left the result, with their last
    content.
    `at`: the state, in the form of the header X-Bunbase-Seq. In the first result, all documents are `added`.
    """

    items: list[T]
    added: list[T]
    changed: list[T]
    removed: list[T]
    at: str
    count: int | None = None
