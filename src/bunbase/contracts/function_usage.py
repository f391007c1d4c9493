"""How functions did, and what they used, by the hour."""

from __future__ import annotations

from datetime import datetime

import msgspec


class FunctionHour(msgspec.Struct, frozen=True):
    """`hour`: its first moment. `calls`: those that a worker had, `errors` of these threw, crashed or ran out of time;
    `refused`: those that no worker had. Percentiles are good within some 12 %; null where nothing ran. `cpu_ms`: the
    workers' processor time, what they burn between calls included, starting and loading not.
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
    """All of `hours` together; each means what it means there."""

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
    """`gb_seconds`: of each call its seconds times the memory its function may hold; `cpu_ms`: as in FunctionHour."""

    invocations: int
    gb_seconds: float
    cpu_ms: float
    hours: tuple[UsageHour, ...]
