"""The batches of usage that a writer sends to the store."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Generic, TypeVar

import msgspec

USAGE_KEPT: Final = timedelta(days=400)  # This is a year of bills, and time to dispute the last bill.

Row = TypeVar("Row")


class Amount(msgspec.Struct, frozen=True):
    """The usage of a project in one dimension and one hour. `hour`: the start of the hour."""

    project: str
    dimension: int
    hour: datetime
    amount: Annotated[int, msgspec.Meta(ge=0)]


class Batch(msgspec.Struct, Generic[Row], frozen=True):
    """Amounts that the store adds in one transaction. The content of a batch never changes.

    `writer` and `seq` identify the batch. `writer`: a name that is new at each start of a process.
    `rows`: other numbers that a room adds up in the same transaction, such as statistics of functions.
    """

    writer: str
    seq: int
    amounts: tuple[Amount, ...]
    rows: tuple[Row, ...] = ()


class Receipt(msgspec.Struct, frozen=True):
    """The answer of the store. `at`: the store's time. `new`: False if the batch was added before."""

    at: datetime
    new: bool


def hour_of(time: datetime) -> datetime:
    return time.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def summed(amounts: Iterable[Amount]) -> tuple[Amount, ...]:
    """Return one amount for each project, dimension and hour.

    The amounts are sorted, so that two writers cannot deadlock.
    """
    total: dict[tuple[str, int, datetime], int] = {}
    for one in amounts:
        key = (one.project, one.dimension, one.hour)
        total[key] = total.get(key, 0) + one.amount
    return tuple(Amount(*key, amount) for key, amount in sorted(total.items()))
