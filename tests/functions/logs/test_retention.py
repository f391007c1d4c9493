from __future__ import annotations

from datetime import date, timedelta

import asyncpg
import pytest

from bunbase.contracts.functions.logs import LogFilter
from bunbase.functions.service import FunctionsService
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.db.migrations import migrations_in
from bunbase.pkg.modules import Site
from tests.functions.calls import MEMBER, PROJECT
from tests.functions.logs.log_lines import NOON, line
from tests.rooms import site

DAY_MINUTES = 24 * 60
TODAY = NOON.date()
MIGRATIONS = migrations_in("bunbase.functions.migrations")
BY_DAY = next(one for one in MIGRATIONS if one.name.endswith("_logs_by_day.sql"))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOON)


@pytest.fixture
def here(tmp_path, database_url: str, clock: ManualClock) -> Site:
    return site(tmp_path, database_url, clock)


async def test_log_tables_are_created_for_today_and_tomorrow(functions: FunctionsService, clock: ManualClock) -> None:
    await functions.log_retention.keep_days()
    clock.advance(DAY_MINUTES * 60)
    await functions.log_retention.keep_days()

    assert await functions.stores.logs.days.days() == [TODAY + timedelta(days=number) for number in range(3)]


async def test_log_lines_of_a_day_without_a_table_are_kept_too(functions: FunctionsService) -> None:
    await functions.log_retention.keep_days()

    await functions.stores.logs.add([line("long ago", -3 * DAY_MINUTES), line("now"), line("far", 9 * DAY_MINUTES)])

    page = await functions.logs(MEMBER, None, 20, None)
    assert [one.text for one in page.items] == ["far", "now", "long ago"]


async def test_the_tables_of_days_beyond_the_retention_are_dropped(functions: FunctionsService) -> None:
    kept, gone = -7, -8
    await functions.stores.logs.add([line("gone", gone * DAY_MINUTES), line("kept", kept * DAY_MINUTES), line("now")])

    await functions.log_retention.keep_days()
    await functions.log_retention.keep_days()

    assert [one.text for one in (await functions.logs(MEMBER, None, 20, None)).items] == ["now", "kept"]
    assert (await functions.stores.logs.days.days())[0] == TODAY - timedelta(days=7)


async def test_a_filter_by_time_reads_only_the_tables_of_its_days(
    functions: FunctionsService, database_url: str
) -> None:
    await functions.stores.logs.add([line(str(day), day * DAY_MINUTES) for day in range(3)])
    which = LogFilter(since=NOON + timedelta(days=1), until=NOON + timedelta(days=1, hours=1))

    found = await functions.logs(MEMBER, None, 20, None, which)

    assert [one.text for one in found.items] == ["1"]
    connection = await asyncpg.connect(database_url)
    try:
        plan = await connection.fetch(
            "EXPLAIN SELECT seq FROM functions.logs WHERE at >= $1 AND at < $2", which.since, which.until
        )
    finally:
        await connection.close()
    assert "logs_20260511" in str(plan)
    assert "logs_20260510" not in str(plan)


async def test_log_lines_of_the_former_single_table_are_moved_to_tables_by_day(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute("CREATE SCHEMA before; SET search_path = before")
        for earlier in MIGRATIONS[: BY_DAY.number - 1]:
            await connection.execute(earlier.sql)
        for number, day in enumerate((date(2026, 5, 9), date(2026, 5, 10), date(2026, 5, 10))):
            at = NOON.replace(day=day.day)
            row = (PROJECT, "f", 1, "inv_1", at, "info", f"line {number}", False)
            await connection.execute(
                """INSERT INTO logs (project, function, version, invocation, at, level, text, truncated)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8)""",
                *row,
            )

        await connection.execute(BY_DAY.sql)

        kept = await connection.fetch("SELECT seq, text, tableoid::regclass::text AS day FROM logs ORDER BY seq")
        assert [tuple(row) for row in kept] == [
            (1, "line 0", "logs_20260509"),
            (2, "line 1", "logs_20260510"),
            (3, "line 2", "logs_20260510"),
        ]
        assert await connection.fetchval("SELECT nextval('logs_order')") == 4
    finally:
        await connection.execute("DROP SCHEMA before CASCADE")
        await connection.close()
