"""Statistics and usage of functions, by the hour."""

from __future__ import annotations

from datetime import datetime

import msgspec


class FunctionHour(msgspec.Struct, frozen=True):
    """`hour`: the start of the hour.

    `calls`: those that a worker had, `errors` of these threw, crashed or ran out of time; `refused`: those that no
    worker had. Percentiles are accurate within about 12 %; null if nothing ran. `cpu_ms`: the workers' processor time,
    what they burn between calls included, starting and loading not.
    """

    hour: datetime
    calls: int
    errors: int
    refused: int
    cold_starts: int
    p50_ms: float | None
    p95_ms: float | None
    cpu_ms: float
    memory_peak_mb: float


class FunctionStats(msgspec.Struct, frozen=True):
    """Totals over `hours`; members have the same meaning there."""

    calls: int
    errors: int
    refused: int
    cold_starts: int
    p50_ms: float | None
    p95_ms: float | None
    cpu_ms: float
    memory_peak_mb: float
    hours: tuple[FunctionHour, ...]


class UsageHour(msgspec.Struct, frozen=True):
    hour: datetime
    invocations: int
    gb_seconds: float
    cpu_ms: float


class Usage(msgspec.Struct, frozen=True):
    """`gb_seconds`: sum of the seconds of each call times the memory limit of its function; `cpu_ms`: as in
    FunctionHour.
    """

    invocations: int
    gb_seconds: float
    cpu_ms: float
    hours: tuple[UsageHour, ...]
