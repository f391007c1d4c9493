"""Reads the statistics of functions and the usage of projects."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from bunbase.contracts.buncast import Buncast
from bunbase.contracts.caller import Act, Caller
from bunbase.contracts.functions.usage import FunctionHour, FunctionStats, Usage, UsageHour
from bunbase.contracts.live_usage import LiveUsageHour
from bunbase.contracts.tenant_auth.service import TenantAuth
from bunbase.functions.service.existing import existing_version
from bunbase.functions.settings import FunctionsSettings
from bunbase.functions.store import Stores
from bunbase.functions.store.hours import Hour, UsedHour
from bunbase.functions.usage.durations import BUCKETS, percentile_ms
from bunbase.functions.usage.meter import Meter
from bunbase.pkg.clock import Clock
from bunbase.pkg.usage.batches import USAGE_KEPT, Batch, Receipt, hour_of


class UsageOfOthers(msgspec.Struct, frozen=True):
    """The other parts of BunBase whose counts belong to a project's usage."""

    users: TenantAuth
    channels: Buncast


class Statistics:
    def __init__(
        self, stores: Stores, meter: Meter, clock: Clock, settings: FunctionsSettings, others: UsageOfOthers
    ) -> None:
        self.stores = stores
        self.meter = meter
        self.clock = clock
        self.settings = settings
        self.others = others

    async def stats(self, caller: Caller, name: str, hours: int) -> FunctionStats:
        caller.check(Act.LOG_READ)
        await existing_version(self.stores.functions, caller.project, name)
        await self.meter.flush()
        since = first_hour(self.clock.now(), hours)
        rows = await self.stores.hours.of_function(caller.project, name, since, hours)
        buckets = [sum(column) for column in zip(*(row.buckets for row in rows), strict=True)] or [0] * BUCKETS
        return FunctionStats(
            calls=sum(row.calls for row in rows),
            errors=sum(row.errors for row in rows),
            refused=sum(row.refused for row in rows),
            cold_starts=sum(row.cold for row in rows),
            p50_ms=percentile_ms(buckets, 0.5),
            p95_ms=percentile_ms(buckets, 0.95),
            cpu_ms=round(sum(row.cpu_ms for row in rows), 3),
            memory_peak_mb=round(max((row.peak_mb for row in rows), default=0.0), 1),
            hours=tuple(_hour(row) for row in rows),
        )

    async def add_file_usage(self, batch: Batch[None], sent: datetime) -> Receipt:
        return await self.stores.hours.ledger.add(batch, sent)

    async def usage(self, caller: Caller, hours: int) -> Usage:
        caller.check(Act.USAGE_READ)
        await self.meter.flush()
        since = first_hour(self.clock.now(), hours)
        rows = await self.stores.hours.of_project(caller.project, since, hours)
        live = await self.others.channels.live_usage(caller.project, since, hours)
        return Usage(
            invocations=sum(row.invocations for row in rows),
            gb_seconds=round(sum(row.gb_seconds for row in rows), 6),
            cpu_ms=round(sum(row.cpu_ms for row in rows), 3),
            hours=_usage_hours(rows, live)[:hours],
            live_connection_seconds=sum(one.connection_seconds for one in live),
            live_messages_delivered=sum(one.delivered for one in live),
            live_messages_published=sum(one.published for one in live),
            file_byte_hours=sum(row.file_byte_hours for row in rows),
            file_bytes_downloaded=sum(row.egress_bytes for row in rows),
            monthly_active_users=await self.others.users.monthly_active_users(caller.project),
        )

    async def delete_old(self) -> None:
        old = self.clock.now() - timedelta(days=self.settings.stats_retention_days)
        await self.stores.hours.delete_old(old, USAGE_KEPT)


def first_hour(now: datetime, hours: int) -> datetime:
    """Return the start of a period of `hours` hours that ends with the current hour."""
    return hour_of(now) - timedelta(hours=hours - 1)


def _usage_hours(rows: Sequence[UsedHour], live: Sequence[LiveUsageHour]) -> tuple[UsageHour, ...]:
    """Return the hours with calls of functions, files or live connections, newest first."""
    used, connected = {row.hour: row for row in rows}, {one.hour: one for one in live}
    found = []
    for hour in sorted(used | connected, reverse=True):
        row, one = used.get(hour, UsedHour(hour, 0, 0, 0, 0, 0)), connected.get(hour, LiveUsageHour(hour, 0, 0, 0))
        calls = (row.invocations, round(row.gb_seconds, 6), round(row.cpu_ms, 3))
        files = (row.file_byte_hours, row.egress_bytes)
        found.append(UsageHour(hour, *calls, one.connection_seconds, one.delivered, one.published, *files))
    return tuple(found)


def _hour(row: Hour) -> FunctionHour:
    return FunctionHour(
        hour=row.hour,
        calls=row.calls,
        errors=row.errors,
        refused=row.refused,
        cold_starts=row.cold,
        p50_ms=percentile_ms(row.buckets, 0.5),
        p95_ms=percentile_ms(row.buckets, 0.95),
        cpu_ms=round(row.cpu_ms, 3),
        memory_peak_mb=round(row.peak_mb, 1),
    )
