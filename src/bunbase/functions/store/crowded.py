"""Deletes the oldest rows of projects that have too many rows of one kind."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec

DELETE_BATCH: Final = 5000


class CrowdedProject(msgspec.Struct, frozen=True):
    project: str
    rows: int


async def delete_surplus(
    crowded: Sequence[CrowdedProject], most: int, delete_oldest: Callable[[str, int], Awaitable[int]]
) -> None:
    """Delete the oldest rows of each project until `most` rows are left, in batches with one transaction each."""
    for one in crowded:
        surplus = one.rows - most
        while surplus > 0 and await delete_oldest(one.project, min(surplus, DELETE_BATCH)):
            surplus -= DELETE_BATCH
