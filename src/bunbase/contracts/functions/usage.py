"""Statistics and usage of functions, by the hour."""

from __future__ import annotations

from datetime import datetime

import msgspec

from bunbase.contracts.tenant_auth.active_users import ActiveMonth


class FunctionHour(msgspec.Struct, frozen=True):
    """Statistics of one hour. `hour`: the start of the hour.

    `calls`: number of calls that reached a worker. `errors`: number of these calls that threw an error, crashed or
    timed out. `refused`: number of calls that reached no worker. Percentiles are accurate within about 12 %; they are
    null if nothing ran. `cpu_ms`: CPU time of the workers, including the time between calls but not the start.
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
    """Totals over `hours`. The members mean the same as in FunctionHour."""

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
    """The members mean the same as in Usage."""

    hour: datetime
    invocations: int
    gb_seconds: float
    cpu_ms: float
    live_connection_seconds: int = 0
    live_messages_delivered: int = 0
    live_messages_published: int = 0


class Usage(msgspec.Struct, frozen=True):
    """Usage of a project. `gb_seconds`: duration of each call times the memory limit of its function, summed up.
    `cpu_ms`: as in FunctionHour. `live_connection_seconds`: time of all live connections together.
    `live_messages_delivered`: results and differences of live queries, and messages of channels, for each connection
    that they were sent to. `live_messages_published`: messages published in channels.
    `monthly_active_users`: of the last twelve months, whatever `hours` was asked for.
    """

    invocations: int
    gb_seconds: float
    cpu_ms: float
    hours: tuple[UsageHour, ...]
    live_connection_seconds: int = 0
    live_messages_delivered: int = 0
    live_messages_published: int = 0
    monthly_active_users: tuple[ActiveMonth, ...] = ()
