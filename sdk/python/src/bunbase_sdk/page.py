"""One page of a list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """`next`: the cursor of the next page, or None after the last one. `count`: of all matches, if it was asked for.

    `count_is_estimate`: the exact number would exceed the budget of a query. `explain`: the query plan, if it was asked
    for.
    """

    items: list[T]
    next: str | None
    count: int | None = None
    count_is_estimate: bool = False
    explain: dict[str, Any] | None = None
