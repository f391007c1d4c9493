"""One page of a list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """`next`: the cursor of the next page, or None after the last page.

    `count`: the number of all matches, if requested.

    `count_is_estimate`: true if `count` is an estimate, because the exact number would exceed the budget of a query.
    `explain`: the query plan, if requested.
    """

    items: list[T]
    next: str | None
    count: int | None = None
    count_is_estimate: bool = False
    explain: dict[str, Any] | None = None
