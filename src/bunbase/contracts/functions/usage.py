"""Statistics and usage of functions, by the hour."""

from __future__ import annotations

from datetime import datetime

import msgspec

from bunbase.contracts.tenant_auth.active_users import ActiveMonth


class FunctionHour(msgspec.Struct, frozen=True):
    """Statistics of one hour. `hour`: the start of the hour.

    `calls`: the number of calls that reached a worker. `errors`: the number of these calls that threw an error, crashed
    or timed out. `refused`: the number of calls that reached no worker. Percentiles are accurate within about 12 %;
    they are null if nothing ran. `cpu_ms`: the processor time of the workers, including the time between calls, but
    without the start.
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
    file_byte_hours: int = 0
    file_bytes_downloaded: int = 0


class Usage(msgspec.Struct, frozen=True):
    """Usage of a project. `gb_seconds`: the sum of the duration of each call times the memory limit of its function.
    `cpu_ms`: the same as in FunctionHour. `live_connection_seconds`: the total time of all live connections.
    `live_messages_delivered`: the number of results and differences of live queries, and of messages of channels,
    counted for each connection to which they were sent. `live_messages_published`: the number of messages published in
    channels. `file_byte_hours`: the size of all files in bytes, times the hours for which they were stored.
    `file_bytes_downloaded`: the bytes of files that were sent to clients.
    `monthly_active_users`: the numbers for the last twelve months, independent of `hours`.
    """

    invocations: int
    gb_seconds: float
    cpu_ms: float
    hours: tuple[UsageHour, ...]
    live_connection_seconds: int = 0
    live_messages_delivered: int = 0
    live_messages_published: int = 0
    file_byte_hours: int = 0
    file_bytes_downloaded: int = 0
    monthly_active_users: tuple[ActiveMonth, ...] = ()
