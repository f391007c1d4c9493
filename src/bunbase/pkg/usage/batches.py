"""Batches of counts, as they travel from a writer to the store."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Generic, TypeVar

import msgspec

Row = TypeVar("Row")


class Amount(msgspec.Struct, frozen=True):
    """`hour`: its first moment."""

    project: str
    dimension: int
    hour: datetime
    amount: Annotated[int, msgspec.Meta(ge=0)]


class Batch(msgspec.Struct, Generic[Row], frozen=True):
    """`writer` (one life of one process) and `seq` name it for ever; what it holds never changes.

    `rows`: what else a room adds up in the same transaction, such as statistics of functions.
    """

    writer: str
    seq: int
    amounts: tuple[Amount, ...]
    rows: tuple[Row, ...] = ()


class Receipt(msgspec.Struct, frozen=True):
    """`at`: the store's time. `new`: False if the batch had been added before."""

    at: datetime
    new: bool


def hour_of(time: datetime) -> datetime:
    return time.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def summed(amounts: Iterable[Amount]) -> tuple[Amount, ...]:
    """Add up what belongs together, in one order: two writers must not wait for each other's rows."""
    total: dict[tuple[str, int, datetime], int] = {}
    for one in amounts:
        key = (one.project, one.dimension, one.hour)
        total[key] = total.get(key, 0) + one.amount
    return tuple(Amount(*key, amount) for key, amount in sorted(total.items()))
